"""What the commands share: their arguments and options, the home's platform, a table of it."""

import click

from data_platform.observability.commands import unknown
from data_platform.settings import Settings, SettingsError, prepare_home

TABLE = click.argument("table", metavar="TABLE")
PARTITION = click.option("--partition", metavar="K", help="only this partition, as 2011-03-04")
LIMIT = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(min=0), help="rows at most"
)
AT = click.option("--at", metavar="SNAPSHOT", type=int, help="as of this snapshot (see history)")
JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


def open_platform():
    from data_platform.platform_defs.platform import Platform

    settings = Settings.from_env()
    if not settings.home.exists():
        if settings.catalog_uri.startswith("sqlite"):
            raise SettingsError(
                f"there is no state in {settings.home}; make it with `make demo`, or set "
                "DATA_PLATFORM_HOME to where it is"
            )
        prepare_home(settings)  # another machine's state is on servers
    return Platform(settings)


def load(platform, name: str, partition: str | None = None):
    """The table's id and the table; an unknown name fails with the nearest right ones, and a
    partition where the table has none."""
    from data_platform.lake.files import partitioning
    from data_platform.lake.table import TableId

    known = platform.lake.tables()
    names = [str(table) for table in known]
    if name not in names:
        raise click.UsageError(unknown("table", name, names))
    table_id = TableId.parse(name)
    loaded = platform.lake.load(table_id)
    if partition is not None and not partitioning(loaded).columns:
        raise click.UsageError(f"{name} has no partitions; leave out --partition")
    return table_id, loaded
