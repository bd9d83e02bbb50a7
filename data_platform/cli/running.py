"""Building what is due, and what is not as it should be: run, stale, held."""

from collections import Counter
from collections.abc import Iterator

import click

from data_platform.cli import printing as out
from data_platform.cli.options import (
    CHECK,
    JSON,
    declarations,
    exit_as,
    exit_if_any,
    open_platform,
    print_runs,
    stopping,
)
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted


@click.command()
@reporting
def run() -> None:
    """Load what landed and build what is stale, here and now: what the sensors would ask for.

    Ends with 0 where all is done, with 1 where a run failed, with 3 where partitions are held back
    by their checks, landed objects are unreadable or of no source, or the inputs of a table change
    as often as it is built. Ctrl-C stops it in order: the
    same command goes on from there.
    """
    platform = open_platform(create=True)
    tables, definitions = declarations()
    from data_platform.operations.attention import attention
    from data_platform.operations.repair import instance_of
    from data_platform.runs.due import waiting_lines
    from data_platform.runs.in_process import asked_for, run_until_quiet

    waiting, unplanned, circles = {}, [], []

    def trouble(text: str) -> None:
        out.paragraph(text)
        unplanned.append(text)

    said = {
        "announce": lambda request: click.echo(asked_for(request)),
        "waiting": out.waiting,
        "trouble": trouble,
        "waits": waiting.__setitem__,
        "circles": circles.append,
    }
    with stopping(lambda: _left(platform, tables)) as stop, instance_of(platform) as instance:
        ended = print_runs(
            run_until_quiet(definitions, instance, platform, tables, stop=stop, **said)
        )
    if not ended:
        click.echo("nothing new landed and nothing is stale: no run was needed")
        if not any(platform.ledger.summary().values()):
            click.echo(f"nothing has landed yet in {platform.settings.landing_uri}")
    found = attention(platform, tables)
    left = [*circles, *_left(platform, tables)] if circles else []
    for line in [*waiting_lines(waiting), *left, *found.lines]:
        out.paragraph(line)
    if unplanned and not ended["failed"]:
        raise click.ClickException(
            f"{counted(len(unplanned), 'table')} could not be planned, as said above"
        )
    exit_as(ended, left=bool(found or circles or ended["held back"]))


def _left(platform, tables) -> Iterator[str]:
    """What is left to be done."""
    from data_platform.operations.repair import stale_partitions

    if pending := platform.ledger.summary()["pending"]:
        yield f"left: {counted(pending, 'landed object')} to load"
    left = Counter(row["table"] for row in stale_partitions(platform, tables))
    for table, count in left.items():
        yield f"left: {counted(count, 'partition')} of {table} to build"


@click.command()
@CHECK
@JSON
@reporting
def stale(check: bool, as_json: bool) -> None:
    """Partitions built under an older contract, or from inputs that changed since."""
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.operations.repair import stale_partitions

    found = stale_partitions(platform, tables)
    if found and not as_json:
        out.records("by table and reason", _counted(found), counts=["partitions"])
        click.echo()
    out.records("stale partitions", found, as_json)
    exit_if_any(found, check)


def _counted(found: list[dict[str, str]]) -> list[dict[str, object]]:
    """How much is to be built, before it is: a changed dimension may be of every partition."""
    partitions = Counter((row["table"], row["why"]) for row in found)
    return [{"table": t, "partitions": n, "why": why} for (t, why), n in partitions.items()]


@click.command()
@CHECK
@JSON
@reporting
def held(check: bool, as_json: bool) -> None:
    """Partitions held back by their checks: since when, why, and what releases them."""
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.operations.repair import held_partitions

    found = held_partitions(platform, tables)
    out.records("held back partitions", found, as_json)
    exit_if_any(found, check)
