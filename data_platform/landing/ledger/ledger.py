"""The ledger: records every object version that ever landed, and its state.

A row is a version of a key. It begins `pending` (or `unknown`, if its key matches no source) and
ends `loaded` or `failed`; no row is ever deleted. One version of each key is the latest; one that
its bucket no longer lists has `vanished`. Every public method is one transaction (`record` uses one
per few hundred objects), so a killed process leaves nothing half written. This module has the
methods that change the ledger; queries are in `reads`.
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

AT_ONCE = 50_000  # new objects of one listing that are sorted by landing time together: 15 MB

_c = objects.c
_LOADED = {"state": "loaded", "error": None}
_UNSETTLED = _c.state == "unsettled"


class Ledger(LedgerReads):
    """The ledger in the database at an SQLAlchemy URL, `sqlite:////home/ledger.db`.

    `busy_timeout` in seconds: how long a writer waits for another. Every method raises
    DatabaseUnavailable if the database cannot be used; its transaction then changed nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout: float = 30.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        migrates: bool = True,
    ) -> None:
        super().__init__(Database(url, wait=busy_timeout, migrates=migrates))
        self._clock = clock

    # What landed

    def record(
        self,
        listing: Iterable[LandedObject],
        bucket: Bucket,
        sources: Sequence[Source],
        now: datetime,
    ) -> Recorded:
        """Record the objects of the listing that the ledger does not know, in the order in which
        they landed.

        Costs O(listing). An object without etag is read, to hash it, only if its key is new, or
        its size or modification time differs from what the ledger has.
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
                    # Compare again under the write lock: another tick may have recorded meanwhile.
                    known = latest_of(connection, bucket.name, [landed.key for landed in seen])
                    changes = compare(seen, found, known, bucket.name, sources, now)
                    arrive(changes.insert, after=last_arrival(connection))
                    _apply(connection, changes, now)
            recorded += changes.recorded
        return recorded

    def move(
        self, sources: Sequence[Source], now: datetime, *, states: Sequence[State] = ("pending",)
    ) -> Recorded:
        """Move the keys in these states to the partitions that their sources declare now.

        Costs O(keys in these states). Call it after `settle`, which marks what was published.
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

    def mark_vanished(self, ids: Iterable[int]) -> None:
        """Mark versions that are no longer in their bucket; rows of loaded ones stay in bronze."""
        now = self._clock()
        self._change({id: {"vanished": now} for id in ids})

    # What became of it

    def mark_loaded(self, rows: Mapping[int, int], run_id: str, bronze_version: str) -> None:
        """Mark object versions (id to number of rows) as loaded in `bronze_version`.

        Rows of one that was moved or forgotten while it was read have to be removed again.
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
        """Mark pending versions as about to be published in `bronze_version`; `settle` finds out
        whether they were. A loaded version keeps its state: `bronze_version` may never be
        published.
        """
        prepared = {
            id: {"bronze_version": bronze_version, "rows": count} for id, count in rows.items()
        }
        self._change(prepared, sa.or_(_c.state == "pending", _c.state == "moving"))

    def settle(self, source: str, published: Mapping[str, str]) -> None:
        """Mark as loaded what a killed run had prepared and published. `published` maps a partition
        to its version. Without this, an object that vanishes between the kill and the next run
        would be neither loaded nor there to load.
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
        """Finish the moves of these object versions: their partitions were published as
        `bronze_version`, without the rows that moved out. A moving one that was not loaded itself
        was replaced by a newer object version.

        The rows of one that moved again since `bronze_version` was read are still in its files.
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
        """Mark versions that cannot be read as declared (id to error); they are not tried again
        until `reopen`."""
        failed = {"state": "failed", "run_id": run_id, "declaration": declaration}
        self._change({id: {**failed, "error": why} for id, why in errors.items()})

    def note_errors(self, errors: Mapping[int, str], run_id: str) -> None:
        """Record why this run could not read these versions (id to error); they stay pending.

        Counts one attempt per run, however often the run retries its step. A run that fails for
        another reason (a full disk, a lost session) counts no attempt.
        """
        counted = sa.case((_c.run_id == run_id, _c.attempts), else_=_c.attempts + 1)
        noted = {id: {"error": why} for id, why in errors.items()}
        self._change(noted, _c.state == "pending", attempts=counted, run_id=run_id)

    def give_up(self, source: str, *, attempts: int, declaration: str | None = None) -> None:
        """Mark as failed what is still pending after so many attempts that could not read it."""
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

        Applies to latest versions only, of keys that have a source and are not pending already.
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
        """Batches of objects that may have to be recorded, in landing order within about AT_ONCE
        objects, each with the number of unchanged objects listed with them. Reads no object."""
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
        """Forget keys, given the ids of their latest versions: the next run removes their rows from
        bronze. The ledger still knows them, so a listing does not bring them back; new content or
        `reopen` does.
        """
        with self.database.write() as connection:
            for chunk in chunks(ids):
                forget(connection, chunk, self._clock())

    def unload(self, source: str, partitions: Collection[str] | None = None) -> None:
        """Record that the rows of these partitions (None: of all) are no longer in bronze.

        Objects still in the bucket become pending again; the others become failed.
        """
        with self.database.write() as connection:
            for chunk in [None] if partitions is None else chunks(partitions):
                unload(connection, source, chunk, self._clock())

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
