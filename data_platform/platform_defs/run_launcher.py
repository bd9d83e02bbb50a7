"""Start the runs of a queue on a code server, also while it is being replaced.

A code server that is told to end completes its runs and accepts no others. The next run of the
queue is launched as soon as one has ended, before the server has: Dagster would fail it, and its
partitions of a backfill with it. `dagster.yaml` names this launcher.
"""

from data_platform.build.dagster_internals import (
    LaunchContext,
    LaunchFailed,
    RunLauncher,
    Unreachable,
)

ENDING = "after telling it to shut down"  # in Dagster's error


class PatientRunLauncher(RunLauncher):
    """Dagster's own launcher, for which a code server that ends counts as one that cannot be
    reached: the queue tries again later (`max_user_code_failure_retries`)."""

    def launch_run(self, context: LaunchContext) -> None:
        try:
            super().launch_run(context)
        except LaunchFailed as error:
            if ENDING not in str(error):
                raise
            raise Unreachable(f"the code server is about to end: {error}") from error
