"""Rejected rows: looking at them, and judging them again."""

import click

from data_platform.cli.options import JSON, LIMIT, PARTITION, TABLE, load, open_platform
from data_platform.observability import printing as out
from data_platform.observability.commands import DefaultList, reporting


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
    from data_platform.platform_defs.repair import quarantined

    platform = open_platform()
    table_id, _ = load(platform, table, partition)
    reasons, rows = quarantined(platform, table_id, partition=partition, limit=limit)
    if as_json:
        out.as_json({"reasons": reasons, "rows": rows})
        return
    out.records(f"{table}: reasons", reasons, counts=["rows"])
    out.records(f"{table}: rows", rows)


@quarantine.command("replay")
@TABLE
@PARTITION
@reporting
def quarantine_replay(table: str, partition: str | None) -> None:
    """Judge the quarantined rows again, under the present contract, and publish what passes."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.repair import replay

    platform = open_platform()
    table_id, _ = load(platform, table, partition)
    failed = 0
    for line in replay(platform, defs(), TABLES, table_id, partition=partition):
        click.echo(line)
        failed += line.startswith("run ") and line.endswith(": failed")  # as `Ran.lines` says it
    if failed:
        raise click.ClickException(f"{failed} runs failed, for the reasons above")
