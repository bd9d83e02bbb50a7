"""What the commands share: arguments and options, exit codes, the platform of the home, the
declarations, the handling of Ctrl-C."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress

import click

from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.printing import STOPPING
from data_platform.contracts.errors import DeclarationError
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_from_env
from data_platform.settings.values import SettingsError, is_file
from data_platform.settings.virtual import inside
from data_platform.telemetry.wording import counted, unknown

TABLE = click.argument("table", metavar="TABLE")
PARTITION = click.option("--partition", metavar="K", help="only this partition, as 2011-03-04")
LIMIT = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(min=0), help="rows at most"
)
AT = click.option("--at", metavar="SNAPSHOT", type=int, help="as of this snapshot (see history)")
CHECK = click.option("--check", is_flag=True, help="exit with 3 if there are any")
JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


def exit_if_any(found: Sized, check: bool) -> None:
    """What `--check` means, after the output."""
    if check and len(found):
        raise SystemExit(ExitCode.NEEDS_DECISION)


def print_run(ran) -> None:
    """Print how a run ended."""
    click.echo("\n".join(ran.lines))


def print_runs(found: Iterable) -> Counter[str]:
    """Print runs as they end; how many ended in which state."""
    ended: Counter[str] = Counter()
    for each in found:
        print_run(each)
        ended[each.state] += 1
    return ended


def exit_as(ended: Counter[str], *, left: bool) -> None:
    """Exit with the code for how the runs ended; `left`: whether something needs a person."""
    if ended["failed"]:
        raise click.ClickException(
            f"{ended['failed']} of {counted(ended.total(), 'run')} failed, for the reasons above"
        )
    if left:
        raise SystemExit(ExitCode.NEEDS_DECISION)


def open_platform(*, create: bool = False, production: bool = False):
    """The platform in the configured home, which is created if allowed and missing; `production`'s,
    even if the settings name a virtual environment. Raises NoEnvironment if there is none."""
    from data_platform.build.platform import Platform
    from data_platform.telemetry.logs import log_as

    settings = settings_from_env()
    log_as(settings.log_format)
    if production:
        settings = inside(settings, "")
    platform = Platform(settings)
    home = platform.production.settings.home
    if settings.virtual_environment and home.exists():
        platform.environments.require(settings.virtual_environment)
    new = not home.exists()
    if new and not create and is_file(settings.catalog_uri):
        raise SettingsError(
            f"there is no state in {home}; make it with `data-platform run` or `make "
            "demo`, or set DATA_PLATFORM_HOME to where it is"
        )
    if create or not settings.home.exists():  # another machine's state is on servers
        prepare_home(settings)
    if new and create:
        click.echo(f"a new home, {settings.home}; files land in {settings.landing_uri}")
    return platform


def declarations():
    """The declared tables and Dagster's definitions of them. Raises DeclarationError if they are
    invalid."""
    from data_platform.cli.declared import declarations_checked

    return declarations_checked()


@contextmanager
def stopping(left: Callable[[], Iterable[str]]) -> Iterator:
    """Stops the command cleanly at Ctrl-C or SIGTERM, and prints what is `left`."""
    from data_platform.runs.stopping import Stop

    with Stop(lambda: click.echo(STOPPING, err=True)) as stop:
        try:
            yield stop
        except KeyboardInterrupt:
            if not stop.asked:  # no signal: a debugger's, or another thread's
                raise
        if stop.asked:
            click.echo("stopped; nothing is half published")
            for line in left():
                click.echo(line)
            click.echo("`data-platform run` goes on from there")
            raise SystemExit(stop.exit_code)


def table_named(platform, tables, name: str):
    """The id of a table of the catalog or of the code; another name fails with the nearest ones."""
    from data_platform.tables.identity import TableId

    there = [*map(str, platform.lake.tables()), *ordinary_assets()]
    names = sorted({*there, *(str(table.id) for table in tables)})
    if name not in names:
        raise click.UsageError(unknown("table", name, names))
    return TableId.parse(name)


def load(platform, name: str, partition: str | None = None):
    """The table's id and the table. An unknown name fails with the nearest right ones, and a
    partition where the table has none, or is declared without it."""
    from data_platform.lake.files import partitioning_of
    from data_platform.tables.identity import TableId

    if name not in map(str, platform.lake.tables()):
        tables, _ = declarations()
        if other := ordinary_assets().get(name):
            raise click.ClickException(never_run(platform, name, other))
        table_id = table_named(platform, tables, name)
        raise click.ClickException(not_built(platform, tables, table_id))
    table_id = TableId.parse(name)
    loaded = platform.lake.load(table_id)
    if partition is not None and not partitioning_of(loaded).columns:
        raise click.UsageError(f"{name} has no partitions; leave out --partition")
    if partition is not None:
        _require_partition(platform, table_id, loaded, partition)
    return table_id, loaded


def _require_partition(platform, table_id, loaded, partition: str) -> None:
    """Raises NotThere, with the range, for a partition that the table never had in any snapshot and
    cannot have. Where the declarations are invalid it is not known what the table can have."""
    from data_platform.cli.declared import declared_tables
    from data_platform.lake.files import files_by_partition, partitioning_of
    from data_platform.lake.upkeep.browse import partition_history, require_partition
    from data_platform.operations.building import keys_of

    key = partitioning_of(loaded).key(require_partition(loaded, partition))
    if files_by_partition(loaded, [key]) or platform.builds.latest(table_id, [key]):
        return
    if partition_history(loaded, key):
        return
    with suppress(DeclarationError):
        tables, _ = declared_tables()
        for table in tables:
            if table.id == table_id:
                keys_of(table, key, None)


def ordinary_assets():
    """The ordinary assets, each by the name of its table."""
    from data_platform.cli.declared import declared_tables
    from data_platform.platform_defs.asset_tables import is_table, table_of

    _, others = declared_tables()
    return {str(table_of(key)): key for each in others for key in each.keys if is_table(key)}


def never_run(platform, name: str, key) -> str:
    """A message: how to build an ordinary asset, which no sensor requests."""
    return f"{name} is declared, not built yet; it {materialized_by_hand(platform, key)}"


def materialized_by_hand(platform, key) -> str:
    """The end of a message: what an ordinary asset is, and how to build it."""
    home = platform.settings.dagster_home
    return (
        "is an ordinary asset, which the sensors do not ask for: materialize it in the UI "
        f"(`make dev`), or with `DAGSTER_HOME={home} dagster asset materialize -m "
        f"data_platform.definitions --select {key.to_user_string()}` "
        "(and --partition K, where it has partitions)"
    )


def not_built(platform, tables, table_id) -> str:
    """A message: why a declared table is not in the catalog, and what it waits for."""
    table = next(table for table in tables if table.id == table_id)
    missing = [str(up) for up in table.inputs.values() if not platform.lake.exists(up)]
    if missing:
        waits = f"it waits for {', '.join(missing)}, which has not been published yet"
    elif table.source and platform.ledger.newest(table.source.name) is None:
        place = f"{platform.settings.landing_uri}/{table.source.prefix}"
        waits = f"nothing has landed for it yet below {place}"
    else:
        waits = "`data-platform run` builds it"
    return f"{table_id} is declared, not built yet; {waits}"
