"""Rejected rows: listing them, and judging them again."""

from collections import Counter

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.options import (
    JSON,
    LIMIT,
    PARTITION,
    TABLE,
    declarations,
    exit_as,
    load,
    open_platform,
    print_run,
    stopping,
)
from data_platform.cli.reporting import DefaultList, reporting


@click.group(cls=DefaultList)
def quarantine() -> None:
    """Rejected rows of TABLE: reasons with counts, then rows. `replay TABLE` judges them again.

    `quarantine TABLE [--partition K] [--limit N] [--json]`
    """


@quarantine.command("list")
@TABLE
@PARTITION
@LIMIT
@JSON
@reporting
def quarantine_list(table: str, partition: str | None, limit: int, as_json: bool) -> None:
    """Reasons with counts, then rows, of published and of held back versions."""
    from data_platform.operations.repair import quarantined

    platform = open_platform()
    table_id, _ = load(platform, table, partition)
    reasons, rows = quarantined(platform, table_id, partition=partition, limit=limit)
    if as_json:
        out.as_json({"reasons": reasons, "rows": rows})
        return
    out.records(f"{table}: reasons", reasons, counts=["rows"])
    click.echo()
    out.records(f"{table}: rows", rows, exact=True)


@quarantine.command("replay")
@TABLE
@PARTITION
@reporting
def quarantine_replay(table: str, partition: str | None) -> None:
    """Judge the quarantined rows again under the current contract, and publish those that pass."""
    platform = open_platform()
    tables, definitions = declarations()
    table_id, _ = load(platform, table, partition)
    from data_platform.access.ranges import as_ranges
    from data_platform.operations.repair import instance_of
    from data_platform.operations.replay import apply_replay, plan_replay
    from data_platform.runs.scope import Scope

    planned = plan_replay(platform, tables, table_id, partition=partition)
    click.echo("\n".join(planned.lines))
    with (
        recorded(platform, "replay", table=table, partitions=as_ranges(planned.keys)),
        stopping(lambda: []) as stop,
        instance_of(platform) as instance,
    ):
        scope = Scope(instance, platform, tables)
        done = apply_replay(definitions, scope, planned, ended=print_run, stop=stop)
        click.echo("".join(f"{line}\n" for line in done.lines), nl=False)
        ended = Counter(ran.state for ran in done.runs)
        exit_as(ended, left=bool(ended["held back"]))
