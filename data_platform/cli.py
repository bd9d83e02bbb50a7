"""The `data-platform` command: what the Dagster UI does not serve.

Every command reads or repairs state; none needs a server. `--json` prints what a script reads.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path

import click

from data_platform.lake.errors import LakeError
from data_platform.landing.ledger_tables import LedgerError
from data_platform.observability import printing as out
from data_platform.settings import Settings, SettingsError

_TABLE = click.argument("table", metavar="TABLE")
_PARTITION = click.option("--partition", metavar="K", help="only this partition, as 2011-03-04")
_AT = click.option("--at", metavar="SNAPSHOT", type=int, help="as of this snapshot (see history)")
_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


class _Suggesting(click.Group):
    """A group that answers a mistyped command with the nearest ones."""

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(out.unknown("command", args[0], list(self.commands)), ctx)
        return super().resolve_command(ctx, args)


def _reporting(command: Callable) -> Callable:
    """Expected failures as one clear line, without a stack trace."""

    @wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except (LakeError, LedgerError, SettingsError) as error:
            raise click.ClickException(str(error)) from error

    return wrapped


@click.group(cls=_Suggesting, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="data-platform")
def main() -> None:
    """Look at and repair the platform's tables. TABLE is written silver/retail/order_lines.

    State is read from DATA_PLATFORM_HOME, or from the last demo's.
    """


def _platform():
    from data_platform.platform_defs.platform import Platform

    settings = Settings.from_env()
    if not settings.home.exists():
        raise SettingsError(
            f"there is no state in {settings.home}; make it with `make demo`, or set "
            "DATA_PLATFORM_HOME to where it is"
        )
    return Platform(settings)


def _load(platform, name: str):
    """The table's id and the table; an unknown name fails with the nearest right ones."""
    from data_platform.lake.table import TableId

    known = platform.lake.tables()
    names = [str(table) for table in known]
    if name not in names:
        raise click.UsageError(out.unknown("table", name, names))
    table_id = TableId.parse(name)
    return table_id, platform.lake.load(table_id)


@main.command()
@_JSON
@_reporting
def tables(as_json: bool) -> None:
    """Every table: rows, partitions, files, bytes, last commit, run."""
    from data_platform.lake.browse import figures

    out.records("tables", [asdict(row) for row in figures(_platform().lake)], as_json)


@main.command()
@_TABLE
@_PARTITION
@click.option("--limit", default=20, show_default=True, help="rows at most")
@_AT
@_JSON
@_reporting
def show(table: str, partition: str | None, limit: int, at: int | None, as_json: bool) -> None:
    """Rows of a table."""
    from data_platform.lake.browse import rows

    _, loaded = _load(_platform(), table)
    found = rows(loaded, partition=partition, snapshot=at, limit=limit).read_all()
    out.records(table, found.to_pylist(), as_json, columns=found.schema.names)


@main.command()
@_TABLE
@click.argument("file", metavar="FILE.parquet", type=click.Path(dir_okay=False, path_type=Path))
@_PARTITION
@_AT
@_reporting
def export(table: str, file: Path, partition: str | None, at: int | None) -> None:
    """Write a table, or one partition, to one Parquet file."""
    from data_platform.lake.browse import rows

    _, loaded = _load(_platform(), table)
    count = out.write_parquet(rows(loaded, partition=partition, snapshot=at), file)
    click.echo(f"{file}: {count:,} rows")


@main.command()
@_TABLE
@_JSON
@_reporting
def history(table: str, as_json: bool) -> None:
    """The snapshots of a table, newest first."""
    from data_platform.lake.browse import history as snapshots

    _, loaded = _load(_platform(), table)
    out.records(table, [asdict(row) for row in snapshots(loaded)], as_json)


@main.command()
@_TABLE
@_PARTITION
@click.option("--to", required=True, type=int, metavar="SNAPSHOT", help="see history")
@_reporting
def rollback(table: str, partition: str | None, to: int) -> None:
    """Publish again what a table, or a partition, held in a snapshot.

    Its quarantine and duplicates go back with it, Dagster records it, and what was built from it
    is shown as stale.
    """
    from data_platform.definitions import TABLES
    from data_platform.platform_defs.repair import roll_back

    platform = _platform()
    table_id, _ = _load(platform, table)
    for line in roll_back(platform, TABLES, table_id, to=to, partition=partition):
        click.echo(line)


@main.command()
@_reporting
def run() -> None:
    """Load what landed and build what is stale, here and now: what the sensors would ask for."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.drive import asked_for, run_until_quiet
    from data_platform.platform_defs.repair import instance_of

    platform, runs, failed = _platform(), 0, 0
    announce = lambda request: click.echo(asked_for(request))  # noqa: E731
    with instance_of(platform) as instance:
        for ran in run_until_quiet(defs(), instance, platform, TABLES, announce=announce):
            click.echo("\n".join(ran.lines))
            runs, failed = runs + 1, failed + (not ran.success)
    if not runs:
        click.echo("nothing new landed and nothing is stale: no run was needed")
    if failed:
        raise click.ClickException(f"{failed} of {runs} runs failed, for the reasons above")


@main.command()
@click.option("--reopen", metavar="KEY", help="try a failed object again, once its cause is mended")
@_JSON
@_reporting
def landing(reopen: str | None, as_json: bool) -> None:
    """The ledger: objects by state; failed and unknown ones with their errors."""
    ledger = _platform().ledger
    if reopen is not None:
        failed = {entry.key: entry.id for entry in ledger.failed()}
        if reopen not in failed:
            raise click.UsageError(out.unknown("failed object", reopen, list(failed)))
        ledger.reopen([failed[reopen]])
        click.echo(f"{reopen} waits to be loaded; the sensor, or `data-platform run`, loads it")
        return
    unread = [
        {"state": e.state, "key": e.key, "partition": e.partition, "error": e.error}
        for e in [*ledger.failed(), *ledger.unknown()]
    ]
    if as_json:
        out.as_json({"states": ledger.summary(), "objects": unread})
        return
    out.records("objects by state", [{**ledger.summary()}])
    out.records("failed and unknown objects", unread)


class _QuarantineGroup(_Suggesting):
    """`quarantine TABLE` lists; `quarantine replay TABLE` is a command of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@main.group(cls=_QuarantineGroup)
def quarantine() -> None:
    """Rejected rows of TABLE: reasons with counts, then rows. `replay TABLE` judges them again.

    `quarantine TABLE [--partition K] [--limit N] [--json]`
    """


@quarantine.command("list")
@_TABLE
@_PARTITION
@click.option("--limit", default=20, show_default=True, help="rows at most")
@_JSON
@_reporting
def quarantine_list(table: str, partition: str | None, limit: int, as_json: bool) -> None:
    """Reasons with counts, then rows, of published and of held back versions."""
    from data_platform.platform_defs.repair import quarantined

    platform = _platform()
    table_id, _ = _load(platform, table)
    reasons, rows = quarantined(platform, table_id, partition=partition, limit=limit)
    if as_json:
        out.as_json({"reasons": reasons, "rows": rows})
        return
    out.records(f"{table}: reasons", reasons)
    out.records(f"{table}: rows", rows)


@quarantine.command("replay")
@_TABLE
@_PARTITION
@_reporting
def quarantine_replay(table: str, partition: str | None) -> None:
    """Judge the quarantined rows again, under the present contract, and publish what passes."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.repair import replay

    platform = _platform()
    table_id, _ = _load(platform, table)
    for line in replay(platform, defs(), TABLES, table_id, partition=partition):
        click.echo(line)


@main.command()
@_JSON
@_reporting
def stale(as_json: bool) -> None:
    """Partitions built under an older contract, or from inputs that changed since."""
    from data_platform.definitions import TABLES
    from data_platform.platform_defs.repair import stale_partitions

    out.records("stale partitions", stale_partitions(_platform(), TABLES), as_json)


@main.command()
@_JSON
@_reporting
def expire(as_json: bool) -> None:
    """Forget the snapshots beyond each table's retention; `clean` then deletes their files."""
    from data_platform.lake.expiry import expire_all

    forgotten = expire_all(_platform().lake, dt.datetime.now(dt.UTC))
    found = [{"table": str(table), "snapshots": count} for table, count in forgotten.items()]
    out.records("forgotten snapshots", [row for row in found if row["snapshots"]], as_json)


@main.command()
@click.option("--dry-run", is_flag=True, help="list the files, delete none")
@click.option("--grace-hours", default=24.0, show_default=True, help="spare files younger than")
@_JSON
@_reporting
def clean(dry_run: bool, grace_hours: float, as_json: bool) -> None:
    """Delete the files that no snapshot refers to."""
    from data_platform.lake.clean import clean as delete
    from data_platform.lake.clean import orphans

    platform, now = _platform(), dt.datetime.now(dt.UTC)
    find = orphans if dry_run else delete
    found = list(find(platform.lake, platform.storage, now, dt.timedelta(hours=grace_hours)))
    files = [{"table": str(t), "file": f.path, "bytes": f.size} for t, f in found]
    out.records("would be deleted" if dry_run else "deleted", files, as_json)
