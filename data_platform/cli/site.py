"""The catalogue that people read: site."""

import datetime as dt
from pathlib import Path

import click

from data_platform.cli.options import declarations, open_platform, table_named
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--rows",
    default=5,
    show_default=True,
    type=click.IntRange(0, 50),
    help="example rows of each table",
)
@click.option("--no-rows", "without", multiple=True, metavar="TABLE", help="none of this table")
@reporting
def site(directory: Path, rows: int, without: tuple[str, ...]) -> None:
    """Make a static site of all tables in DIR: what they are, where they come from, how they are.

    It needs no server. Example rows have no column that is marked personal, or made from one.
    """
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.engine.session import start_session
    from data_platform.operations.site.making import make_site
    from data_platform.operations.site.publishing import require_site

    named = {str(table_named(platform, tables, name)) for name in without}
    require_site(directory.resolve())  # before a session is started
    spark = start_session(platform.settings)
    now = dt.datetime.now(dt.UTC)
    made = make_site(platform, tables, spark, directory, now, rows=rows, without=named)
    click.echo(f"{directory / 'index.html'}: {counted(made, 'file')}")
