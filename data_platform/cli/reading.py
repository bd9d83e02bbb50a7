"""Reading tables: which exist, their rows, their history."""

from dataclasses import asdict
from pathlib import Path

import click

from data_platform.cli import printing as out
from data_platform.cli.options import AT, JSON, LIMIT, PARTITION, TABLE, load, open_platform
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted


@click.command()
@JSON
@reporting
def tables(as_json: bool) -> None:
    """Every table: rows, partitions, files, bytes, last commit, run; USD a month where known."""
    from data_platform.buckets.prices import monthly_cost, price
    from data_platform.lake.refusals import passing_over
    from data_platform.lake.upkeep.browse import figures

    platform, counts = open_platform(), ("rows", "partitions", "files", "bytes", "history_bytes")
    with passing_over() as guard:
        found = [asdict(row) for row in figures(platform.lake, guard)]
        if (usd := price(platform.settings)) is not None:
            cost = [monthly_cost(row["bytes"] + row["history_bytes"], usd) for row in found]
            found = [
                {**row, "monthly_usd": each and round(each, 4)}
                for row, each in zip(found, cost, strict=True)
            ]
        out.records("tables", found, as_json, counts=counts)


@click.command()
@TABLE
@PARTITION
@LIMIT
@AT
@click.option(
    "--where", metavar="EXPR", default="", help='in SQL, as "quantity > 10" or "country = \'EIRE\'"'
)
@click.option("--columns", metavar="A,B", default="", help="these columns, in this order")
@JSON
@reporting
def show(
    table: str,
    partition: str | None,
    limit: int,
    at: int | None,
    where: str,
    columns: str,
    as_json: bool,
) -> None:
    """Rows of a table."""
    from data_platform.lake.upkeep.browse import as_python, count, partition_history, rows

    platform = open_platform()
    table_id, loaded = load(platform, table, partition)
    if where or columns:
        _show_chosen(platform, loaded, table, partition, limit, at, where, columns, as_json)
        return
    found = rows(loaded, partition=partition, snapshot=at, limit=limit).read_all()
    if as_json:
        out.as_json(as_python(found))
        return
    there = count(loaded, partition=partition, snapshot=at)
    some = f"{found.num_rows:,} of " if found.num_rows != there else ""
    title = f"{table}: {some}{counted(there, 'row')}"
    if found.num_rows:
        out.records(title, as_python(found), columns=found.schema.names, exact=True)
    else:
        click.echo(title)
        newest = platform.builds.latest(table_id, [partition]) if partition is not None else {}
        for build in newest.values():
            if build.state == "held_back":
                click.echo(f"held back: {build.detail}; see `data-platform held`")
        if partition is not None and not newest and at is None:
            if partition_history(loaded, partition):
                click.echo(f"{partition} is no longer published; see `data-platform history`")
            else:
                click.echo(f"{partition} was never built")


def _show_chosen(
    platform, loaded, table, partition, limit, at, where, columns, as_json: bool
) -> None:
    """The rows for which an expression holds, counted to the end."""
    import pyarrow as pa

    from data_platform.lake.upkeep.browse import as_python
    from data_platform.lake.upkeep.sql import select

    names = [name.strip() for name in columns.split(",") if name.strip()]
    chosen = {"columns": names, "where": where, "partition": partition, "snapshot": at}
    with select(loaded, platform.storage, **chosen) as reader:
        kept, there = [], 0
        for batch in reader:
            if there < limit:
                kept.append(batch.slice(0, limit - there))
            there += batch.num_rows
            if as_json and there >= limit:
                break
    found = pa.Table.from_batches(kept, reader.schema)
    if as_json:
        out.as_json(as_python(found))
        return
    some = f"{found.num_rows:,} of " if found.num_rows != there else ""
    title = f"{table}: {some}{counted(there, 'row')}" + (f" where {where}" if where else "")
    if found.num_rows:
        out.records(title, as_python(found), columns=found.schema.names, exact=True)
    else:
        click.echo(title)


@click.command()
@TABLE
@click.argument("file", metavar="FILE.parquet", type=click.Path(dir_okay=False, path_type=Path))
@PARTITION
@AT
@click.option("--force", is_flag=True, help="replace a file that is there")
@reporting
def export(table: str, file: Path, partition: str | None, at: int | None, force: bool) -> None:
    """Write a table, or one partition, to one Parquet file."""
    from data_platform.lake.upkeep.browse import rows

    if file.suffix != ".parquet":
        raise click.UsageError(f"{file} would hold Parquet: name it {file.with_suffix('.parquet')}")
    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already; --force replaces it")
    _, loaded = load(open_platform(), table, partition)
    count = out.write_parquet(rows(loaded, partition=partition, snapshot=at), file)
    click.echo(f"{file}: {counted(count, 'row')}")


@click.command()
@TABLE
@PARTITION
@JSON
@reporting
def history(table: str, partition: str | None, as_json: bool) -> None:
    """The snapshots of a table, newest first; of a partition those that changed it."""
    from data_platform.lake.upkeep import browse

    _, loaded = load(open_platform(), table, partition)
    if partition is None:
        found: list = browse.history(loaded)
    else:
        found = browse.partition_history(loaded, partition)
    # As text: many a reader of JSON has no number of 64 bits, and `--to` needs every digit.
    rows = [{**asdict(row), "snapshot": str(row.snapshot)} for row in found]
    counts = ("partitions", "added_rows", "deleted_rows", "total_rows", "rows")
    out.records(f"{table}: snapshots", rows, as_json, counts=counts)
