"""Query the ledger: what landed, what is pending, what belongs in bronze, what failed.

Each method is one read-only transaction. The methods that change the ledger are in `ledger`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from data_platform.databases.chunks import chunks
from data_platform.databases.connections import Database
from data_platform.landing.ledger.moves import awaited, left, stands_in, unfinished
from data_platform.landing.ledger.recording import Changes, compare, versions
from data_platform.landing.ledger.tables import (
    STATES,
    Entry,
    State,
    digest_of,
    latest_of,
    objects,
    read_entries,
)
from data_platform.landing.places.objects import Bucket, LandedObject
from data_platform.landing.source import Source

# Sizes in bytes by key, by source and partition.
Unrecorded = Mapping[tuple[str, str], Mapping[str, int]]

_c = objects.c
_PRESENT = sa.and_(_c.latest.is_(True), _c.vanished.is_(None))
WAITING = sa.and_(_c.state == "pending", _PRESENT)


class LedgerReads:
    """Read-only queries of a ledger in a database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # What is there

    def present(
        self, bucket: str, keys: Collection[str] | None = None, *, until: datetime | None = None
    ) -> dict[str, int]:
        """The ids of all keys, or of `keys`, that are not known to have vanished; with `until`,
        only of those whose latest content landed before it.

        Costs O(ledger), or O(keys).
        """
        query = sa.select(_c.key, _c.id).where(_c.bucket == bucket, _PRESENT)
        if until is not None:
            query = query.where(_c.modified < until)
        asked = [query] if keys is None else [query.where(_c.key.in_(c)) for c in chunks(keys)]
        with self.database.read() as connection:
            return {key: id for each in asked for key, id in connection.execute(each)}

    def differing(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> set[str]:
        """The keys for which `Ledger.record` would write something."""
        compared = self._compared(listing, bucket, sources, now)
        return {key for *_, changes in compared for key in changes.keys}

    def unrecorded(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Unrecorded:
        """The objects that `Ledger.record` would record as waiting to be loaded. Costs as much."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        for seen, _, changes in self._compared(listing, bucket, sources, now):
            sizes = {landed.key: landed.size for landed in seen}
            for key, place in changes.waiting.items():
                found.setdefault(place, {})[key] = sizes[key]
        return found

    def _compared(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Iterator[tuple[Collection[LandedObject], dict[str, str], Changes]]:
        """Batches of a few hundred objects, with their versions and how the ledger differs."""
        for chunk in chunks(listing):
            seen = {landed.key: landed for landed in chunk}.values()
            with self.database.read() as connection:
                known = latest_of(connection, bucket.name, [landed.key for landed in seen])
            found = versions(seen, known, bucket)
            yield seen, found, compare(seen, found, known, bucket.name, sources, now)

    def changed_since(self, bucket: str, moment: datetime) -> set[str]:
        """The keys that landed or were marked as vanished at `moment` or later."""
        later = sa.or_(_c.modified >= moment, _c.vanished >= moment)
        query = sa.select(_c.key).where(_c.bucket == bucket, _c.latest.is_(True), later)
        with self.database.read() as connection:
            return set(connection.execute(query).scalars())

    def newest(self, source: str) -> Entry | None:
        """An entry of the source's last partition, None if nothing landed yet."""
        order = (_c.partition.desc(), _c.key.desc(), _c.id.desc())
        found = self._entries(
            sa.select(objects).where(_c.source == source).order_by(*order).limit(1)
        )
        return found[0] if found else None

    def last_arrival(self, source: str) -> datetime | None:
        """When an object of the source was last seen for the first time (UTC); None if none was."""
        last = sa.select(_c.first_seen).where(_c.source == source)
        with self.database.read() as connection:
            return connection.execute(last.order_by(_c.first_seen.desc()).limit(1)).scalar()

    # What to load

    def pending(self, source: str) -> list[Entry]:
        """The pending entries, ordered by partition and key."""
        query = sa.select(objects).where(WAITING, _c.source == source)
        return self._entries(query.order_by(_c.partition, _c.key))

    def open_sources(self) -> set[str]:
        """The sources with objects to load, to move, to settle, or that could not be read. All
        others have nothing to do, however much they have loaded."""
        left = sa.and_(_c.state == "moved", _c.bronze_version.is_not(None))
        waiting = _c.state.in_(["pending", "moving", "unsettled", "failed"])
        query = sa.select(_c.source).where(_c.source.is_not(None), sa.or_(waiting, left))
        with self.database.read() as connection:
            return set(connection.execute(query.distinct()).scalars())

    def prepared(self, source: str) -> list[str]:
        """The partitions with objects that a run was about to publish when it ended: see `settle`.

        Costs O(pending and moving entries).
        """
        query = sa.select(_c.partition).where(
            _c.source == source,
            _c.state.in_(["pending", "moving", "unsettled"]),
            _c.bronze_version.is_not(None),
        )
        with self.database.read() as connection:
            return list(connection.execute(query.distinct()).scalars())

    def loaded(self, source: str, partitions: Collection[str] | None = None) -> list[Entry]:
        """The newest loaded version of each key, in these partitions or in all: the entries whose
        rows are in bronze."""
        query = sa.select(objects).where(_c.source == source, _c.state == "loaded")
        if partitions is not None:
            query = query.where(_c.partition.in_(partitions))
        return list({entry.key: entry for entry in self._entries(query.order_by(_c.id))}.values())

    def known(self, keys: Collection[str]) -> list[Entry]:
        """The latest versions of these keys, forgotten ones aside."""
        query = sa.select(objects).where(_c.latest.is_(True), _c.state != "forgotten")
        return self._entries(query.where(_c.key.in_(keys)).order_by(_c.bucket, _c.key))

    def forgotten(self) -> list[Entry]:
        """Keys that were forgotten on request."""
        query = sa.select(objects).where(_c.latest.is_(True), _c.state == "forgotten")
        return self._entries(query.order_by(_c.bucket, _c.key))

    def vanished(self) -> list[Entry]:
        """Keys that are gone from their bucket but have rows in bronze."""
        gone = sa.and_(_c.latest.is_(True), _c.vanished.is_not(None), _c.state == "loaded")
        return self._entries(sa.select(objects).where(gone).order_by(_c.bucket, _c.key))

    def effective(self, source: str, partitions: Collection[str]) -> dict[str, list[Entry]]:
        """For each partition, ordered by key, the versions whose rows belong in bronze.

        That is each key's newest version that did not fail and is obtainable: loaded, or pending in
        the bucket. Its `previous` is the loaded version to fall back to; for a loaded one that is
        the version itself, since its object may vanish at any time and its rows are in bronze. An
        entry that is not `available` has its rows in bronze only. Partitions without any are left
        out; one whose keys have all moved elsewhere has an empty list.
        """
        found: dict[str, list[Entry]] = {}
        with self.database.read() as connection:
            for chunk in chunks(sorted(set(partitions))):
                here = sa.and_(_c.source == source, _c.partition.in_(chunk))
                leaving = sa.and_(_c.state == "moved", _c.bronze_version.is_not(None))
                stored = sa.or_(_c.state.in_(["loaded", "moving"]), leaving)
                can_be_had = sa.or_(stored, WAITING)
                query = sa.select(objects).where(here, can_be_had)
                rows = read_entries(connection, query.order_by(_c.partition, _c.key, _c.id))
                moving = [entry for entry in rows if entry.state == "moving"]
                places = stands_in(connection, moving) if moving else {}
                for (partition, key), alike in groupby(rows, lambda r: (r.partition, r.key)):
                    of_partition = found.setdefault(str(partition), [])
                    if entry := _effective(list(alike), places.get(key)):
                        of_partition.append(entry)
        return found

    def moving(self, source: str) -> list[str]:
        """The partitions that have to take rows over or to drop moved rows: see `moves`."""
        with self.database.read() as connection:
            return unfinished(connection, source)

    def left(self, source: str, partitions: Collection[str]) -> dict[str, list[int]]:
        """The ids of versions that moved out of each partition, whose files still have the rows."""
        with self.database.read() as connection:
            found = (left(connection, source, chunk) for chunk in chunks(sorted(partitions)))
            return {key: ids for each in found for key, ids in each.items()}

    def awaited(self, source: str, partitions: Collection[str]) -> dict[str, set[str]]:
        """The keys that moved out of each partition and are not yet in bronze elsewhere."""
        with self.database.read() as connection:
            found = (awaited(connection, source, chunk) for chunk in chunks(sorted(partitions)))
            return {key: keys for each in found for key, keys in each.items()}

    def digest(self, source: str, partitions: Collection[str]) -> dict[str, str]:
        """For each partition that has effective versions, their `digest_of`."""
        effective = self.effective(source, partitions)
        return {partition: digest_of(entries) for partition, entries in effective.items()}

    def accounted(self, source: str, partitions: Collection[str]) -> dict[str, int]:
        """The most rows that bronze can hold of the versions the source has loaded, by partition.

        Counts the loaded version of each key that has the most rows: after a rollback bronze may
        hold any of them.
        """
        found: Counter[str] = Counter()
        with self.database.read() as connection:
            for chunk in chunks(sorted(set(partitions))):
                query = sa.select(_c.partition, sa.func.max(_c.rows)).where(
                    _c.source == source,
                    _c.partition.in_(chunk),
                    _c.state.in_(["loaded", "moving", "moved"]),
                )
                for key, rows in connection.execute(query.group_by(_c.partition, _c.key)):
                    found[key] += rows or 0
        return found

    # What a person asks

    def summary(self, source: str | None = None) -> dict[State, int]:
        """Keys by the state of their latest version, zeros included."""
        query = sa.select(_c.state, sa.func.count()).where(_c.latest.is_(True))
        if source is not None:
            query = query.where(_c.source == source)
        with self.database.read() as connection:
            counted = {state: n for state, n in connection.execute(query.group_by(_c.state))}
        counted["loaded"] = counted.get("loaded", 0) + counted.get("moving", 0)
        return {state: counted.get(state, 0) for state in STATES}

    def failed(self, source: str | None = None) -> list[Entry]:
        """Keys whose latest version failed and is still in the bucket, with their errors."""
        query = sa.select(objects).where(_c.state == "failed", _PRESENT)
        if source is not None:
            query = query.where(_c.source == source)
        return self._entries(query.order_by(_c.bucket, _c.key))

    def open_objects(self) -> dict[tuple[str, State], tuple[int, datetime]]:
        """Keys that are pending, failed or unknown, by source ('' for unknown ones) and state: how
        many, and when the first of them was seen. Costs O(those)."""
        query = (
            sa.select(_c.source, _c.state, sa.func.count(), sa.func.min(_c.first_seen))
            .where(_c.state.in_(["pending", "failed", "unknown"]), _PRESENT)
            .group_by(_c.source, _c.state)
        )
        with self.database.read() as connection:
            rows = connection.execute(query)
            return {(source or "", state): (n, first) for source, state, n, first in rows}

    def unknown(self) -> list[Entry]:
        """Keys in the bucket that belong to no source; their `error` says why."""
        query = sa.select(objects).where(_c.state == "unknown", _PRESENT)
        return self._entries(query.order_by(_c.bucket, _c.key))

    def _entries(self, query: sa.Select[Any]) -> list[Entry]:
        with self.database.read() as connection:
            return read_entries(connection, query)


def _effective(versions: Sequence[Entry], place: str | None) -> Entry | None:
    """The effective one of a key's versions in a partition, oldest first; None if all moved."""
    here = [
        replace(entry, stands_in=place) if entry.state == "moving" else entry
        for entry in versions
        if entry.state != "moved"
    ]
    if not here:
        return None
    # A version loaded here beats one moving here, whichever was inserted first: see `moves`.
    here.sort(key=lambda entry: ("moving", "loaded", "pending").index(entry.state))
    stored = [entry for entry in here if entry.state != "pending"]
    return replace(here[-1], previous=stored[-1] if stored else None)
