"""Repairing tables and keeping them small: rollback, release, expire, clean."""

import datetime as dt
from contextlib import nullcontext
from functools import partial

import click

from data_platform.cli import printing as out
from data_platform.cli.audit_log import recorded
from data_platform.cli.options import (
    JSON,
    PARTITION,
    TABLE,
    declarations,
    load,
    never_run,
    open_platform,
    ordinary_assets,
    table_named,
)
from data_platform.cli.reporting import reporting


@click.command()
@TABLE
@PARTITION
@click.option("--to", required=True, type=int, metavar="SNAPSHOT", help="see history")
@reporting
def rollback(table: str, partition: str | None, to: int) -> None:
    """Publish a table, or a partition, again as it was in a snapshot.

    Its quarantine and duplicates are rolled back too, Dagster records it, and what was built from
    it becomes stale.
    """
    platform = open_platform()
    tables, _ = declarations()
    table_id, _ = load(platform, table)
    from data_platform.operations.repair import roll_back

    with recorded(platform, "rollback", table=table, partitions=partition, detail=f"to {to}"):
        done = roll_back(platform, tables, table_id, to=to, partition=partition)
    click.echo("\n".join(done.lines))


@click.command()
@TABLE
@PARTITION
@click.option("--reason", required=True, metavar="WHY", help="recorded with the partition")
@click.option("--by", metavar="WHO", help="who decides; by default DATA_PLATFORM_ACTOR")
@reporting
def release(table: str, partition: str | None, reason: str, by: str | None) -> None:
    """Publish a partition that its checks held back, as it is, this once.

    Who released it and why is recorded in Dagster and in the register of builds. It stays until
    its inputs or the contract change; its quarantine and duplicates are those of the same attempt.
    A partition that would lose rows is never released.
    """
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.lake.files import partitioning_of
    from data_platform.operations import release as releasing
    from data_platform.tables.identity import WHOLE_TABLE

    table_id, loaded = load(platform, table, partition)
    if partition is None and partitioning_of(loaded).columns:
        raise click.UsageError(f"{table} has partitions; name one with --partition, see `held`")
    if not reason.strip():
        raise click.UsageError("--reason is empty; say why the partition may be published")
    by, reason = by or platform.settings.actor, reason.strip()
    detail = f"by {by}: {reason}"
    with recorded(platform, "release", table=table, partitions=partition, detail=detail):
        done = releasing.release(
            platform,
            tables,
            table_id,
            partition=WHOLE_TABLE if partition is None else partition,
            by=by,
            reason=reason,
        )
    click.echo("\n".join(done.lines))


@click.command()
@TABLE
@PARTITION
@click.option("--yes", is_flag=True, help="do not ask")
@reporting
def drop(table: str, partition: str | None, yes: bool) -> None:
    """Remove a table, or a partition, from the catalog, to build it again or to get rid of it.

    Its quarantine and duplicates are removed too, and landed objects wait to be loaded again.
    Prints first what is removed and what depends on it. `clean` deletes the files.
    """
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.operations.dropping import apply_drop, plan_drop
    from data_platform.operations.repair import instance_of
    from data_platform.runs.scope import Scope

    table_id, others = table_named(platform, tables, table), ordinary_assets()
    if table in others and not platform.lake.exists(table_id):
        raise click.ClickException(never_run(platform, table, others[table]))
    planned = plan_drop(platform, tables, table_id, partition, ordinary=table in others)
    for line in planned.lines:
        out.paragraph(line)
    if not yes and not click.confirm("drop it?"):
        raise click.Abort
    with (
        recorded(platform, "drop", table=table, partitions=partition),
        instance_of(platform) as instance,
    ):
        done = apply_drop(Scope(instance, platform, tables), planned)
    for line in done.lines:
        out.paragraph(line)


@click.command()
@JSON
@reporting
def expire(as_json: bool) -> None:
    """Expire the snapshots beyond each table's retention; `clean` then deletes their files."""
    from data_platform.lake.expiry import expire_all
    from data_platform.lake.refusals import passing_over

    platform = open_platform()
    with recorded(platform, "expire"), passing_over() as guard:
        forgotten = expire_all(platform.lake, dt.datetime.now(dt.UTC), guard)
        found = [{"table": str(t), "snapshots": count} for t, count in forgotten.items() if count]
        out.records("forgotten snapshots", found, as_json)


@click.command()
@click.option("--dry-run", is_flag=True, help="list the files, delete none")
@click.option(
    "--grace-hours",
    default=24.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="spare files younger than",
)
@JSON
@reporting
def clean(dry_run: bool, grace_hours: float, as_json: bool) -> None:
    """Delete files that no snapshot refers to, and uploads that were never completed."""
    from data_platform.lake.refusals import passing_over
    from data_platform.lake.upkeep import clean as cleaning
    from data_platform.operations.environments import (
        forget_emptied,
        left_warehouses,
        require_catalog,
    )

    platform, now, grace = open_platform(), dt.datetime.now(dt.UTC), dt.timedelta(hours=grace_hours)
    require_catalog(platform.production)
    find, did = (cleaning.orphans, "would be deleted") if dry_run else (cleaning.clean, "deleted")
    noted = nullcontext() if dry_run else recorded(platform, "clean")
    with noted, passing_over() as guard:
        spared = platform.builds.staged_files
        others = platform.lakes_beside, partial(left_warehouses, platform)
        found = list(find(platform.lake, platform.storage, now, grace, guard, spared, *others))
        files = [{"table": str(t), "file": f.path, "bytes": f.size} for t, f in found]
        out.records(did, files, as_json, counts=["bytes"])
    if not dry_run:
        forget_emptied(platform)
