"""Move keys that a corrected declaration places in another partition or another source.

The rows of a loaded object are in the files of the partition it was loaded into. When its key
moves, its loaded versions become `moved` there, so that this partition is rebuilt without them, and
its new partition gets an entry `moving`: treated as loaded, but its rows are still in the old
partition's files. If the bucket still holds the object, it is also read again. The old partition
drops the rows only after the new one has them.

One that moves again while a run is about to publish it is `unsettled`: the run, or `settle` if the
run died, decides whether its rows were published there and must be removed again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from data_platform.landing.ledger.recording import Changes, Place, again, claim
from data_platform.landing.ledger.tables import Entry, insert_latest, objects, read_entries
from data_platform.landing.places.objects import LandedObject
from data_platform.landing.source import Source

_DROPPED = "its rows were dropped, and it is not in the landing place any more"

_c = objects.c
_STORED = _c.state.in_(["loaded", "moving"])
_LATEST = objects.alias("latest")
_LEFT = objects.alias("left")


def moves(entries: Iterable[Entry], sources: Sequence[Source], now: datetime) -> Changes:
    """The changes that place the latest versions of some keys where the sources declare them now.

    A key that no source claims any more keeps its state if it was loaded. One that is pending or
    failed becomes unknown, with the reason, and pending again when a source claims it again.
    """
    changes = Changes()
    for entry in entries:
        match = claim(LandedObject(entry.key, entry.size, entry.modified, entry.etag), sources)
        if (match["source"], match["partition"]) == (entry.source, entry.partition):
            continue
        if match["source"] is None:
            if entry.state == "pending":  # a run may be reading it and will set its row's state
                changes.insert.append({**again(entry, now), **match, "vanished": entry.vanished})
                changes.unknown.append(entry.key)
            elif entry.state == "failed":
                changes.update[entry.id] = {**match, "updated": now}
                changes.unknown.append(entry.key)
            continue
        place = Place(entry.bucket, match["source"], match["partition"])
        if entry.available:
            changes.insert.append(again(_at(place, entry), now))
        elif place.source != entry.source:
            continue  # rows cannot be carried from the files of another table
        changes.moved[entry.key] = place
    return changes


def _at(place: Place, entry: Entry) -> Entry:
    return replace(entry, source=place.source, partition=place.partition)


def leave(connection: sa.Connection, moved: Mapping[str, Place], now: datetime) -> None:
    """Mark loaded versions of these keys that are outside their new places as moved, and insert an
    entry `moving` for the newest of them. Call it before inserting a newer version."""
    stored: dict[tuple[str, str], list[Entry]] = {}
    query = sa.select(objects).where(_STORED, _c.key.in_(list(moved)))
    for entry in read_entries(connection, query.order_by(_c.id)):
        stored.setdefault((entry.bucket, entry.key), []).append(entry)
    for key, place in moved.items():
        versions = stored.get((place.bucket, key), [])
        gone = [e for e in versions if _at(place, e) != e]
        for entry in gone:
            state = "unsettled" if entry.state == "moving" and entry.bronze_version else "moved"
            values = {"state": state, "latest": False, "updated": now}
            connection.execute(sa.update(objects).where(_c.id == entry.id).values(values))
        if gone and gone[-1] is versions[-1] and gone[-1].source == place.source:
            last = gone[-1]
            row = again(_at(place, last), now)
            kept = {"latest": last.latest, "rows": last.rows, "vanished": last.vanished}
            connection.execute(sa.insert(objects), [{**row, "state": "moving", **kept}])


def forget(connection: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """Forget keys, given the ids of their latest versions: their rows leave bronze's partitions,
    and a new latest version marks each key as forgotten."""
    known = sa.and_(_c.id.in_(ids), _c.latest.is_(True), _c.state != "forgotten")
    found = read_entries(connection, sa.select(objects).where(known))
    insert_latest(connection, [{**again(entry, now), "state": "forgotten"} for entry in found])
    for entry in found:
        of_key = sa.and_(_c.bucket == entry.bucket, _c.key == entry.key)
        about_to_come = sa.and_(_c.state == "moving", _c.bronze_version.is_not(None))
        state = sa.case((about_to_come, "unsettled"), else_="moved")
        gone = sa.update(objects).where(of_key, _STORED)
        connection.execute(gone.values(state=state, updated=now))


def unload(
    connection: sa.Connection, source: str, partitions: Sequence[str] | None, now: datetime
) -> None:
    """Record that rows are no longer in bronze, see `Ledger.unload`."""
    waits = {"state": "pending", "attempts": 0, "error": None}
    failed = {"state": "failed", "error": _DROPPED}
    none = {"rows": None, "bronze_version": None, "run_id": None, "updated": now}
    chosen = sa.true() if partitions is None else _c.partition.in_(partitions)
    of_these = sa.and_(_c.source == source, chosen)
    here = sa.and_(of_these, _c.state.in_(["loaded", "moving"]))
    available = sa.and_(_c.latest.is_(True), _c.vanished.is_(None))
    connection.execute(sa.update(objects).where(here, available).values(waits | none))
    left = sa.update(objects).where(of_these, _c.state == "moved")
    connection.execute(left.values(bronze_version=None))
    connection.execute(sa.update(objects).where(here).values(failed | none))


def follow(connection: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """Update moves after these versions were loaded.

    An older version that was to be carried to the same place is no longer needed. A loaded version
    whose key was moved or forgotten since its run began has its rows in a partition they must
    leave.
    """
    loaded = objects.alias("loaded")
    same = [loaded.c[n] == _c[n] for n in ("bucket", "key", "source", "partition")]
    replaced = sa.exists().where(loaded.c.id.in_(ids), loaded.c.state == "loaded", *same)
    older = {"state": "moved", "bronze_version": None, "updated": now}
    connection.execute(sa.update(objects).where(_c.state == "moving", replaced).values(older))
    newest = sa.and_(
        _LATEST.c.key == _c.key, _LATEST.c.bucket == _c.bucket, _LATEST.c.latest.is_(True)
    )
    moved = sa.or_(_LATEST.c.source != _c.source, _LATEST.c.partition != _c.partition)
    query = (
        sa.select(_c.id, _c.key, _c.bucket)
        .add_columns(_LATEST.c.source, _LATEST.c.partition, _LATEST.c.state)
        .join(_LATEST, newest)
        .where(_c.id.in_(ids), _c.state == "loaded", _c.latest.is_(False))
        .where(sa.or_(_LATEST.c.state == "forgotten", moved))
    )
    for id, key, bucket, source, partition, state in list(connection.execute(query)):
        if state == "forgotten":
            gone, values = _c.id == id, {"state": "moved", "updated": now}
            connection.execute(sa.update(objects).where(gone).values(values))
            continue
        carried = sa.and_(_c.bucket == bucket, _c.key == key, _c.state == "moving")
        connection.execute(sa.update(objects).where(carried).values(older))  # its rows are gone
        leave(connection, {key: Place(bucket, source, partition)}, now)


def unfinished(connection: sa.Connection, source: str) -> list[str]:
    """The partitions that have to take rows over from others, or to drop rows that moved."""
    left = sa.and_(_c.state == "moved", _c.bronze_version.is_not(None))
    query = sa.select(_c.partition).where(_c.source == source, sa.or_(_c.state == "moving", left))
    return list(connection.execute(query.distinct()).scalars())


def stands_in(connection: sa.Connection, moving: Sequence[Entry]) -> dict[str, str]:
    """For each moving key, the partition whose files have its rows."""
    query = sa.select(_c.key, _c.partition).where(
        _c.state == "moved",
        _c.bronze_version.is_not(None),
        _c.source.in_({entry.source for entry in moving}),
        _c.key.in_([entry.key for entry in moving]),
    )
    return {key: partition for key, partition in connection.execute(query.order_by(_c.id))}


def left(connection: sa.Connection, source: str, partitions: Sequence[str]) -> dict[str, list[int]]:
    """The ids of versions that moved out of each partition, whose files still have their rows."""
    query = sa.select(_c.partition, _c.id).where(
        _c.source == source,
        _c.partition.in_(partitions),
        _c.state == "moved",
        _c.bronze_version.is_not(None),
    )
    found: dict[str, list[int]] = {}
    for partition, id in connection.execute(query):
        found.setdefault(partition, []).append(id)
    return found


def awaited(
    connection: sa.Connection, source: str, partitions: Sequence[str]
) -> dict[str, set[str]]:
    """The keys that moved out of each partition and are not yet in bronze elsewhere."""
    moving = sa.and_(objects.c.key == _LEFT.c.key, objects.c.bucket == _LEFT.c.bucket)
    newest = sa.and_(_LATEST.c.key == _LEFT.c.key, _LATEST.c.bucket == _LEFT.c.bucket)
    query = (
        sa.select(_LEFT.c.partition, _LEFT.c.key)
        .join(objects, sa.and_(moving, _c.state == "moving"))
        .join(_LATEST, sa.and_(newest, _LATEST.c.latest.is_(True)))
        .where(_LEFT.c.source == source, _LEFT.c.partition.in_(partitions))
        .where(_LEFT.c.state == "moved", _LEFT.c.bronze_version.is_not(None))
        .where(sa.or_(_LATEST.c.state != "loaded", _LATEST.c.id == _c.id))
    )
    found: dict[str, set[str]] = {}
    for partition, key in connection.execute(query):
        found.setdefault(partition, set()).add(key)
    return found
