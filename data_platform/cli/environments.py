"""Virtual environments of tables: environment create, list, diff, promote, drop."""

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.options import (
    CHECK,
    JSON,
    declarations,
    exit_if_any,
    open_platform,
    ordinary_assets,
)
from data_platform.cli.reporting import reporting
from data_platform.settings.environment import give_password

NAME = click.argument("name", metavar="NAME")


def _production():
    """The platform beside all environments, whose database this code has no need to migrate."""
    from data_platform.lake.environments import require_same_tables

    platform = open_platform(production=True)
    give_password(platform.settings)
    require_same_tables(platform.settings.ledger_uri)
    return platform


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
    platform = _production()
    from data_platform.operations.environments import create as create_environment

    with recorded(platform, "environment create", detail=name):
        made = create_environment(platform, name, waiting=out.waiting)
    for line in made.lines:
        out.paragraph(line)


@environment.command(name="list")
@JSON
@reporting
def list_(as_json: bool) -> None:
    """List the environments.

    One that is kept was dropped, and production refers to files that were promoted from it.
    """
    platform = _production()
    from data_platform.operations.environments import listed

    out.records("environments", listed(platform), as_json)


@environment.command()
@NAME
@click.option("--yes", is_flag=True, help="do not ask")
@reporting
def drop(name: str, yes: bool) -> None:
    """Remove an environment, and the files in it that no other table refers to.

    What was promoted from it stays readable. If it is kept only for tables that
    production has dropped since, drop it again: a backup of before needs their files.
    """
    platform = _production()
    from data_platform.operations.environments import drop as drop_environment

    if not yes and not click.confirm(f"drop {name}, with all that was built in it?"):
        raise click.Abort
    with recorded(platform, "environment drop", detail=name):
        done = drop_environment(platform, name, waiting=out.waiting)
    for line in done.lines:
        out.paragraph(line)


@environment.command()
@NAME
@CHECK
@JSON
@reporting
def diff(name: str, check: bool, as_json: bool) -> None:
    """Show what an environment differs in from production, under the present code.

    Tables, columns, the partitions that are to be built with their cost, and the rows of those that
    were built, before and after. Reads metadata only.
    """
    platform = _production()
    tables, _ = declarations()
    from data_platform.operations.environment_diff import diff as diff_of

    found = diff_of(platform, tables, name, others=ordinary_assets())
    if as_json:
        out.as_json(found.values)
    else:
        for line in found.lines:
            out.paragraph(line)
    exit_if_any(found.tables, check)


@environment.command()
@NAME
@JSON
@reporting
def promote(name: str, as_json: bool) -> None:
    """Have production take over what was built in an environment, without computing it again.

    Under the code that built it. Exits with 3 if partitions are left for `data-platform run`:
    those that production changed since the environment was created, and what was built from them.
    """
    platform = _production()
    tables, _ = declarations()
    from data_platform.operations.promotion import promote as promote_environment
    from data_platform.operations.repair import instance_of
    from data_platform.runs.scope import Scope

    with (
        recorded(platform, "environment promote", detail=name),
        instance_of(platform) as instance,
    ):
        done = promote_environment(Scope(instance, platform, tables), name)
    if as_json:
        out.as_json(done.values)
    else:
        for line in done.lines:
            out.paragraph(line)
    if not done.complete:
        raise SystemExit(ExitCode.NEEDS_DECISION)
