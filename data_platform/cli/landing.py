"""The state of landed objects."""

import shlex

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.options import CHECK, JSON, exit_if_any, open_platform
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import unknown

# What to do about an object without a source, by cause.
_BY_NAME = "fix the source's declaration, or land it under another name"
_PLACED = {
    "outside": "add it to the partitions of its table (a day to come is loaded when it has come)",
    "unusable": "put a plain file in its place",
}
_AFTERWARDS = "the sensor, or `data-platform run`, does it"


@click.command()
@click.option(
    "--reopen",
    metavar="KEY",
    multiple=True,
    help="try a failed object again, once its cause is fixed, or one that was forgotten (may be "
    "repeated)",
)
@click.option("--reopen-all", is_flag=True, help="all of the failed ones")
@click.option(
    "--forget",
    metavar="KEY",
    multiple=True,
    help="drop an object: its rows are removed from bronze, and what was built from them is built "
    "again (may be repeated)",
)
@CHECK
@JSON
@reporting
def landing(
    reopen: tuple[str, ...], reopen_all: bool, forget: tuple[str, ...], check: bool, as_json: bool
) -> None:
    """The ledger: objects by state; failed and unknown ones with their errors; those that are gone
    although bronze has their rows; forgotten ones.

    `--check` looks at failed and unknown ones.
    """
    platform = open_platform()
    ledger = platform.ledger
    if reopen or reopen_all:
        with recorded(platform, "reopen", detail=", ".join(reopen) or "all that failed"):
            _reopen(ledger, reopen, reopen_all, as_json)
        return
    if forget:
        with recorded(platform, "forget", detail=", ".join(forget)):
            _forget(ledger, forget, as_json)
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
    forgotten = [{"key": e.key, "partition": e.partition} for e in ledger.forgotten()]
    if as_json:
        objects = [{**row, "cause": e.cause} for row, e in zip(unread, entries, strict=True)]
        others = {"vanished": vanished, "forgotten": forgotten}
        out.as_json({"states": states, "objects": objects, **others})
    else:
        out.records("objects by state", [states], counts=states)
        click.echo()
        out.records("failed and unknown objects", unread)
        for title, rows in (
            ("gone from the landing place; bronze keeps their rows", vanished),
            ("forgotten", forgotten),
        ):
            if rows:
                click.echo()
                out.records(title, rows, counts=["rows"])
    exit_if_any(unread, check)


def _reopen(ledger, keys: tuple[str, ...], every: bool, as_json: bool) -> None:
    failed = {entry.key: entry.id for entry in ledger.failed()}
    known = failed | {entry.key: entry.id for entry in ledger.forgotten() if entry.source}
    unplaced = {entry.key: entry for entry in ledger.unknown()}
    for key in keys:
        if found := unplaced.get(key):
            raise click.UsageError(
                f"{key} is of no source, so nothing loads it: {found.error}; "
                f"{_PLACED.get(str(found.cause), _BY_NAME)}, and `data-platform run` loads it; "
                f"`data-platform landing --forget {shlex.quote(key)}` does without it"
            )
        if key not in known:
            raise click.UsageError(unknown("failed object", key, list(known)))
    chosen = list(failed if every else dict.fromkeys(keys))
    ledger.reopen([known[key] for key in chosen])
    if as_json:
        out.as_json({"reopened": chosen})
        return
    for key in chosen:
        click.echo(f"{key} waits to be loaded; the sensor, or `data-platform run`, loads it")
    if not chosen:
        click.echo("no object failed")


def _forget(ledger, keys: tuple[str, ...], as_json: bool) -> None:
    known = {entry.key: entry for entry in ledger.known(keys)}
    for key in keys:
        if key not in known:
            raise click.UsageError(f"no object {key!r} has landed; see `data-platform landing`")
    ledger.forget([entry.id for entry in known.values()])
    if as_json:
        out.as_json({"forgotten": list(known)})
        return
    for key in known:
        click.echo(f"{key} is forgotten; what bronze has of it leaves it: {_AFTERWARDS}")
