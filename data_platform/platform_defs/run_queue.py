"""The queue of runs, in which those of a table wait for each other from the first one on.

Dagster gives a pool its default limit while the queue looks at the first runs that need it, but
after it has read the limits: these runs start beside each other, and all but one compute a table's
partitions for nothing. `dagster.yaml` names this queue.
"""

from collections.abc import Collection

import dagster as dg
from sqlalchemy.exc import DBAPIError


class LimitingRunCoordinator(dg.QueuedRunCoordinator):
    """Dagster's queue; before it takes a run, each pool of the run has a limit."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        instance, needed = context.workspace.instance, context.dagster_run.run_op_concurrency
        if needed and instance.global_op_concurrency_default_limit:
            require_limits(instance, needed.all_pools or ())
        return super().submit_run(context)


def require_limits(instance: dg.DagsterInstance, pools: Collection[str]) -> None:
    """Give those of the pools that have no limit the default one of `dagster.yaml`."""
    storage = instance.event_log_storage

    def missing() -> set[str]:
        return set(pools).difference(limit.name for limit in storage.get_pool_limits())

    for pool in sorted(missing()):
        try:
            storage.initialize_concurrency_limit_to_default(pool)
        except DBAPIError:
            if pool in missing():  # otherwise another process was first
                raise
