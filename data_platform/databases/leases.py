"""Leases: which processes are still at work, on a database that several machines share.

A holder beats: it counts up a number in its row. Whoever needs to know looks at the rows from time
to time, and the row adds up for how long lookers saw no beat. Only the database's clock is read,
and of the time between two looks only a part counts: while the database is away nobody can beat,
and that must not end a lease.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import sqlalchemy as sa

from data_platform.databases.connections import Database
from data_platform.databases.fencing import LEASES, Lease

_ROW = LEASES.c
_NOW = sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float)
_EXPECTED = ""  # the holder of a lease that has yet to be taken
_EXPECTED_WITHIN = 600.0  # seconds: a container may have to be fetched first


class HeldLease(NamedTuple):
    """Who has, or had, which lease."""

    name: str
    epoch: int
    holder: str


@dataclass(frozen=True)
class Silent:
    """A lease whose holder has not beaten for its term."""

    name: str
    holder: str
    epoch: int
    beats: int


@dataclass(frozen=True)
class Leases:
    """The leases in a PostgreSQL database; those taken here end after `term` seconds without a
    beat.

    Every method raises DatabaseUnavailable if the database cannot be used.
    """

    uri: str
    term: float
    migrates: bool = True

    @cached_property
    def database(self) -> Database:
        """The database, migrated on first use if it `migrates`."""
        return Database(self.uri, migrates=self.migrates)

    @cached_property
    def _quick(self) -> Database:
        """The same for a holder: a beat that comes late is of no use."""
        return Database(self.uri, within=self.beats_every, migrates=self.migrates)

    @property
    def beats_every(self) -> float:
        """Seconds between two beats."""
        return self.term / 6

    def acquire(self, name: str, holder: str) -> Lease | None:
        """The lease, if nobody holds it."""
        with self.database.write() as connection:
            taken = sa.select(_ROW.epoch).where(_ROW.name == name)
            if connection.execute(taken).scalar() is not None:
                return None
            return self._new(connection, name, holder, self.term)

    def take(self, name: str, holder: str) -> Lease:
        """The lease; whoever had it has lost it."""
        with self.database.write() as connection:
            connection.execute(LEASES.delete().where(_ROW.name == name))
            return self._new(connection, name, holder, self.term)

    def known(self, name: str, epoch: int) -> Lease:
        """A lease that another process holds, for one that works for it."""
        return Lease(name, epoch, self._quick.engine.url, self._quick.beside)

    def beat(self, lease: Lease) -> bool:
        """Say that the holder is at work; returns whether it still has the lease."""
        beat = LEASES.update().where(_ROW.epoch == lease.epoch).values(beats=_ROW.beats + 1)
        with self._quick.beside() as connection:
            return connection.execute(beat).rowcount == 1

    def release(self, lease: Lease) -> None:
        """Give the lease up."""
        with self._quick.beside() as connection:
            connection.execute(LEASES.delete().where(_ROW.epoch == lease.epoch))

    def expect(self, names: Iterable[str]) -> None:
        """Note that these leases will be taken: they become silent if they are not, within ten
        minutes of looks."""
        with self.database.write() as connection:
            known = set(connection.execute(sa.select(_ROW.name)).scalars())
            for name in sorted(set(names) - known):
                self._new(connection, name, _EXPECTED, _EXPECTED_WITHIN)

    def holders(self, prefix: str) -> dict[str, str]:
        """Who holds the leases whose names begin so."""
        found = sa.select(_ROW.name, _ROW.holder).where(_of(prefix), _ROW.holder != _EXPECTED)
        with self.database.read() as connection:
            return {name: holder for name, holder in connection.execute(found)}

    def look(self, prefix: str) -> list[Silent]:
        """Look for beats at the leases whose names begin so; returns those that are silent.

        It takes at least three looks until one is, over its term; two for one without any beat.
        """
        since = sa.func.greatest(_NOW - _ROW.watched, 0.0)
        silent = _ROW.silent + sa.func.least(since, _ROW.term / 2)
        looked = (
            LEASES.update()
            .where(_of(prefix))
            .values(
                silent=sa.case((_ROW.beats != _ROW.seen, 0.0), else_=silent),
                seen=_ROW.beats,
                watched=_NOW,
            )
        )
        columns = _ROW.name, _ROW.holder, _ROW.epoch, _ROW.beats
        found = sa.select(*columns).where(_of(prefix), _ROW.silent >= _ROW.term).order_by(_ROW.name)
        with self.database.write() as connection:
            connection.execute(looked)
            return [Silent(*row) for row in connection.execute(found)]

    def end(self, silent: Silent) -> bool:
        """End a silent lease: its holder can write no more. False if it has beaten since, or was
        ended by another."""
        unheard = (_ROW.epoch == silent.epoch) & (_ROW.beats == silent.beats)
        with self.database.write() as connection:
            return connection.execute(LEASES.delete().where(unheard)).rowcount == 1

    def withdraw(self, leases: Collection[HeldLease]) -> None:
        """End leases whose holders are known to be gone.

        An epoch alone may be another's: each database counts for itself.
        """
        theirs = sa.tuple_(_ROW.name, _ROW.epoch, _ROW.holder).in_(leases)
        with self.database.write() as connection:
            connection.execute(LEASES.delete().where(theirs))

    def _new(self, connection: sa.Connection, name: str, holder: str, term: float) -> Lease:
        row = {"name": name, "holder": holder, "term": term, "beats": 0, "seen": 0, "silent": 0.0}
        added = LEASES.insert().values(**row, watched=_NOW).returning(_ROW.epoch)
        return self.known(name, connection.execute(added).scalar_one())


def _of(prefix: str) -> sa.ColumnElement[bool]:
    return _ROW.name.startswith(prefix, autoescape=True)
