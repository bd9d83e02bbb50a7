"""The ledger: every object version that ever landed, and what became of it.

A row is a version of a key. It begins `pending` (or `unknown`, if its key matches no source) and
ends `loaded` or `failed`; no row is ever deleted. One version of each key is the latest; what its
bucket does not list any more has `vanished`. Every public method is one transaction, `record`
one for each few hundred objects, so a process that is killed leaves nothing half written. Here is
what changes the ledger; what it is asked is in `reads`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from data_platform.databases.chunks import chunks
from data_platform.databases.connections import Database
from data_platform.landing.ledger.moves import follow, forget, leave, moves, unload
from data_platform.landing.ledger.reads import WAITING, LedgerReads
from data_platform.landing.ledger.recording import (
    Changes,
    Recorded,
    again,
    arrive,
    compare,
    has_to_be_read,
    landing_order,
    versions,
)
from data_platform.landing.ledger.tables import (
    State,
    drop_superseded,
    insert_latest,
    last_arrival,
    latest_of,
    objects,
    read_entries,
    update_by_id,
)
from data_platform.landing.places.objects import Bucket, LandedObject
from data_platform.landing.source import Source

AT_ONCE = 50_000  # new objects of one listing that are ordered by when they landed: 15 MB

_c = objects.c
_LOADED = {"state": "loaded", "error": None}
_UNSETTLED = _c.state == "unsettled"


class Ledger(LedgerReads):
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
        super().__init__(Database(url, wait=busy_timeout))
        self._clock = clock

    # What landed

    def record(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Recorded:
        """Write down what the listing shows and the ledger does not know, in the order in which it
        landed.

        Costs as much as the listing is long. An object without etag is read, to hash it, only if
        its key is new, or its size or modification time is not what the ledger last saw.
        """
        recorded = Recorded()
        for news, unchanged in self._news(listing, bucket, sources, now):
            recorded += Recorded(unchanged=unchanged)
            recorded += self._recorded(news, bucket, sources, now)
        return recorded

    def _recorded(
        self,
        news: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Recorded:
        recorded = Recorded()
        for seen, found, changes in self._compared(news, bucket, sources, now):
            if changes.any:
                with self.database.write() as connection:
                    # Again, now that nobody else can write: another tick may have been here.
                    known = latest_of(connection, bucket.name, [landed.key for landed in seen])
                    changes = compare(seen, found, known, bucket.name, sources, now)
                    arrive(changes.insert, after=last_arrival(connection))
                    _apply(connection, changes, now)
            recorded += changes.recorded
        return recorded

    def move(
        self, sources: Sequence[Source], now: datetime, *, states: Sequence[State] = ("pending",)
    ) -> Recorded:
        """Give the keys in these states the partitions that their declarations name by now.

        Costs as much as there is in these states. After `settle`: what is published has to be
        known as such.
        """
        recorded = Recorded()
        query = sa.select(_c.id).where(
            _c.state.in_(states),
            _c.latest.is_(True),
            _c.source.in_([source.name for source in sources]),
        )
        with self.database.read() as connection:
            found = list(connection.execute(query).scalars())
        for chunk in chunks(found):
            of_chunk = sa.select(objects).where(_c.id.in_(chunk), _c.latest.is_(True))
            if moves(self._entries(of_chunk), sources, now).any:
                with self.database.write() as connection:
                    changes = moves(read_entries(connection, of_chunk), sources, now)
                    _apply(connection, changes, now)
                recorded += changes.recorded
        return recorded

    def differing(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> set[str]:
        """The keys of which `record` would write something down; nothing is."""
        compared = self._compared(listing, bucket, sources, now)
        return {key for *_, changes in compared for key in changes.keys}

    def mark_vanished(self, ids: Iterable[int]) -> None:
        """These versions are not in their bucket any more; rows of loaded ones stay in bronze."""
        now = self._clock()
        self._change({id: {"vanished": now} for id in ids})

    # What became of it

    def mark_loaded(self, rows: Mapping[int, int], run_id: str, bronze_version: str) -> None:
        """The rows of these object versions, a number by id, are in `bronze_version`.

        Of one that was moved or forgotten while it was read, they have to leave it again.
        """
        held = {
            id: {"run_id": run_id, "bronze_version": bronze_version, "rows": n}
            for id, n in rows.items()
        }
        with self.database.write() as connection:
            now = self._clock()
            update_by_id(connection, held, updated=now)
            update_by_id(connection, {id: {"state": "moved"} for id in rows}, _UNSETTLED)
            update_by_id(connection, {id: _LOADED for id in rows}, _c.state != "moved")
            for chunk in chunks(rows):
                follow(connection, chunk, now)
                drop_superseded(connection, chunk, now)

    def prepare(self, rows: Mapping[int, int], bronze_version: str) -> None:
        """Those that wait are about to be published in `bronze_version`; `settle` learns whether.

        A loaded version stays as it is: the attempt may never be published.
        """
        prepared = {
            id: {"bronze_version": bronze_version, "rows": count} for id, count in rows.items()
        }
        self._change(prepared, sa.or_(_c.state == "pending", _c.state == "moving"))

    def settle(self, source: str, published: Mapping[str, str]) -> None:
        """Mark as loaded what a killed run had prepared and published, by partition and attempt.

        Without it, an object that goes away between the kill and the next run would be neither
        loaded nor there to load.
        """
        with self.database.write() as connection:
            for chunk in chunks(sorted(published.items())):
                here = sa.and_(
                    _c.source == source, sa.tuple_(_c.partition, _c.bronze_version).in_(chunk)
                )
                connection.execute(sa.update(objects).where(_UNSETTLED, here).values(state="moved"))
                prepared = sa.and_(_c.state.in_(["pending", "moving"]), here)
                ids = list(connection.execute(sa.select(_c.id).where(prepared)).scalars())
                update_by_id(connection, {id: _LOADED for id in ids})
                for some in chunks(ids):
                    follow(connection, some, self._clock())
                    drop_superseded(connection, some, self._clock())

    def finish_moves(self, ids: Collection[int], bronze_version: str | None = None) -> None:
        """The partitions of these were published as `bronze_version`: what moved out is gone, and
        what was moving is replaced by a newer object version where it was not loaded itself.

        What moved on since that version was read is in its files.
        """
        done = {id: {"state": "moved", "bronze_version": None} for id in ids}
        gone = sa.and_(
            _c.state == "moved",
            _c.bronze_version != bronze_version if bronze_version else sa.true(),
        )
        self._change(done, sa.or_(_c.state == "moving", gone))

    def mark_failed(
        self, errors: Mapping[int, str], run_id: str | None = None, declaration: str | None = None
    ) -> None:
        """These versions cannot be read as they are declared, an error by id; they are not tried
        again until `reopen`."""
        failed = {"state": "failed", "run_id": run_id, "declaration": declaration}
        self._change({id: {**failed, "error": why} for id, why in errors.items()})

    def note_errors(self, errors: Mapping[int, str], run_id: str) -> None:
        """What kept this run from reading them, an error by id: they wait for another attempt.

        Only this counts an attempt, one for each run, however often the run repeats its step. A
        run that fails for a reason of its own (a full disk, a lost session) counts for none.
        """
        counted = sa.case((_c.run_id == run_id, _c.attempts), else_=_c.attempts + 1)
        noted = {id: {"error": why} for id, why in errors.items()}
        self._change(noted, _c.state == "pending", attempts=counted, run_id=run_id)

    def give_up(self, source: str, *, attempts: int, declaration: str | None = None) -> None:
        """Fail what is still pending after so many attempts that ended in an error of its own."""
        tired = sa.and_(WAITING, _c.source == source, _c.attempts >= attempts)
        count, beginning = sa.cast(_c.attempts, sa.String), sa.literal("given up after ")
        error = beginning + count + " attempts, the last error: " + _c.error
        failed = {"state": "failed", "error": error, "declaration": declaration}
        with self.database.write() as connection:
            connection.execute(
                sa.update(objects)
                .where(tired, _c.error.is_not(None))
                .values({**failed, "updated": self._clock()})
            )

    def reopen(self, ids: Iterable[int]) -> None:
        """Try the same bytes again, as new versions: for failures whose cause is fixed.

        Only the latest version of a key that has a source, and does not wait already.
        """
        with self.database.write() as connection:
            for chunk in chunks(ids):
                reopened = sa.and_(
                    _c.id.in_(chunk),
                    _c.latest.is_(True),
                    _c.state.in_(["failed", "loaded", "forgotten"]),
                )
                found = read_entries(connection, sa.select(objects).where(reopened))
                insert_latest(connection, [again(entry, self._clock()) for entry in found])

    def _news(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Iterator[tuple[list[LandedObject], int]]:
        """What may have to be written down, as it landed, at most some AT_ONCE objects together,
        and the number of the others that were listed with them. No object is read."""
        news: dict[str, LandedObject] = {}
        unchanged = 0
        for chunk in chunks(listing):
            seen = {landed.key: landed for landed in chunk}
            with self.database.read() as connection:
                known = latest_of(connection, bucket.name, seen)
            unsure = {key for key, one in seen.items() if has_to_be_read(one, known.get(key))}
            sure = [one for key, one in seen.items() if key not in unsure]
            found = versions(sure, known, bucket)
            changes = compare(sure, found, known, bucket.name, sources, now)
            news |= {key: seen[key] for key in (*unsure, *changes.keys)}
            unchanged += len(sure) - len(changes.keys)
            if len(news) >= AT_ONCE:
                yield sorted(news.values(), key=landing_order), unchanged
                news, unchanged = {}, 0
        yield sorted(news.values(), key=landing_order), unchanged

    def forget(self, ids: Iterable[int]) -> None:
        """Do without these keys, latest versions of theirs: what bronze has of them leaves it with
        the next run.

        They stay known, so that a listing does not bring them back; other content does, and
        `reopen`.
        """
        with self.database.write() as connection:
            for chunk in chunks(ids):
                forget(connection, chunk, self._clock())

    def unload(self, source: str, partitions: Collection[str] | None = None) -> None:
        """The rows of these partitions (None: of all) are not in bronze any more.

        What the bucket still holds waits to be loaded again; what it does not is failed.
        """
        with self.database.write() as connection:
            for chunk in [None] if partitions is None else chunks(partitions):
                unload(connection, source, chunk, self._clock())

    def _compared(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Iterator[tuple[Collection[LandedObject], dict[str, str], Changes]]:
        """By some hundred objects: them, their versions, and how the ledger differs."""
        for chunk in chunks(listing):
            seen = {landed.key: landed for landed in chunk}.values()
            with self.database.read() as connection:
                known = latest_of(connection, bucket.name, [landed.key for landed in seen])
            found = versions(seen, known, bucket)
            yield seen, found, compare(seen, found, known, bucket.name, sources, now)

    def _change(
        self,
        columns: Mapping[int, Mapping[str, Any]],
        *only: sa.ColumnElement[bool],
        **same: Any,
    ) -> None:
        if columns:
            with self.database.write() as connection:
                update_by_id(connection, columns, *only, updated=self._clock(), **same)


def _apply(connection: sa.Connection, changes: Changes, now: datetime) -> None:
    if changes.moved:
        leave(connection, changes.moved, now)
    insert_latest(connection, changes.insert)
    update_by_id(connection, changes.update)
