"""Call a table's function so that each partition sees only its own inputs.

The function is called once for all partitions of a run if that gives the same rows as a call for
each: its plan proves it (`quality.locality`), all partitions read the same, or the table declares
it (`whole_range`, which `whole_range.py` verifies). Otherwise it is called for each partition, and
the results of several calls are united into one job.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import JudgedTable
from data_platform.build.event_rows import by_event_time, counts
from data_platform.build.function import call_function
from data_platform.build.placement import (
    among,
    counts_for_first,
    first_of,
    is_own,
    others,
    placed,
    values_of,
)
from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.engine.logical_plan import Node, marked
from data_platform.engine.plan_reading import analyzed
from data_platform.engine.pyspark_internals import jobs_run
from data_platform.engine.shuffles import without_adaptive
from data_platform.lake.reads import ReadPlan
from data_platform.quality.locality import Input, Proof, proof, row_by_row
from data_platform.quality.mapping import EventTime
from data_platform.quality.windows import (
    EventWindow,
    event_windows,
    is_dimension,
    span_of,
    zone_of,
)
from data_platform.tables.calendars import Calendar
from data_platform.tables.columns import RECEIVED
from data_platform.tables.identity import Partitioning

# Calls in one job: the plans of a few hundred would not fit into the driver's memory.
TOGETHER = 32

Prepare = Callable[[DataFrame], DataFrame]
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Result:
    """A function's rows for some partitions, with a place (see `placement`) unless every row is
    known to name the partition it was built for. `shared`: rows of other partitions count for every
    partition. Without `placed`, a row that names no partition cannot be assigned to one: if
    there is such a row, the result must be discarded and each partition computed by its own call.
    Without `adaptive`, its job has to run `without_adaptive`.
    """

    frame: DataFrame
    shared: bool = False
    placed: bool = True
    adaptive: bool = True


@dataclass(frozen=True)
class Calls:
    """A table's function over the inputs of a plan; `prepare` is applied to each input."""

    table: JudgedTable
    plan: Plan
    platform: Platform
    spark: SparkSession
    prepare: Prepare
    reads: Callable[[str, Iterable[str]], ReadPlan]

    @staticmethod
    def of(
        table: JudgedTable, plan: Plan, platform: Platform, spark: SparkSession, prepare: Prepare
    ) -> "Calls":
        """The calls for a plan, with the inputs that it looked up."""
        loaded = {name: platform.lake.load(of) for name, of in table.inputs.items()}

        def reads(name: str, keys: Iterable[str]) -> ReadPlan:
            of = sorted({upstream for key in keys for upstream in plan.reads[name][key]})
            files = chain.from_iterable(plan.inputs[name].files[upstream] for upstream in of)
            return ReadPlan.of(loaded[name], files)

        return Calls(table, plan, platform, spark, prepare, reads)

    @property
    def partitioning(self) -> Partitioning:
        """The table's partition columns."""
        return self.table.partitioning

    def results(self) -> Iterator[Result]:
        """The rows for all partitions of the plan, one result per Spark job."""
        inner, edges = self._parted()
        left = self.plan.keys
        if inner and self._needs_one_call(inner) and (result := self._once(inner)):
            yield result
            left = edges
        yield from self.each(left)

    def each(self, keys: Sequence[str] | None = None) -> Iterator[Result]:
        """The rows for these partitions (None: for all), from one call for each."""
        keys = self.plan.keys if keys is None else keys
        for first in range(0, len(keys), TOGETHER):
            frame = united([self.alone(key) for key in keys[first : first + TOGETHER]])
            yield Result(frame, adaptive=len(keys) == 1)

    def alone(self, key: str) -> DataFrame:
        """The rows of a call for one partition, with their places."""
        return self._placed_alone(key, self._call([key]))

    def _needs_one_call(self, keys: Sequence[str]) -> bool:
        whole = self.table.whole_range or not self.table.takes_partitions
        return len(keys) == 1 or whole

    def _parted(self) -> tuple[list[str], list[str]]:
        """The plan's partitions, split off those that also get rows of no partition: their rows
        need not name them."""
        edges = [
            key for key in self.plan.keys if key in self.windows and self.windows[key].is_first
        ]
        return [key for key in self.plan.keys if key not in edges], edges

    @cached_property
    def windows(self) -> Mapping[str, EventWindow]:
        """The time window of each partition; empty if no input is read by event time."""
        if not any(isinstance(self.table.how(name), EventTime) for name in self.table.inputs):
            return {}
        assert self.table.partitions
        keys, calendar = (
            self.table.partitions.get_partition_keys(),
            Calendar.of(self.table.partitions),
        )
        return event_windows(self.partitioning, keys, calendar.end if calendar else None)

    def _once(self, keys: Sequence[str]) -> Result | None:
        """The rows of one call for all; None if a partition may see rows of another."""
        frames = self._frames(keys)
        inputs: dict[str, Input] = {n: self._input(n, keys, frames[n]) for n in self.table.inputs}
        before = jobs_run(self.spark)
        frame = call_function(self.table, keys, frames)
        alike = all(of == "alike" for of in inputs.values())
        # A function that ran jobs may have read any partition, which its plan does not show.
        looked = before is None or jobs_run(self.spark) != before
        shown = Proof(apart=False) if looked and len(keys) > 1 else shown_by(frame, inputs)
        if shown.holds(*self.partitioning.names):
            return Result(frame)
        if self._has_lineage and shown.holds(*[RECEIVED] * len(self.partitioning.names)):
            return Result(self._placed_as_received(frame))
        if len(keys) == 1:
            return Result(self._placed_alone(keys[0], frame))
        if alike or self.table.whole_range:
            placed = counts_for_first(self.table, self.plan)
            return Result(self._placed_among(keys, frame), shared=True, placed=placed)
        return None

    def _call(self, keys: Sequence[str]) -> DataFrame:
        return call_function(self.table, keys, self._frames(keys))

    def _frames(self, keys: Sequence[str]) -> dict[str, DataFrame]:
        storage = self.platform.storage
        return {
            name: self.prepare(
                self._counted(
                    marked(self.reads(name, keys).dataframe(self.spark, storage), name), name, keys
                )
            )
            for name in self.table.inputs
        }

    def _counted(self, frame: DataFrame, name: str, keys: Sequence[str]) -> DataFrame:
        """The rows that count for these partitions, of an input that is read by event time."""
        how = self.table.how(name)
        if not isinstance(how, EventTime):
            return frame
        zone = zone_of(self.partitioning)
        return frame.where(counts(frame, how.column, [self.windows[k] for k in keys], zone))

    def _input(self, name: str, keys: Sequence[str], frame: DataFrame) -> Input:
        """How the partitions read an input, whose rows are in `frame`."""
        how = self.table.how(name)
        if isinstance(how, EventTime):
            if not all(map(self._counts_own_time, keys)):
                return "mixed"
            return by_event_time(self.partitioning, how.column, frame)
        reads, partitioning = self.plan.reads[name], self.plan.inputs[name].upstream.partitioning
        whole = is_dimension(self.partitioning, how, partitioning)
        if not whole and all(self._is_own(partitioning, key, reads[key]) for key in keys):
            return partitioning.names
        first, *rest = (set(reads[key]) for key in keys)
        return "alike" if all(of == first for of in rest) else "mixed"

    def _counts_own_time(self, key: str) -> bool:
        """Whether all rows that count for a partition name it; false if it also gets rows of no
        partition, or of a day that the calendar excludes."""
        window = self.windows[key]
        return (window.after, window.until) == span_of(self.partitioning, key)

    def _is_own(self, partitioning: Partitioning, key: str, reads: tuple[str, ...]) -> bool:
        """Whether a partition reads only the input partition with the same values."""
        if not partitioning.columns:
            return False
        return all(
            partitioning.values(upstream) == self.partitioning.values(key) for upstream in reads
        )

    @property
    def _has_lineage(self) -> bool:
        return self.table.lineage

    def _placed_alone(self, key: str, frame: DataFrame) -> DataFrame:
        own = values_of(self.partitioning, key)
        if not own:
            return frame
        other = F.lit(False) if self._has_lineage else self._others([key])
        kept = is_own(self.partitioning, own)
        return placed(frame, self.partitioning, own=own, kept=kept, other=other)

    def _placed_as_received(self, frame: DataFrame) -> DataFrame:
        own = [F.col(RECEIVED)[name] for name in self.partitioning.names]
        kept = is_own(self.partitioning, own)
        return placed(frame, self.partitioning, own=own, kept=kept, other=F.lit(False))

    def _placed_among(self, keys: Sequence[str], frame: DataFrame) -> DataFrame:
        """Place rows of a shared call; those that name no partition of the run go to the first."""
        kept = among(self.partitioning, keys)
        own = values_of(
            self.partitioning, first if (first := first_of(self.table)) in keys else keys[0]
        )
        return placed(frame, self.partitioning, own=own, kept=kept, other=self._others(keys))

    def _others(self, keys: Sequence[str]) -> Column:
        return others(self.table, self.plan, keys).has(self.partitioning)


def by_input_partition(
    table: JudgedTable,
    spark: SparkSession,
    partitioning: Partitioning,
    keys: Sequence[str],
    read: Callable[[Sequence[str]], DataFrame],
) -> DataFrame:
    """The union of what the function of a table without partitions makes of each of these
    partitions of its only input."""
    (name,) = table.inputs

    def made(of: Sequence[str]) -> DataFrame:
        return call_function(table, ("",), {name: marked(read(of), name)})

    before = jobs_run(spark)
    whole = made(keys)
    looked = before is None or jobs_run(spark) != before
    if len(keys) <= 1 or (not looked and shown_by(whole, {name: partitioning.names}).apart):
        return whole
    with without_adaptive(spark):
        parts = [
            united([made([key]) for key in keys[first : first + TOGETHER]]).localCheckpoint()
            for first in range(0, len(keys), TOGETHER)
        ]
    return united(parts)


def shown_by(frame: DataFrame, inputs: Mapping[str, Input]) -> Proof:
    """What the frame's plan proves about its rows; nothing if the plan is unavailable."""
    return _read_plan(frame, lambda plan: proof(plan, inputs), unknown=Proof(apart=False))


def is_row_by_row(frame: DataFrame) -> bool:
    """Whether each input row certainly gave at most one row, which depends on it alone; false if
    the plan is unavailable."""
    return _read_plan(frame, row_by_row, unknown=False)


def _read_plan(frame: DataFrame, read: Callable[[Node], _Read], *, unknown: _Read) -> _Read:
    try:
        plan = analyzed(frame)
        return unknown if plan is None else read(plan)
    except RecursionError:  # deeper than Python's stack
        return unknown


def united(frames: Sequence[DataFrame]) -> DataFrame:
    """The union of the frames, as a balanced tree: Spark analyzes each union's inputs again."""
    if len(frames) == 1:
        return frames[0]
    middle = len(frames) // 2
    left, right = united(frames[:middle]), united(frames[middle:])
    return left.unionByName(right, allowMissingColumns=True)
