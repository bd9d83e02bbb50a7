"""How a run of the demo ended. That checks hold a day back is part of it; nothing else may fail."""

import click
import dagster as dg

from data_platform.platform_defs.drive import Ran

_HELD_BACK = "held_back"  # in the metadata of the IO manager's failure


def only_held_back(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether all that failed in a run is partitions that did not pass their checks."""
    failed = [
        entry.dagster_event.step_failure_data.user_failure_data
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        if entry.dagster_event
    ]
    return bool(failed) and all(data and _HELD_BACK in data.metadata for data in failed)


def print_outcome(ran: Ran, *, expected: bool) -> None:
    """A line for a run that is done; else why it failed, as what it is."""
    if ran.success:
        click.echo("  run done", err=True)
        return
    text = "run failed, as it should where a day is held back" if expected else "run FAILED"
    causes = ran.failures or (f"no step says why: see run {ran.run_id} in `make dev`",)
    click.secho("\n".join([f"  {text}:", *causes]), fg="yellow" if expected else "red", err=True)
