"""Building what is due, and listing what is stale or held back: run, stale, held."""

from collections import Counter
from collections.abc import Iterator, Sized

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.options import (
    CHECK,
    JSON,
    PARTITION,
    declarations,
    exit_as,
    exit_if_any,
    materialized_by_hand,
    open_platform,
    ordinary_assets,
    print_runs,
    stopping,
    table_named,
)
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted


def _range(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, str] | None:
    first, dots, last = (text or "").partition("..")
    if text is not None and not (first and dots and last):
        raise click.BadParameter(f"{text!r}; write it like 2011-03-01..2011-03-04")
    return (first, last) if text is not None else None


@click.command()
@click.argument("table", metavar="[TABLE]", required=False)
@PARTITION
@click.option(
    "--range", "span", metavar="A..B", callback=_range, help="these partitions, both ends included"
)
@click.option("--dry-run", is_flag=True, help="estimate what it would take, build nothing")
@JSON
@reporting
def run(
    table: str | None,
    partition: str | None,
    span: tuple[str, str] | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Load what landed and build what is stale, now and in this process: what the sensors would
    request.

    With TABLE, only that table: its stale partitions, or those of --partition or --range, stale or
    not. A table without partitions is always built. --dry-run prints how many partitions and bytes
    of input that is, and the minutes estimated from past runs; it lists the landing place and
    records nothing. Tables that become stale by that run are not counted.

    Exits with 0 if everything is done, with 1 if a run failed, and with 3 if partitions are held
    back by their checks, landed objects are unreadable or match no source, or the inputs of a table
    change as often as it is built; with TABLE, if its partitions are held back or can no longer be
    built. Ctrl-C stops it cleanly; run the same command again to continue.
    """
    if partition is not None and span is not None:
        raise click.UsageError("--partition or --range: say one of them")
    if table is None and (partition is not None or span is not None):
        raise click.UsageError("name the TABLE whose partitions these are")
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run")
    platform = open_platform(create=not dry_run)
    tables, definitions = declarations()
    if dry_run:
        _say_costs(platform, tables, table, partition, span, as_json)
        return
    named = partition or "..".join(span or ())
    with recorded(platform, "run", table=table or "", partitions=named):
        if table is not None:
            _run_table(platform, tables, definitions, table, partition, span)
        else:
            _run_all(platform, tables, definitions)


def _run_all(platform, tables, definitions) -> None:
    from data_platform.operations.attention import attention
    from data_platform.operations.repair import instance_of
    from data_platform.runs.due import waiting_lines
    from data_platform.runs.in_process import asked_for, run_until_quiet
    from data_platform.runs.scope import Scope

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
        scope = Scope(instance, platform, tables)
        ended = print_runs(run_until_quiet(definitions, scope, stop=stop, **said))
    if not ended:
        click.echo("nothing new landed and nothing is stale: no run was needed")
        if not any(platform.ledger.summary().values()):
            click.echo(f"nothing has landed yet in {platform.settings.landing_uri}")
    found = attention(platform, tables)
    left = [*circles, *_left(platform, tables)] if circles else []
    for line in [*waiting_lines(waiting), *left, *found.lines]:
        out.paragraph(line)
    if not ended["failed"]:
        _require_planned(unplanned)
    exit_as(ended, left=bool(found or circles or ended["held back"]))


def _require_planned(unplanned: Sized) -> None:
    if unplanned:
        raise click.ClickException(
            f"{counted(len(unplanned), 'table')} could not be planned, as said above"
        )


def _named(platform, tables, name: str, partition: str | None, span: tuple[str, str] | None):
    """The declared table of this name, and the partitions that are named."""
    from data_platform.operations.building import keys_of
    from data_platform.operations.repair import declared

    table_id, others = table_named(platform, tables, name), ordinary_assets()
    if name in others:
        raise click.UsageError(f"{name} {materialized_by_hand(platform, others[name])}")
    table = declared(tables, table_id)
    return table, keys_of(table, partition, span)


def _run_table(platform, tables, definitions, name: str, partition, span) -> None:
    from data_platform.operations.attention import Attention
    from data_platform.operations.building import build_named
    from data_platform.operations.repair import held_partitions, instance_of
    from data_platform.runs.due import waiting_lines
    from data_platform.runs.scope import Scope

    table, named = _named(platform, tables, name, partition, span)
    with stopping(lambda: _left(platform, tables)) as stop, instance_of(platform) as instance:
        scope = Scope(instance, platform, tables)
        planned, ran = build_named(definitions, scope, table, named, stop=stop, waiting=out.waiting)
    ended = print_runs([ran] if ran else [])
    for line in (*waiting_lines({table.id: planned.waiting}), *planned.expired.values()):
        out.paragraph(line)
    if ran is None:
        what = "is stale" if named is None else "of what is named has any input"
        click.echo(f"{name}: nothing {what}, so nothing was built")
    elif not ended["failed"] and not ended["canceled"]:
        click.echo(f"{name}: {counted(len(planned.keys), 'partition')} built or held back")
    held = Attention((), (), held_partitions(platform, [table]))  # by earlier runs, too
    for line in (*_left(platform, tables), *held.lines):
        out.paragraph(line)
    exit_as(ended, left=bool(planned.expired or held))


def _say_costs(platform, tables, name: str | None, partition, span, as_json: bool) -> None:
    from data_platform.build.planning import plans
    from data_platform.lake.look import Look
    from data_platform.operations.building import cost, planned, unrecorded, with_unrecorded

    unplanned, named = [], None
    if name is not None:
        table, named = _named(platform, tables, name, partition, span)
        found = [planned(platform, table, named)]
    else:

        def trouble(table, why: str) -> None:
            click.echo(f"{table.id} is not built: {why}", err=True)
            unplanned.append(table)

        found = list(plans(tables, platform, Look(platform.lake), trouble=trouble))
    new = unrecorded(platform, tables) if any(plan.table.source for plan in found) else {}
    rows = []
    for plan in [with_unrecorded(plan, new, named) for plan in found]:
        if plan.keys:
            taken = cost(platform, plan, new)
            minutes = None if taken.seconds is None else round(taken.seconds / 60, 1)
            rows.append(
                {
                    "table": str(plan.table.id),
                    "partitions": len(plan.keys),
                    "first": plan.keys[0],
                    "last": plan.keys[-1],
                    "input_bytes": taken.input_bytes,
                    "minutes": minutes,
                    "as_a_run_of": taken.like or None,
                }
            )
    out.records("a run would build", rows, as_json, counts=("partitions", "input_bytes"))
    _require_planned(unplanned)


def _left(platform, tables) -> Iterator[str]:
    """What is left to be done."""
    from data_platform.operations.repair import stale_by_table

    if pending := platform.ledger.summary()["pending"]:
        yield f"left: {counted(pending, 'landed object')} to load"
    for table, count in stale_by_table(platform, tables).items():
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
