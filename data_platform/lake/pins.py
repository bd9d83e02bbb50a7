"""Snapshots that a backup refers to are pinned: Iceberg tags that end by themselves.

While a tag counts, its snapshot does not expire, so its files are no orphans. Other engines keep to
tags, too.
"""

import datetime as dt
from contextlib import suppress

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRef

from data_platform.lake.errors import NotThere, PartitionConflict
from data_platform.tables.identity import TableId

_PREFIX = "backup-"
_TRIES = 20


def pinned(table: Table, now: dt.datetime) -> set[int]:
    """The ids of the snapshots that a tag or branch keeps, other than by a pin that has ended."""
    ended = _ended(table, now)
    return {ref.snapshot_id for name, ref in table.metadata.refs.items() if name not in ended}


def pin(
    table: Table, snapshot_id: int, name: str, now: dt.datetime, until: dt.datetime
) -> dict[str, SnapshotRef]:
    """Keep a snapshot from expiry for a while, and remove pins that have ended; returns the tag.

    Raises NotThere if it has expired meanwhile.
    """
    tag = _PREFIX + name
    for _ in range(_TRIES):
        snapshot = table.snapshot_by_id(snapshot_id)
        if snapshot is None:
            break
        # Iceberg counts the age of a tag from its snapshot.
        age = round(until.timestamp() * 1000) - snapshot.timestamp_ms
        changes = table.manage_snapshots().create_tag(snapshot_id, tag, max(age, 1))
        for ended in _ended(table, now):
            changes.remove_tag(ended)
        # Another writer was first; PyIceberg's error is the latter if that one was an expiry.
        with suppress(CommitFailedException, ValueError):
            changes.commit()
            return {tag: table.metadata.refs[tag]}
        table.refresh()
    else:
        raise PartitionConflict(
            f"{TableId.of(table.name())}: other writers changed it {_TRIES} times while its "
            "snapshot was being pinned; try again when less is written"
        )
    raise NotThere(
        f"{TableId.of(table.name())}: snapshot {snapshot_id} has expired while the backup was made;"
        " begin it again, at another place"
    )


def remove_ended(table: Table, now: dt.datetime) -> None:
    """Remove the pins that have ended."""
    if ended := _ended(table, now):
        changes = table.manage_snapshots()
        for name in ended:
            changes.remove_tag(name)
        changes.commit()


def _ended(table: Table, now: dt.datetime) -> list[str]:
    refs = {n: ref for n, ref in table.metadata.refs.items() if n.startswith(_PREFIX)}
    found = []
    for name, ref in refs.items():
        snapshot = table.snapshot_by_id(ref.snapshot_id)
        ends = (snapshot.timestamp_ms if snapshot else 0) + (ref.max_ref_age_ms or 0)
        if ends < now.timestamp() * 1000:
            found.append(name)
    return found
