"""The outcome of a demo run. Checks are expected to hold a day back; nothing else may fail."""

import click

from data_platform.runs.in_process import Ran


def print_outcome(ran: Ran) -> None:
    """Print that a run is done, or why it failed and whether that is expected."""
    if ran.state in ("done", "canceled"):
        click.echo(f"  run {ran.state}", err=True)
        return
    text = (
        "run FAILED" if ran.state == "failed" else "run failed, as expected when a day is held back"
    )
    causes = ran.failures or (f"no step reported a cause: see run {ran.run_id} in `make dev`",)
    click.secho(
        "\n".join([f"  {text}:", *causes]),
        fg="red" if ran.state == "failed" else "yellow",
        err=True,
    )
