"""Creating a table."""

import datetime as dt
import sys
from contextlib import suppress
from pathlib import Path

import click

from data_platform.cli.reporting import reporting
from data_platform.contracts.errors import DeclarationError
from data_platform.settings.environment import named_domains
from data_platform.settings.values import packages


@click.command()
@click.argument("table", metavar="DOMAIN/NAME")
@click.option(
    "--package", help="where its domain is  [default: the first of DATA_PLATFORM_DOMAINS, or ours]"
)
@reporting
def new(table: str, package: str | None) -> None:
    """Write a new table: source, contract, bronze and silver in a module, and its test.

    Creates the domain if it does not exist; overwrites nothing.
    """
    from data_platform.operations.new_table import files_of
    from data_platform.platform_defs.discovery import DOMAINS
    from data_platform.settings.model import CHECKOUT

    named = packages(package, "--package") if package else named_domains()
    chosen = next(iter(named), DOMAINS)
    tests = CHECKOUT / "data_platform_tests" / "domains" if chosen == DOMAINS else None
    if tests and not tests.exists():
        raise click.UsageError(
            "this is not a checkout of data_platform: name a package of your own for your tables, "
            "as --package acme_tables"
        )
    asked = files_of(
        table, package=chosen, folder=_folder(chosen), tests=tests, today=dt.date.today()
    )
    written = asked.write(_declared())
    for path in written:
        click.echo(f"wrote {path}")
    click.echo("next:")
    click.echo(f"  {sys.executable} -m pytest {written[-1]}: it passes as it is")
    click.echo(f"  {written[-2]}: say what your files hold, then what the test expects")
    if chosen == DOMAINS:
        click.echo(
            f"  {sys.executable} -m data_platform_tests.test_definitions: note the new names"
        )
    elif chosen not in named_domains():
        click.echo(f"  set DATA_PLATFORM_DOMAINS={chosen}, so that its tables are found")
    click.echo(f"  data-platform run: builds it once files have landed in {table}/")


def _declared() -> set[str]:
    """The tables that are declared; none where the declarations are invalid."""
    from data_platform.cli.declared import declared_tables

    with suppress(DeclarationError):
        return {str(table.id) for table in declared_tables()[0]}
    return set()


def _folder(package: str) -> Path:
    """Where a package is; where it would be, below the working directory, if it is not there."""
    from data_platform.platform_defs.discovery import folders

    try:
        folder = folders([package])[0]
    except ModuleNotFoundError:
        folder = Path.cwd().joinpath(*package.split("."))
    if folder.is_file():
        raise click.UsageError(
            f"{package} is a module, {folder}; name a package, with a folder for each domain"
        )
    return folder
