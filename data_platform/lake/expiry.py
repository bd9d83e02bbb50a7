"""Snapshot expiry.

Metadata is rewritten at each commit, so it must not grow with the age of the table: a table keeps
at most a number of snapshots, and none older than a number of days except the current one and those
that are pinned (see `pins`). Expiry deletes no data: `clean` removes files that no snapshot refers
to.
"""

import datetime as dt
import logging
from contextlib import suppress

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from data_platform.lake.catalog import Lake
from data_platform.lake.files import snapshots_in_order
from data_platform.lake.pins import pinned, remove_ended
from data_platform.lake.pyiceberg_internals import Expiry, LeanTransaction
from data_platform.lake.refusals import Guard, strict
from data_platform.lake.rejected import REJECTED_BY, REJECTED_LAYERS, rejected_by
from data_platform.tables.identity import TableId

_log = logging.getLogger(__name__)

KEEP_SNAPSHOTS = "data_platform.retention.snapshots"
KEEP_DAYS = "data_platform.retention.days"
# Of a table of a virtual environment: production's snapshot that it began with, which is kept.
BASE = "data_platform.environment.base"
_DEFAULT_SNAPSHOTS, _DEFAULT_DAYS = 100, 30
_SLACK = 20  # snapshots beyond the limit, so that not every commit is followed by an expiry


def retention(table: Table) -> tuple[int, int]:
    """How many snapshots and how many days a table keeps."""
    properties = table.properties
    return (
        int(properties.get(KEEP_SNAPSHOTS, _DEFAULT_SNAPSHOTS)),
        int(properties.get(KEEP_DAYS, _DEFAULT_DAYS)),
    )


def expired(table: Table, now: dt.datetime) -> list[int]:
    """The ids of the snapshots beyond the table's retention that nothing pins."""
    kept = pinned(table, now)
    return [snapshot_id for snapshot_id in _beyond(table, now) if snapshot_id not in kept]


def _beyond(table: Table, now: dt.datetime) -> list[int]:
    """The ids of the snapshots beyond the table's retention, never the current one, nor the one
    that an environment's table began with."""
    count, days = retention(table)
    newest_first = reversed(snapshots_in_order(table))
    oldest = (now - dt.timedelta(days=days)).timestamp() * 1000
    current = table.current_snapshot()
    return [
        snapshot.snapshot_id
        for position, snapshot in enumerate(newest_first)
        if (position >= count or snapshot.timestamp_ms < oldest)
        and (current is None or snapshot.snapshot_id != current.snapshot_id)
        and str(snapshot.snapshot_id) != table.properties.get(BASE)
    ]


def unneeded(beside: Table, table: Table, now: dt.datetime) -> list[int]:
    """The ids of the snapshots of `beside` (a quarantine) that no snapshot of `table` needs.

    A rollback restores rejected rows with their version, so their table has no retention of its
    own. The last snapshot before the oldest one of `table` holds what that version rejected. One
    that is only pinned does not count: the same backup has pinned the rejected rows, too.
    """
    beyond = set(_beyond(table, now))
    remembered = [s.timestamp_ms for s in table.snapshots() if s.snapshot_id not in beyond]
    if not remembered:
        return []
    older = [s for s in snapshots_in_order(beside) if s.timestamp_ms <= min(remembered)]
    kept = pinned(beside, now)
    return [s.snapshot_id for s in older[:-1] if s.snapshot_id not in kept]


def expire(lake: Lake, table_id: TableId, now: dt.datetime) -> dict[TableId, int]:
    """Expire snapshots of a table, then those of its quarantine and duplicates that no version
    needs any more; returns how many, by table."""
    table = lake.load(table_id)
    forgotten = {table_id: forget(table, expired(table, now), now)}
    for layer in REJECTED_LAYERS.values():
        if beside := rejected_by(lake, table_id, layer):
            forgotten[table_id.sibling(layer)] = forget(beside, unneeded(beside, table, now), now)
    return forgotten


def expire_all(lake: Lake, now: dt.datetime, guard: Guard = strict) -> dict[TableId, int]:
    """Expire snapshots of every table; one that another writer changes meanwhile is skipped."""
    forgotten: dict[TableId, int] = {}
    for table_id in lake.tables():
        with guard(table_id), suppress(CommitFailedException):
            if REJECTED_BY not in lake.load(table_id).properties:
                forgotten |= expire(lake, table_id, now)
    return forgotten


def forget_old_snapshots(lake: Lake, table: Table) -> None:
    """Expire snapshots if there are enough to expire; `table` is as its last commit left it.

    Called after a publication, which must not fail because of it: an error is logged, and the next
    publication tries again.
    """
    table_id = TableId.of(table.name())
    try:
        now = dt.datetime.now(dt.UTC)
        if len(expired(table, now)) > _SLACK:
            expire(lake, table_id, now)
    except Exception as error:  # a store's, a catalog's, a database's: no common base
        _log.warning("%s keeps its old snapshots until it is published again: %s", table_id, error)


def forget(table: Table, ids: list[int], now: dt.datetime) -> int:
    """Expire these snapshots; returns how many.

    Raises CommitFailedException if one was pinned since the table was loaded.
    """
    remove_ended(table, now)
    kept = pinned(table, now)
    ids = [each for each in ids if each not in kept and table.snapshot_by_id(each)]
    if ids:
        Expiry(LeanTransaction(table, autocommit=True)).by_ids(ids).commit()
        table.refresh()
    return len(ids)
