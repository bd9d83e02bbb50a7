"""How fresh tables are, and how fresh they must be: freshness."""

import datetime as dt

import click

from data_platform.cli import printing as out
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.options import JSON, declarations, open_platform, table_named
from data_platform.cli.reporting import reporting


@click.command()
@click.argument("table", required=False)
@click.option("--check", is_flag=True, help="exit with 3 if a table is late")
@JSON
@reporting
def freshness(table: str | None, check: bool, as_json: bool) -> None:
    """When newer data of TABLE is expected, and how new it is; of all tables that declare how fresh
    they must be, without TABLE."""
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.operations.freshness import freshness_of

    if table:
        named = table_named(platform, tables, table)
        tables = [each for each in tables if each.id == named and each.freshness]
        if not tables:
            raise click.ClickException(
                f"{named} does not declare how fresh it must be; give its contract, or bronze(), "
                "freshness=FreshWithin(...)"
            )
    found = freshness_of(platform, tables, dt.datetime.now(dt.UTC))
    if as_json:
        out.as_json([each.record for each in found])
    else:
        shown = ("table", "state", "newest", "expected_by", "missing", "rule")
        out.records("tables", [each.record for each in found], columns=shown)
    if check and any(each.found.is_late for each in found):
        raise SystemExit(ExitCode.NEEDS_DECISION)
