"""`data-platform try` and `shell`: try a table's function, and explore tables."""

import code
from dataclasses import asdict

import click

from data_platform.cli import printing as out
from data_platform.cli.options import (
    JSON,
    PARTITION,
    TABLE,
    declarations,
    open_platform,
    table_named,
)
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted

_BANNER = """spark      the Spark session
table      table("silver/retail/order_lines", "2011-03-04"): what is published, as a DataFrame
attempt    attempt("silver/retail/order_lines", "2011-03-04"): what `data-platform try` prints
tables     the declared tables by name; each is callable as its function
platform   ledger, lake and register of builds
F          pyspark.sql.functions
Ctrl-D ends it. Only `platform` can change a table."""


@click.command("try")
@TABLE
@PARTITION
@click.option(
    "--limit", default=5, show_default=True, type=click.IntRange(min=0), help="rows at most"
)
@JSON
@reporting
def try_(table: str, partition: str | None, limit: int, as_json: bool) -> None:
    """Run TABLE's function on a partition, publish nothing, and print what each rule finds."""
    from data_platform.operations.building import keys_of
    from data_platform.operations.exploring import Exploration
    from data_platform.operations.repair import declared

    platform = open_platform()
    tables, _ = declarations()
    chosen = declared(tables, table_named(platform, tables, table))
    keys = keys_of(chosen, partition, None)
    if keys is None:
        raise click.UsageError(f"{table} is partitioned: name one by --partition")
    found = Exploration(platform, tables).attempt(table, keys[0], limit=limit)
    if as_json:
        out.as_json(asdict(found))
        return
    click.echo(
        f"{f'{table} {keys[0]}'.rstrip()}, tried and not published: "
        f"{counted(found.published, 'row')} to publish, {found.quarantined:,} rejected, "
        f"{counted(found.duplicates, 'duplicate')}"
    )
    out.paragraph(
        f"it would be held back: {found.held_back}" if found.held_back else "it would be published"
    )
    click.echo()
    out.records("rules", [asdict(rule) for rule in found.rules], counts=["rows"])
    for title, rows in (("rejected rows", found.rejected), ("rows to publish", found.rows)):
        click.echo()
        out.records(title, rows, exact=True)


@click.command()
@reporting
def shell() -> None:
    """A Python prompt with the Spark session and the tables by name."""
    from pyspark.sql import functions

    from data_platform.operations.exploring import Exploration

    platform = open_platform()
    tables, _ = declarations()
    here = Exploration(platform, tables)
    names = {
        "spark": here.spark,
        "table": here.table,
        "attempt": here.attempt,
        "tables": {str(table.id): table for table in tables},
        "platform": here.platform,
        "F": functions,
    }
    code.interact(banner=_BANNER, local=names, exitmsg="")
