"""What the sensors remember between ticks: the state in which a table had nothing to build."""

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter

import dagster as dg

from data_platform.assets import BronzeTable, Table
from data_platform.build.kinds import derived
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.tables.identity import TableId

# Dagster ends a tick after a minute. What a scan has found is kept, and the next tick goes on.
_LONGEST = 30  # seconds
_DIGITS = 12  # of a table's state: Dagster keeps the cursors of skipped ticks for a day
_NOTHING = "-"


class Scan:
    """A scan of tables for what is due, in one tick or in several.

    `states` has a text for each table, which changes when there may be something new to build. The
    cursor, read as `words`, keeps the states in which there was nothing to build (`settled`). Until
    the scan is complete, it also keeps which tables the scan has reached: otherwise those that
    fail, wait for their next try or change all the time would take each tick, and the others would
    never be planned.
    """

    def __init__(self, cursor: str | None, states: Mapping[TableId, str]) -> None:
        self.words = frozenset((cursor or "").split())
        self.states = states
        self.settled = set(states.values()) & self.words
        self._earlier = {table for table in states if _scanned(table) in self.words}
        self._reached: set[TableId] = set()
        self._asked: Collection[TableId] = ()
        self._began = time.monotonic()

    def is_settled(self, table: TableId) -> bool:
        """Whether there was nothing to build of the table in this state."""
        return self.states[table] in self.settled

    def rest(self, tables: Collection[TableId]) -> Collection[TableId]:
        """Those of the tables to scan that earlier ticks have not reached; all of them if the scan
        is complete, and a new one begins."""
        rest = [table for table in tables if table not in self._earlier]
        if not rest:
            self._earlier.clear()
        self._asked = rest or tables
        return self._asked

    def reaches(self, table: Table) -> bool:
        """Whether there is time to plan this table, too. There always is for the first of a tick,
        so that every tick makes progress."""
        if self._reached and time.monotonic() - self._began > _LONGEST:
            return False
        self._reached.add(table.id)
        return True

    def planned(self, plan: Plan) -> None:
        """Settle the table if there is nothing to build."""
        # Not one with something to build: a requested run may fail and change no table, and neither
        # does waiting for the next try.
        if not plan.keys:
            self.settled.add(self.states[plan.table.id])

    @property
    def is_complete(self) -> bool:
        """Whether this tick has reached the last of the tables."""
        return self._reached.issuperset(self._asked)

    @property
    def progress(self) -> list[str]:
        """A line that says how far a scan has come that takes several ticks."""
        if self.is_complete and not self._earlier:
            return []
        then = "a new scan starts" if self.is_complete else "the next tick continues"
        done = len(self._earlier | self._reached)
        return [f"scanned {done} of {len({*self._earlier, *self._asked})} tables; {then}"]

    def cursor(self, *more: str) -> str:
        """The cursor for the next tick, with `more` words; never empty, since Dagster would keep
        the one before."""
        words = {*more, *self.settled}
        if not self.is_complete:
            reached = self._earlier | self._reached
            words |= {_scanned(table) for table in reached if not self.is_settled(table)}
        return " ".join(sorted(words)) or _NOTHING


def _scanned(table: TableId) -> str:
    return f"+{digest([table])}"


def states_of_derived(platform: Platform, tables: Sequence[Table]) -> dict[TableId, str]:
    """A text for each table that is computed from others. It changes with each publication of the
    table or an input, with the table's declaration and partitions, and with its attempts in the
    register of builds."""
    computed = derived(tables)
    read = {table.id: sorted({table.id, *table.inputs.values()}) for table in computed}
    files = platform.lake.metadata_locations({each for found in read.values() for each in found})
    changes = platform.builds.changes()
    states: dict[TableId, str] = {}
    for table in computed:
        own = [table.id, table.version, *extent(table.partitions)]
        own.append(changes.get(str(table.id), 0))
        states[table.id] = digest([*own, *(files[each] for each in read[table.id])])
    return states


def extent(partitions: dg.PartitionsDefinition | None) -> Iterable[object]:
    """What changes with the partitions of a table. Those of a time window are not listed: ten years
    of days take milliseconds for each table."""
    match partitions:
        case None:
            return ()
        case dg.MultiPartitionsDefinition():
            of = sorted(partitions.partitions_defs, key=attrgetter("name"))
            return [part for each in of for part in (each.name, *extent(each.partitions_def))]
        case dg.TimeWindowPartitionsDefinition():
            ends = partitions.get_first_partition_key(), partitions.get_last_partition_key()
            return (partitions.get_num_partitions(), *ends)
    return partitions.get_partition_keys()


def states_of_landed(platform: Platform, bronze: Sequence[BronzeTable]) -> dict[TableId, str]:
    """A text for each bronze table. It changes with the table's declaration, and with its attempts
    in the register of builds."""
    changes = platform.builds.changes()
    return {t.id: digest([t.id, t.version, changes.get(str(t.id), 0)]) for t in bronze}


def digest(parts: Iterable[object]) -> str:
    """A short text that changes with the parts."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:_DIGITS]
