"""The `data-platform` command: what the Dagster UI does not serve.

Every command reads or repairs state; none needs a server. `--json` prints what a script reads.
"""

import datetime as dt
from dataclasses import asdict
from pathlib import Path

import click

from data_platform.buckets.commands import buckets
from data_platform.buckets.policy_commands import policies
from data_platform.lake.refusals import passing_over
from data_platform.observability import printing as out
from data_platform.observability.commands import DefaultList, Suggesting, reporting, unknown
from data_platform.settings import Settings, SettingsError, prepare_home

_TABLE = click.argument("table", metavar="TABLE")
_PARTITION = click.option("--partition", metavar="K", help="only this partition, as 2011-03-04")
_LIMIT = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(min=0), help="rows at most"
)
_AT = click.option("--at", metavar="SNAPSHOT", type=int, help="as of this snapshot (see history)")
_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group(cls=Suggesting, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look at and repair the platform's tables. TABLE is written silver/retail/order_lines.

    State is read from DATA_PLATFORM_HOME, or from the last demo's.
    """


main.add_command(buckets)
main.add_command(policies)


def _platform():
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


def _load(platform, name: str, partition: str | None = None):
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


@main.command()
@_JSON
@reporting
def tables(as_json: bool) -> None:
    """Every table: rows, partitions, files, bytes, last commit, run; USD a month where known."""
    from data_platform.buckets.prices import monthly_cost, price
    from data_platform.lake.browse import figures

    platform, counts = _platform(), ("rows", "partitions", "files", "bytes", "history_bytes")
    with passing_over() as guard:
        found = [asdict(row) for row in figures(platform.lake, guard)]
        if (usd := price(platform.settings)) is not None:
            cost = [monthly_cost(row["bytes"] + row["history_bytes"], usd) for row in found]
            found = [{**row, "monthly_usd": each} for row, each in zip(found, cost, strict=True)]
        out.records("tables", found, as_json, counts=counts)


@main.command()
@_TABLE
@_PARTITION
@_LIMIT
@_AT
@_JSON
@reporting
def show(table: str, partition: str | None, limit: int, at: int | None, as_json: bool) -> None:
    """Rows of a table."""
    from data_platform.lake.browse import rows

    _, loaded = _load(_platform(), table, partition)
    found = rows(loaded, partition=partition, snapshot=at, limit=limit).read_all()
    out.records(table, found.to_pylist(), as_json, columns=found.schema.names)


@main.command()
@_TABLE
@click.argument("file", metavar="FILE.parquet", type=click.Path(dir_okay=False, path_type=Path))
@_PARTITION
@_AT
@click.option("--force", is_flag=True, help="replace a file that is there")
@reporting
def export(table: str, file: Path, partition: str | None, at: int | None, force: bool) -> None:
    """Write a table, or one partition, to one Parquet file."""
    from data_platform.lake.browse import rows

    if file.suffix != ".parquet":
        raise click.UsageError(f"{file} would hold Parquet: name it {file.with_suffix('.parquet')}")
    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already; --force replaces it")
    _, loaded = _load(_platform(), table, partition)
    count = out.write_parquet(rows(loaded, partition=partition, snapshot=at), file)
    click.echo(f"{file}: {count:,} rows")


@main.command()
@_TABLE
@_PARTITION
@_JSON
@reporting
def history(table: str, partition: str | None, as_json: bool) -> None:
    """The snapshots of a table, newest first; of a partition those that changed it."""
    from data_platform.lake import browse

    _, loaded = _load(_platform(), table, partition)
    if partition is None:
        found: list = browse.history(loaded)
    else:
        found = browse.partition_history(loaded, partition)
    counts = ("partitions", "added_rows", "deleted_rows", "total_rows", "rows")
    out.records(table, [asdict(row) for row in found], as_json, counts=counts)


@main.command()
@_TABLE
@_PARTITION
@click.option("--to", required=True, type=int, metavar="SNAPSHOT", help="see history")
@reporting
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
@reporting
def run() -> None:
    """Load what landed and build what is stale, here and now: what the sensors would ask for."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.drive import asked_for, run_until_quiet
    from data_platform.platform_defs.repair import instance_of

    platform, runs, failed = _platform(), 0, 0
    said = {"announce": lambda request: click.echo(asked_for(request)), "waiting": out.waiting}
    with instance_of(platform) as instance:
        for ran in run_until_quiet(defs(), instance, platform, TABLES, **said):
            click.echo("\n".join(ran.lines))
            runs, failed = runs + 1, failed + (not ran.success)
    if not runs:
        click.echo("nothing new landed and nothing is stale: no run was needed")
    if failed:
        raise click.ClickException(f"{failed} of {runs} runs failed, for the reasons above")


@main.command()
@click.option(
    "--reopen",
    metavar="KEY",
    multiple=True,
    help="try a failed object again, once its cause is mended (may be repeated)",
)
@click.option("--reopen-all", is_flag=True, help="all of the failed ones")
@_JSON
@reporting
def landing(reopen: tuple[str, ...], reopen_all: bool, as_json: bool) -> None:
    """The ledger: objects by state; failed and unknown ones with their errors."""
    ledger = _platform().ledger
    if reopen or reopen_all:
        _reopen(ledger, reopen, reopen_all, as_json)
        return
    unread = [
        {"state": e.state, "key": e.key, "partition": e.partition, "error": e.error}
        for e in [*ledger.failed(), *ledger.unknown()]
    ]
    states = {**ledger.summary()}
    if as_json:
        out.as_json({"states": states, "objects": unread})
        return
    out.records("objects by state", [states], counts=states)
    out.records("failed and unknown objects", unread)


def _reopen(ledger, keys: tuple[str, ...], every: bool, as_json: bool) -> None:
    failed = {entry.key: entry.id for entry in ledger.failed()}
    for key in keys:
        if key not in failed:
            raise click.UsageError(unknown("failed object", key, list(failed)))
    chosen = list(failed if every else dict.fromkeys(keys))
    ledger.reopen([failed[key] for key in chosen])
    if as_json:
        out.as_json({"reopened": chosen})
        return
    for key in chosen:
        click.echo(f"{key} waits to be loaded; the sensor, or `data-platform run`, loads it")
    if not chosen:
        click.echo("no object failed")


@main.group(cls=DefaultList)
def quarantine() -> None:
    """Rejected rows of TABLE: reasons with counts, then rows. `replay TABLE` judges them again.

    `quarantine TABLE [--partition K] [--limit N] [--json]`
    """


@quarantine.command("list")
@_TABLE
@_PARTITION
@_LIMIT
@_JSON
@reporting
def quarantine_list(table: str, partition: str | None, limit: int, as_json: bool) -> None:
    """Reasons with counts, then rows, of published and of held back versions."""
    from data_platform.platform_defs.repair import quarantined

    platform = _platform()
    table_id, _ = _load(platform, table, partition)
    reasons, rows = quarantined(platform, table_id, partition=partition, limit=limit)
    if as_json:
        out.as_json({"reasons": reasons, "rows": rows})
        return
    out.records(f"{table}: reasons", reasons, counts=["rows"])
    out.records(f"{table}: rows", rows)


@quarantine.command("replay")
@_TABLE
@_PARTITION
@reporting
def quarantine_replay(table: str, partition: str | None) -> None:
    """Judge the quarantined rows again, under the present contract, and publish what passes."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.repair import replay

    platform = _platform()
    table_id, _ = _load(platform, table, partition)
    failed = 0
    for line in replay(platform, defs(), TABLES, table_id, partition=partition):
        click.echo(line)
        failed += line.startswith("run ") and line.endswith(": failed")  # as `Ran.lines` says it
    if failed:
        raise click.ClickException(f"{failed} runs failed, for the reasons above")


@main.command()
@_JSON
@reporting
def stale(as_json: bool) -> None:
    """Partitions built under an older contract, or from inputs that changed since."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.repair import stale_partitions

    defs()  # declarations that do not fit together are an answer, too
    out.records("stale partitions", stale_partitions(_platform(), TABLES), as_json)


@main.command()
@_JSON
@reporting
def held(as_json: bool) -> None:
    """Partitions held back by their checks: since when (UTC), and why."""
    from data_platform.definitions import TABLES
    from data_platform.platform_defs.repair import held_partitions

    out.records("held back partitions", held_partitions(_platform(), TABLES), as_json)


@main.command()
@_JSON
@reporting
def expire(as_json: bool) -> None:
    """Forget the snapshots beyond each table's retention; `clean` then deletes their files."""
    from data_platform.lake.expiry import expire_all

    with passing_over() as guard:
        forgotten = expire_all(_platform().lake, dt.datetime.now(dt.UTC), guard)
        found = [{"table": str(t), "snapshots": count} for t, count in forgotten.items() if count]
        out.records("forgotten snapshots", found, as_json)


@main.command()
@click.option("--dry-run", is_flag=True, help="list the files, delete none")
@click.option(
    "--grace-hours",
    default=24.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="spare files younger than",
)
@_JSON
@reporting
def clean(dry_run: bool, grace_hours: float, as_json: bool) -> None:
    """Delete the files that no snapshot refers to, and uploads that nobody completed."""
    from data_platform.lake import clean as cleaning

    platform, now, grace = _platform(), dt.datetime.now(dt.UTC), dt.timedelta(hours=grace_hours)
    find, did = (cleaning.orphans, "would be deleted") if dry_run else (cleaning.clean, "deleted")
    with passing_over() as guard:
        found = list(find(platform.lake, platform.storage, now, grace, guard))
        files = [{"table": str(t), "file": f.path, "bytes": f.size} for t, f in found]
        out.records(did, files, as_json, counts=["bytes"])
