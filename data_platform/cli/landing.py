"""What became of the landed objects."""

import click

from data_platform.cli.options import CHECK, JSON, exit_if_any, open_platform
from data_platform.observability import printing as out
from data_platform.observability.commands import reporting, unknown


@click.command()
@click.option(
    "--reopen",
    metavar="KEY",
    multiple=True,
    help="try a failed object again, once its cause is mended (may be repeated)",
)
@click.option("--reopen-all", is_flag=True, help="all of the failed ones")
@CHECK
@JSON
@reporting
def landing(reopen: tuple[str, ...], reopen_all: bool, check: bool, as_json: bool) -> None:
    """The ledger: objects by state; failed and unknown ones with their errors; those that are gone
    while bronze has their rows.

    `--check` is about failed and unknown ones.
    """
    ledger = open_platform().ledger
    if reopen or reopen_all:
        _reopen(ledger, reopen, reopen_all, as_json)
        return
    entries = [*ledger.failed(), *ledger.unknown()]
    unread = [
        {"state": e.state, "key": e.key, "partition": e.partition, "error": e.error}
        for e in entries
    ]
    states = {**ledger.summary()}
    vanished = [
        {"key": e.key, "partition": e.partition, "rows": e.rows, "gone_since": e.vanished}
        for e in ledger.vanished()
    ]
    if as_json:
        objects = [{**row, "cause": e.cause} for row, e in zip(unread, entries, strict=True)]
        out.as_json({"states": states, "objects": objects, "vanished": vanished})
    else:
        out.records("objects by state", [states], counts=states)
        click.echo()
        out.records("failed and unknown objects", unread)
        if vanished:
            click.echo()
            title = "gone from the landing place; bronze keeps their rows"
            out.records(title, vanished, counts=["rows"])
    exit_if_any(unread, check)


def _reopen(ledger, keys: tuple[str, ...], every: bool, as_json: bool) -> None:
    failed = {entry.key: entry.id for entry in ledger.failed()}
    for key in keys:
        if key not in failed:
            raise click.UsageError(unknown("failed object", key, list(failed)))
    chosen = list(failed if every else dict.fromkeys(keys))
    ledger.reopen([failed[key] for key in chosen])
    if as_json:
        out.as_json({"reopened": chosen})
        return
    for key in chosen:
        click.echo(f"{key} waits to be loaded; the sensor, or `data-platform run`, loads it")
    if not chosen:
        click.echo("no object failed")
