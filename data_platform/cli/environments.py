"""Virtual environments of tables: environment create, list, drop."""

import click

from data_platform.cli import printing as out
from data_platform.cli.options import JSON, open_platform
from data_platform.cli.reporting import reporting

NAME = click.argument("name", metavar="NAME")


@click.group()
def environment() -> None:
    """Virtual environments: try a change of code on production's tables, without copying them.

    DATA_PLATFORM_VIRTUAL_ENVIRONMENT=NAME has every command, and Dagster, work in one.
    """


@environment.command()
@NAME
@reporting
def create(name: str) -> None:
    """Make an environment whose tables are production's as they are now.

    No data is copied. What lands later is loaded by production alone.
    """
    platform = open_platform().production
    from data_platform.operations.environments import create as create_environment

    for line in create_environment(platform, name).lines:
        out.paragraph(line)


@environment.command(name="list")
@JSON
@reporting
def list_(as_json: bool) -> None:
    """List the environments.

    One that is kept was dropped, and production refers to files that were promoted from it.
    """
    platform = open_platform().production
    from data_platform.operations.environments import listed

    out.records("environments", listed(platform), as_json)


@environment.command()
@NAME
@click.option("--yes", is_flag=True, help="do not ask")
@reporting
def drop(name: str, yes: bool) -> None:
    """Remove an environment, and the files in it that no other table refers to.

    What was promoted from it stays readable.
    """
    platform = open_platform().production
    from data_platform.operations.environments import drop as drop_environment

    if not yes and not click.confirm(f"drop {name}, with all that was built in it?"):
        raise click.Abort
    for line in drop_environment(platform, name, waiting=out.waiting).lines:
        out.paragraph(line)
