"""Backing the platform up, restoring and moving it: backup, restore, relocate."""

import datetime as dt
from pathlib import Path

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.options import open_platform
from data_platform.cli.reporting import reporting
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_from_env
from data_platform.settings.values import PREFIX, SettingsError
from data_platform.settings.values import place as location
from data_platform.telemetry.wording import counted


class _Place(click.ParamType):
    """A directory or `s3://bucket/prefix`, as a location."""

    name = "place"

    def convert(self, value: str, param, ctx) -> str:
        given = value if "://" in value else str(Path(value).absolute())
        try:
            return location("PLACE", given)
        except SettingsError as error:
            self.fail(str(error).removeprefix(PREFIX), param, ctx)


PLACE = click.argument("place", metavar="PLACE", type=_Place())


@click.command()
@PLACE
@click.option(
    "--keep-days",
    default=30,
    show_default=True,
    type=click.IntRange(min=1),
    help="keep the files that it refers to for",
)
@reporting
def backup(place: str, keep_days: int) -> None:
    """Back up ledger, catalog and Dagster's history to PLACE, a new directory or s3:// location.

    Runs may go on meanwhile. The tables' files stay in the warehouse, where the snapshots that the
    backup refers to do not expire for as long as it is kept.
    """
    platform = open_platform()
    from data_platform.operations.backup import back_up

    now, keep = dt.datetime.now(dt.UTC), dt.timedelta(days=keep_days)
    with recorded(platform, "backup", detail=f"to {place}, for {counted(keep_days, 'day')}"):
        made = back_up(platform, place, now=now, keep=keep)
    for line in made.lines:
        out.paragraph(line)


@click.command()
@PLACE
@click.option("--copy", is_flag=True, help="copy the tables' files from where they were")
@reporting
def restore(place: str, copy: bool) -> None:
    """Restore the backup in PLACE into a new home and empty databases, those of the settings.

    The warehouse may be another one than it was: copy its files there first, or have --copy do so.
    """
    from data_platform.build.platform import Platform
    from data_platform.operations.restorable import open_known
    from data_platform.operations.restore import restore as restored

    platform = Platform(settings_from_env())
    open_known(platform, place)  # a mistyped one makes no home to record it in
    prepare_home(platform.settings)
    database = platform.builds.database
    if database.version() is None:  # also where only `migrate` makes tables: it is recorded in them
        database.migrate()
    with recorded(platform, "restore", detail=f"from {place}"):
        done = restored(platform, place, copy=copy)
    for line in done.lines:
        out.paragraph(line)


@click.command()
@reporting
def relocate() -> None:
    """Make the tables work after the home or the warehouse was moved or copied.

    Rewrites the locations in their metadata, in the catalog and in the register. Stop what is at
    work first.
    """
    platform = open_platform()
    from data_platform.operations.relocating import relocate as relocated

    with recorded(platform, "relocate", detail=f"to {platform.settings.warehouse_uri}"):
        done = relocated(platform)
    for line in done.lines:
        out.paragraph(line)
