"""Tables of sums, by every kind of partition, and a plain model of what is in them.

The function is a sum, computed in Python from the very files that a plan names, so that a build
costs no Spark. The model knows nothing of plans: calendars and sums alone.
"""

import datetime as dt
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import dagster as dg
import pandera.pyspark as pandera
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import JudgedTable, Table, gold
from data_platform.build.planning import Plan, current_versions, plan_all
from data_platform.build.platform import Platform
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.contracts.schema import schema_of
from data_platform.lake.files import files_by_partition
from data_platform.lake.schema import arrow_schema
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.lake.writing.staging import (
    new_attempt,
    plain_layout,
    stage_arrow,
    with_empty_partitions,
)
from data_platform.quality.mapping import (
    Dimension,
    EventTime,
    Everything,
    How,
    Trailing,
    dimension,
    event_time,
    everything,
    trailing,
)
from data_platform.tables.identity import TableSlice
from data_platform.tables.partition_times import as_property, times_of

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

ZONE = "America/New_York"  # whose 1st of November 2015 has 25 hours
FIRST, LAST = dt.datetime(2015, 10, 30), dt.datetime(2015, 11, 4)
HOURS = dg.HourlyPartitionsDefinition(FIRST, end_date=LAST)
DAYS = dg.DailyPartitionsDefinition(FIRST, end_date=LAST, fmt="%d.%m.%Y")
LOCAL_HOURS = dg.HourlyPartitionsDefinition(FIRST, end_date=LAST, timezone=ZONE)
WEEKS = dg.WeeklyPartitionsDefinition("2015-10-25", end_date="2015-11-15", day_offset=1)
LOCAL_DAYS = dg.DailyPartitionsDefinition(FIRST, end_date=LAST, timezone=ZONE)
MONTHS = dg.MonthlyPartitionsDefinition("2015-10", end_date="2016-01", fmt="%Y-%m")
SHOPS = dg.StaticPartitionsDefinition(["york", "leeds"])
REGIONS = dg.StaticPartitionsDefinition(["north"])
BOTH = dg.MultiPartitionsDefinition({"at": DAYS, "shop": SHOPS})

KINDS: dict[str, tuple[dg.PartitionsDefinition | None, tuple[str, ...]]] = {
    "hours": (HOURS, ("at",)),
    "local_hours": (LOCAL_HOURS, ("at",)),
    "days": (DAYS, ("at",)),
    "local": (LOCAL_DAYS, ("at",)),
    "weeks": (WEEKS, ("at",)),
    "months": (MONTHS, ("at",)),
    "shops": (SHOPS, ("shop",)),
    "regions": (REGIONS, ("shop",)),
    "both": (BOTH, ("at", "shop")),
    "whole": (None, ()),
}
WAYS = (None, trailing(days=1), dimension(), everything(), event_time("sold_on"))


class Instants(pandera.DataFrameModel):
    """Of an hour."""

    at: T.TimestampType = column()
    sold_on: T.DateType = column()
    total: T.LongType = column()


class Dates(pandera.DataFrameModel):
    """Of a day or a month."""

    at: T.DateType = column()
    sold_on: T.DateType = column()
    total: T.LongType = column()


class Shops(pandera.DataFrameModel):
    """Of a shop."""

    shop: T.StringType = column()
    sold_on: T.DateType = column()
    total: T.LongType = column()


class DatesAndShops(pandera.DataFrameModel):
    """Of a day and a shop."""

    at: T.DateType = column()
    shop: T.StringType = column()
    sold_on: T.DateType = column()
    total: T.LongType = column()


class Totals(pandera.DataFrameModel):
    """Of all."""

    sold_on: T.DateType = column()
    total: T.LongType = column()


MODELS = {
    "hours": Instants,
    "local_hours": Instants,
    "shops": Shops,
    "regions": Shops,
    "both": DatesAndShops,
}


def declared(name: str, kind: str, ins: dict[str, How | str]) -> JudgedTable:
    """A table of the sums of one or two inputs, `a` and `b`."""
    definition, columns = KINDS[kind]
    model = MODELS.get(kind, Dates if definition else Totals)
    of = contract(
        table=f"gold/shop/{name}", partition_by=columns, owner="team:shop", version="1",
        lineage=False,
    )(model)  # fmt: skip

    def one(a: DataFrame) -> DataFrame:
        """The sum of an input."""
        return a

    def two(a: DataFrame, b: DataFrame) -> DataFrame:
        """The sum of two inputs."""
        return a

    return gold(contract=of, partitions=definition, ins=ins)(two if len(ins) == 2 else one)


@dataclass(frozen=True)
class Spanned:
    """Where a partition lies, by Dagster's own calendar."""

    span: tuple[dt.datetime, dt.datetime] | None
    shop: str | None


def spanned(kind: str, key: str) -> Spanned:
    definition, _ = KINDS[kind]
    if kind == "both":
        day, shop = key.split("|")
        return Spanned(spanned("days", day).span, shop)
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        start, end = definition.time_window_for_partition_key(key)
        return Spanned((start.astimezone(dt.UTC), end.astimezone(dt.UTC)), None)
    return Spanned(None, key or None)


@dataclass
class Model:
    """What is in every table, in plain Python: value and date of the row of each partition."""

    kinds: dict[str, str]
    rows: dict[str, dict[str, tuple[dt.date, int]]]

    def sums(self, kind: str, ins: Sequence[tuple[str, How | None]]) -> dict[str, int]:
        definition, _ = KINDS[kind]
        keys = definition.get_partition_keys() if definition else [""]
        made = {}
        for key in keys:
            looked = [self._read(kind, key, name, how) for name, how in ins]
            if any(own for _, own in looked):
                made[key] = sum(total for total, _ in looked)
        return made

    def _read(self, kind: str, key: str, name: str, how: How | None) -> tuple[int, bool]:
        """The sum of the input in the partition's window, and whether it makes it exist."""
        mine, total, own = spanned(kind, key), 0, False
        whole = kind == "whole" or isinstance(how, Everything)
        for other, (sold_on, value) in self.rows[name].items():
            theirs = spanned(self.kinds[name], other)
            times, labels = mine.span and theirs.span, mine.shop and theirs.shop
            is_dimension = isinstance(how, Dimension) or not (whole or times or labels)
            if isinstance(how, EventTime):
                if self._names(mine, sold_on, kind):
                    total, own = total + value, True
                continue
            if is_dimension or whole:
                total, own = total + value, own or (whole and not isinstance(how, Dimension))
                continue
            if labels and mine.shop != theirs.shop:
                continue
            back = dt.timedelta(days=how.days if isinstance(how, Trailing) else 0)
            if not times:
                total, own = total + value, True
            elif self._overlap(self._back(mine, back, kind), theirs.span):
                own = own or self._overlap(mine.span, theirs.span)
                total += value
        return total, own

    @staticmethod
    def _overlap(a, b) -> bool:
        return a[0] < b[1] and b[0] < a[1]

    @staticmethod
    def _back(mine: Spanned, back: dt.timedelta, kind: str):
        assert mine.span
        definition = KINDS["days" if kind == "both" else kind][0]
        assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
        start = mine.span[0].astimezone(_zone(definition))
        local = start.replace(tzinfo=None) - back
        return local.replace(tzinfo=start.tzinfo).astimezone(dt.UTC), mine.span[1]

    @staticmethod
    def _names(mine: Spanned, sold_on: dt.date, kind: str) -> bool:
        """Whether the partition is of the date's first moment, in the table's zone."""
        definition = KINDS["days" if kind == "both" else kind][0]
        assert mine.span and isinstance(definition, dg.TimeWindowPartitionsDefinition)
        moment = dt.datetime.combine(sold_on, dt.time(), _zone(definition))
        return mine.span[0] <= moment < mine.span[1]


def _zone(definition: dg.TimeWindowPartitionsDefinition) -> ZoneInfo:
    return ZoneInfo(definition.timezone)


def sold_on_of(total: int) -> dt.date:
    return (FIRST + dt.timedelta(days=total % 5)).date()


def publish_rows(
    platform: Platform, table: Table, rows: dict[str, tuple[dt.date, int]], planned: Plan | None
) -> None:
    """One row in each partition, as the version of what a plan reads or of another program."""
    assert isinstance(table, JudgedTable)
    properties = as_property(times_of(table.partitions, table.partition_by))
    schema = schema_of(table.contract)
    loaded = platform.lake.ensure(table.id, schema, table.partition_by, properties)
    values = {key: table.partitioning.values(key) for key in rows}
    data = [
        dict(zip(table.partitioning.names, values[key], strict=True), sold_on=sold_on, total=total)
        for key, (sold_on, total) in rows.items()
    ]
    layout = plain_layout(loaded, attempt := new_attempt("run"), platform.storage)
    staged = stage_arrow(pa.Table.from_pylist(data, arrow_schema(loaded.schema())), layout)
    staged = with_empty_partitions(staged, loaded, layout, rows)
    write = StagedWrite(
        TableSlice(table.id, tuple(rows), current_versions(platform, table.id, rows)),
        attempt,
        "run",
        staged,
        inputs={key: planned.digests[key] for key in rows} if planned else {},
        contract=table.version,
        dimensions=planned.dimensions if planned else {},
    )
    publish(platform.lake, platform.builds, write)


def total_of(table: Table, planned: Plan, key: str) -> int:
    """What the table's function makes of the files that the plan names for the partition."""
    found = 0
    for name, source in planned.inputs.items():
        files = [f for read in planned.reads[name][key] for f in source.files[read]]
        rows = [row for f in files for row in pq.read_table(f.file_path).to_pylist()]
        how = table.how(name)
        if isinstance(how, EventTime):
            kind = next(k for k, (d, _) in KINDS.items() if d is table.partitions)
            mine = spanned(kind, key)
            rows = [row for row in rows if Model._names(mine, row["sold_on"], kind)]
        found += sum(row["total"] for row in rows)
    return found


def build_stale(platform: Platform, table: Table, chosen: Iterable[str] | None, rng) -> bool:
    """Build what is stale, or some of it: all at once, or one by one in any order."""
    planned = plan_all(table, platform)
    keys = [key for key in planned.keys if chosen is None or key in chosen]
    rng.shuffle(keys)
    for group in [keys] if rng.random() < 0.5 else [[key] for key in keys]:
        if group:
            totals = {key: total_of(table, planned, key) for key in group}
            rows = {key: (sold_on_of(total), total) for key, total in totals.items()}
            publish_rows(platform, table, rows, planned)
    return bool(planned.keys)


def read_by(names: Sequence[str], ways: Sequence[How | None]) -> dict[str, How | str]:
    found: dict[str, How | str] = {}
    for parameter, name, way in zip("ab", names, ways, strict=False):
        table = f"gold/shop/{name}"
        found[parameter] = table if way is None else replace(way, of=table)
    return found


def some(rng: random.Random, kind: str) -> dict[str, tuple[dt.date, int]]:
    definition, _ = KINDS[kind]
    keys = definition.get_partition_keys() if definition else [""]
    chosen = rng.sample(keys, rng.randint(1, min(3, len(keys))))
    return {key: (sold_on_of(rng.randint(0, 4)), rng.randint(1, 10**6)) for key in chosen}


def stored(platform: Platform, table: Table) -> dict[str, int]:
    loaded = platform.lake.find(table.id)
    files = files_by_partition(loaded) if loaded else {}
    return {
        key: sum(row["total"] for f in group for row in pq.read_table(f.file_path).to_pylist())
        for key, group in files.items()
    }
