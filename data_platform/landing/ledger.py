"""The ledger: every object version that ever landed, and what became of it.

A row is a version of a key. It begins `pending` (or `unknown`, if its key matches no source) and
ends `loaded` or `failed`; no row is ever deleted. One version of each key is the latest; what its
bucket does not list any more has `vanished`. Every public method is one transaction, `record`
one for each few hundred objects, so a process that is killed leaves nothing half written.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any, TypeVar

import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.landing.ledger_tables import (
    STATES,
    Entry,
    State,
    digest_of,
    insert_latest,
    objects,
    read_entries,
    update_by_id,
)
from data_platform.landing.objects import Bucket, LandedObject
from data_platform.landing.recording import Changes, Recorded, again, compare, versions
from data_platform.landing.source import Source

CHUNK = 500  # values in one IN: databases limit them, and write locks should be short

_T = TypeVar("_T")
_c = objects.c
_WAITING = sa.and_(_c.state == "pending", _c.latest.is_(True), _c.vanished.is_(None))


class Ledger:
    """The ledger in the database at an SQLAlchemy URL, `sqlite:////home/ledger.db`.

    `busy_timeout` in seconds: how long a writer waits for another. DatabaseUnavailable from every
    method if the database cannot be used; its transaction then changed nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout: float = 30.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.database = Database(url, wait=busy_timeout)
        self._clock = clock

    # What landed

    def record(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Recorded:
        """Write down what the listing shows and the ledger does not know.

        Costs as much as the listing is long. An object without etag is read, to hash it, only if
        its key is new, or its size or modification time is not what the ledger last saw.
        """
        recorded = Recorded()
        for seen, found, changes in self._compared(listing, bucket, sources, now):
            if changes.any:
                with self.database.write() as connection:
                    # Again, now that nobody else can write: another tick may have been here.
                    known = _latest(connection, bucket.name, seen)
                    changes = compare(seen, found, known, bucket.name, sources, now)
                    insert_latest(connection, changes.insert)
                    update_by_id(connection, changes.update)
            recorded += changes.recorded
        return recorded

    def preview(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Recorded:
        """What `record` would write down; nothing is."""
        compared = self._compared(listing, bucket, sources, now)
        return sum((changes.recorded for *_, changes in compared), Recorded())

    def mark_vanished(self, ids: Iterable[int]) -> None:
        """These versions are not in their bucket any more; rows of loaded ones stay in bronze."""
        now = self._clock()
        self._change({id: {"vanished": now} for id in ids})

    def present(
        self, bucket: str, keys: Collection[str] | None = None, *, until: datetime | None = None
    ) -> dict[str, int]:
        """The ids of all keys, or of `keys`, that are not known to have vanished; where `until` is
        given, of those whose latest content landed before.

        Costs O(ledger), or O(keys).
        """
        query = sa.select(_c.key, _c.id).where(
            _c.bucket == bucket, _c.latest.is_(True), _c.vanished.is_(None)
        )
        if until is not None:
            query = query.where(_c.modified < until)
        chunks = [query] if keys is None else [query.where(_c.key.in_(c)) for c in _chunks(keys)]
        with self.database.read() as connection:
            return {key: id for each in chunks for key, id in connection.execute(each)}

    def newest(self, source: str) -> Entry | None:
        """An entry of the source's greatest partition, None if nothing landed yet."""
        order = (_c.partition.desc(), _c.key.desc(), _c.id.desc())
        found = self._entries(
            sa.select(objects).where(_c.source == source).order_by(*order).limit(1)
        )
        return found[0] if found else None

    # What to load

    def pending(self, source: str) -> list[Entry]:
        """What waits to be loaded, by partition and key."""
        query = sa.select(objects).where(_WAITING, _c.source == source)
        return self._entries(query.order_by(_c.partition, _c.key))

    def effective(self, source: str, partitions: Collection[str]) -> dict[str, list[Entry]]:
        """For each partition, by key, the versions whose rows belong in bronze.

        Of each key the newest version that did not fail and can be had: it is loaded, or it waits
        in the bucket. Its `previous` is the loaded version to fall back to, for a loaded one that
        one itself: its object may go at any time, and its rows are in bronze. An entry that is
        not `available` has its rows in bronze only. Partitions without any are left out.
        """
        found: dict[str, list[Entry]] = {}
        with self.database.read() as connection:
            for chunk in _chunks(sorted(set(partitions))):
                can_be_had = sa.or_(_c.state == "loaded", _WAITING)
                query = sa.select(objects).where(
                    _c.source == source, _c.partition.in_(chunk), can_be_had
                )
                rows = read_entries(connection, query.order_by(_c.partition, _c.key, _c.id))
                for (partition, _), alike in groupby(rows, lambda row: (row.partition, row.key)):
                    versions_of_key = list(alike)
                    newest = versions_of_key[-1]
                    loaded = [entry for entry in versions_of_key if entry.state == "loaded"]
                    entry = replace(newest, previous=loaded[-1] if loaded else None)
                    found.setdefault(str(partition), []).append(entry)
        return found

    def digest(self, source: str, partitions: Collection[str]) -> dict[str, str]:
        """The `digest_of` the effective versions of each partition that has any."""
        effective = self.effective(source, partitions)
        return {partition: digest_of(entries) for partition, entries in effective.items()}

    def accounted(self, source: str, partitions: Collection[str]) -> dict[str, int]:
        """The most rows that bronze can hold of the versions the source has loaded.

        For each partition the rows of, by key, the loaded version that has most: after a rollback
        bronze may hold any of them.
        """
        found: Counter[str] = Counter()
        with self.database.read() as connection:
            for chunk in _chunks(sorted(set(partitions))):
                query = sa.select(_c.partition, sa.func.max(_c.rows)).where(
                    _c.source == source, _c.partition.in_(chunk), _c.state == "loaded"
                )
                for key, rows in connection.execute(query.group_by(_c.partition, _c.key)):
                    found[key] += rows or 0
        return found

    # What became of it

    def mark_loaded(self, rows: Mapping[int, int], run_id: str, load_id: str) -> None:
        """The rows of these versions, a number by id, are in bronze's attempt `load_id`."""
        loaded = {"state": "loaded", "error": None, "run_id": run_id, "load_id": load_id}
        self._change({id: {**loaded, "rows": count} for id, count in rows.items()})

    def prepare(self, rows: Mapping[int, int], load_id: str) -> None:
        """Those that wait are about to be published in `load_id`; `settle` learns whether.

        A loaded version stays as it is: the attempt may never be published.
        """
        prepared = {id: {"load_id": load_id, "rows": count} for id, count in rows.items()}
        self._change(prepared, _c.state == "pending")

    def settle(self, source: str, published: Mapping[str, str]) -> None:
        """Mark as loaded what a killed run had prepared and published, by partition and attempt.

        Without it, an object that goes away between the kill and the next run would be neither
        loaded nor there to load.
        """
        with self.database.write() as connection:
            for chunk in _chunks(sorted(published.items())):
                prepared = sa.and_(
                    _c.source == source,
                    _c.state == "pending",
                    sa.tuple_(_c.partition, _c.load_id).in_(chunk),
                )
                connection.execute(
                    sa.update(objects).where(prepared).values(state="loaded", error=None)
                )

    def mark_failed(self, errors: Mapping[int, str]) -> None:
        """These versions cannot be read, an error by id; they are not tried again."""
        self._change({id: {"state": "failed", "error": why} for id, why in errors.items()})

    def note_errors(self, errors: Mapping[int, str], run_id: str) -> None:
        """What kept this run from reading them, an error by id: they wait for another attempt.

        Only this counts an attempt, one for each run, however often the run repeats its step. A
        run that fails for a reason of its own (a full disk, a lost session) counts for none.
        """
        counted = sa.case((_c.run_id == run_id, _c.attempts), else_=_c.attempts + 1)
        noted = {id: {"error": why} for id, why in errors.items()}
        self._change(noted, _c.state == "pending", attempts=counted, run_id=run_id)

    def give_up(self, source: str, *, attempts: int) -> None:
        """Fail what is still pending after so many attempts that ended in an error of its own."""
        tired = sa.and_(_WAITING, _c.source == source, _c.attempts >= attempts)
        count, beginning = sa.cast(_c.attempts, sa.String), sa.literal("given up after ")
        error = beginning + count + " attempts, the last error: " + _c.error
        failed = {"state": "failed", "error": error, "updated": self._clock()}
        with self.database.write() as connection:
            connection.execute(
                sa.update(objects).where(tired, _c.error.is_not(None)).values(failed)
            )

    def reopen(self, ids: Iterable[int]) -> None:
        """Try the same bytes again, as new versions: for failures whose cause is mended.

        Only the latest version of a key that has a source, and does not wait already.
        """
        with self.database.write() as connection:
            for chunk in _chunks(ids):
                reopened = sa.and_(
                    _c.id.in_(chunk), _c.latest.is_(True), _c.state.in_(["failed", "loaded"])
                )
                found = read_entries(connection, sa.select(objects).where(reopened))
                insert_latest(connection, [again(entry, self._clock()) for entry in found])

    # What a person asks

    def summary(self, source: str | None = None) -> dict[State, int]:
        """Keys by the state of their latest version, zeros included."""
        query = sa.select(_c.state, sa.func.count()).where(_c.latest.is_(True))
        if source is not None:
            query = query.where(_c.source == source)
        with self.database.read() as connection:
            counted = {state: n for state, n in connection.execute(query.group_by(_c.state))}
        return {state: counted.get(state, 0) for state in STATES}

    def failed(self, source: str | None = None) -> list[Entry]:
        """Keys whose latest version failed, with their errors."""
        query = sa.select(objects).where(_c.state == "failed", _c.latest.is_(True))
        if source is not None:
            query = query.where(_c.source == source)
        return self._entries(query.order_by(_c.bucket, _c.key))

    def unknown(self) -> list[Entry]:
        """Keys that belong to no source and are still there; their `error` says why."""
        query = sa.select(objects).where(
            _c.state == "unknown", _c.latest.is_(True), _c.vanished.is_(None)
        )
        return self._entries(query.order_by(_c.bucket, _c.key))

    def partitions(self, source: str) -> list[str]:
        """All partitions for which an object of the source ever landed; costs O(ledger)."""
        query = sa.select(_c.partition).where(_c.source == source).distinct()
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(_c.partition)).scalars())

    def _compared(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Iterator[tuple[Collection[LandedObject], dict[str, str], Changes]]:
        """By some hundred objects: them, their versions, and how the ledger differs."""
        for chunk in _chunks(listing):
            seen = {landed.key: landed for landed in chunk}.values()
            with self.database.read() as connection:
                known = _latest(connection, bucket.name, seen)
            found = versions(seen, known, bucket)
            yield seen, found, compare(seen, found, known, bucket.name, sources, now)

    def _entries(self, query: sa.Select[Any]) -> list[Entry]:
        with self.database.read() as connection:
            return read_entries(connection, query)

    def _change(
        self,
        columns: Mapping[int, Mapping[str, Any]],
        *only: sa.ColumnElement[bool],
        **same: Any,
    ) -> None:
        if columns:
            with self.database.write() as connection:
                update_by_id(connection, columns, *only, updated=self._clock(), **same)


def _latest(
    connection: sa.Connection, bucket: str, listed: Collection[LandedObject]
) -> dict[str, Entry]:
    query = sa.select(objects).where(
        _c.bucket == bucket, _c.latest.is_(True), _c.key.in_([landed.key for landed in listed])
    )
    return {entry.key: entry for entry in read_entries(connection, query)}


def _chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    remaining = iter(values)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
