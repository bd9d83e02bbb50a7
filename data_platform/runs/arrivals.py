"""Record what landed in the ledger, settle it after killed runs, and plan what is due for it."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from data_platform.assets import BronzeTable
from data_platform.build.planning import Plan, current_versions, plan
from data_platform.build.platform import Platform
from data_platform.lake.look import Look
from data_platform.landing.arrivals.listing import ListingIntake, Taken, partitions_of, reconcile
from data_platform.landing.ledger.tables import State
from data_platform.runs.tags import MOST_ATTEMPTS
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

_DECLARED: tuple[State, ...] = ("pending", "loaded", "failed", "moving")


def record_arrivals(
    platform: Platform,
    landed: Sequence[BronzeTable],
    now: dt.datetime,
    *,
    listed: bool = False,
    redeclared: bool = False,
    settled: Collection[TableId] = (),
) -> Taken:
    """Record in the ledger what landed and settle what was pending; returns what was recorded.

    `landed` are the bronze tables. `redeclared` says that their declarations may have changed,
    which costs O(ledger); with `listed` the landing place is not listed again. In the register of
    builds, nothing is to be settled of the `settled` tables.
    """
    settle_arrivals(platform, unsettled(platform, landed, settled))
    sources = [table.source for table in landed]
    known = listed and isinstance(platform.intake, ListingIntake)
    arrived = Taken() if known else platform.intake.take(sources, platform.ledger, now)
    waiting = unsettled(platform, landed, {table.id for table in landed})
    for table in waiting:
        platform.ledger.give_up(
            table.source.name, attempts=MOST_ATTEMPTS, declaration=table.version
        )
    states = _DECLARED if redeclared else _DECLARED[:1]
    platform.ledger.move(sources, now, states=states)
    for table in waiting:
        platform.ledger.reopen(_failed_otherwise(table, platform))
    return arrived


def unsettled(
    platform: Platform, landed: Sequence[BronzeTable], settled: Collection[TableId]
) -> list[BronzeTable]:
    """The tables that may have something to do: those with objects that are not loaded, then those
    that are not `settled`."""
    names = platform.ledger.open_sources()
    waiting = [table for table in landed if table.source.name in names]
    others = [t for t in landed if t.id not in settled and t.source.name not in names]
    return waiting + others


def list_landed(platform: Platform, landed: Sequence[BronzeTable], now: dt.datetime) -> None:
    """Record everything in the landing bucket, not only recent days as a sensor's tick may; first
    settles what killed runs had published. A virtual environment records nothing."""
    settle_arrivals(platform, landed)
    if platform.takes_arrivals:
        reconcile(platform.bucket, [table.source for table in landed], platform.ledger, now)


def settle_arrivals(platform: Platform, landed: Sequence[BronzeTable]) -> None:
    """Record in the ledger and the register of builds what killed runs had published.

    Must come before anything else is recorded.
    """
    for table in landed:
        prepared = platform.ledger.prepared(table.source.name)
        found = {*prepared, *platform.builds.uncommitted(table.id)}
        keys = [k for k in found if table.partitions and table.partitions.has_partition_key(k)]
        if keys:
            # A table that cannot be read is reported when it is planned; the others go on.
            with suppress(LakeError, ValueError):
                settle(table, platform, keys)


def settle(table: BronzeTable, platform: Platform, keys: Iterable[str]) -> None:
    """Mark as loaded what a run published of these partitions before it was killed.

    Must come before planning: otherwise an object that was deleted since counts as never loaded.
    """
    found = current_versions(platform, table.id, list(keys))
    platform.ledger.settle(table.source.name, found)
    platform.builds.commit(table.id, found)


def due_of_bronze(table: BronzeTable, platform: Platform, look: Look | None = None) -> Plan:
    """The plan of what a bronze table has to build.

    The cost is that of the partitions that may be due, however much has ever landed.

    These are the partitions with pending objects, those that objects move between, and those whose
    newest attempt was held back or has another declaration. The plan decides which of them are
    due, as for every table.
    """
    assert table.partitions is not None
    waiting = partitions_of(platform.ledger.pending(table.source.name))
    moving = platform.ledger.moving(table.source.name)
    asked = {*waiting, *moving, *platform.builds.doubtful(table.id, table.version)}
    known = [key for key in sorted(asked) if table.partitions.has_partition_key(key)]
    return plan(table, platform, known, only_stale=True, look=look)


def _failed_otherwise(table: BronzeTable, platform: Platform) -> list[int]:
    """Objects that could not be read under an earlier declaration; the new one may read them."""
    found = platform.ledger.failed(table.source.name)
    return [entry.id for entry in found if entry.declaration != table.version]
