"""Which snapshots a table remembers.

Metadata is rewritten at each commit, so it must not grow with the age of the table: a table
keeps its newest snapshots up to a number, and none older than a number of days but the current
one. Forgetting a snapshot deletes no data: files that no snapshot refers to are `clean`'s.
"""

import datetime as dt

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

KEEP_SNAPSHOTS = "data_platform.retention.snapshots"
KEEP_DAYS = "data_platform.retention.days"
_DEFAULT_SNAPSHOTS, _DEFAULT_DAYS = 100, 30
_SLACK = 20  # so that not every commit is followed by a second one


def retention(table: Table) -> tuple[int, int]:
    """How many snapshots and how many days a table keeps."""
    properties = table.properties
    return (
        int(properties.get(KEEP_SNAPSHOTS, _DEFAULT_SNAPSHOTS)),
        int(properties.get(KEEP_DAYS, _DEFAULT_DAYS)),
    )


def expired(table: Table, now: dt.datetime) -> list[int]:
    """The ids of the snapshots beyond the table's retention, never the current one."""
    count, days = retention(table)
    newest_first = sorted(table.snapshots(), key=lambda s: s.timestamp_ms, reverse=True)
    oldest = (now - dt.timedelta(days=days)).timestamp() * 1000
    current = table.current_snapshot()
    return [
        snapshot.snapshot_id
        for position, snapshot in enumerate(newest_first)
        if (position >= count or snapshot.timestamp_ms < oldest)
        and (current is None or snapshot.snapshot_id != current.snapshot_id)
    ]


def expire(table: Table, now: dt.datetime) -> list[int]:
    """Forget the expired snapshots; gives their ids."""
    ids = expired(table, now)
    if ids:
        table.maintenance.expire_snapshots().by_ids(ids).commit()
    return ids


def forget_old_snapshots(table: Table) -> None:
    """Expire once enough has come together; a race with another writer is left to the next."""
    count, _ = retention(table)
    if len(table.metadata.snapshots) <= count + _SLACK:
        return
    try:
        expire(table, dt.datetime.now(dt.UTC))
    except CommitFailedException:
        return
