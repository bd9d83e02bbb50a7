"""The identity of tables and their partitions: pure values, no catalog, no Spark.

A table is `layer/domain/name` for people and `{layer}_{domain}.{name}` in the Iceberg catalog.
A partition key is the orchestrator's string (`2011-03-04`, `2011-03-04-05:00`, `a|b`); its
values are what the partition columns hold in every row of it.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pyspark.sql import types as T

from data_platform.tables.partition_times import TimeKeys

PartitionValue = dt.date | dt.datetime | str | int
Values = tuple[PartitionValue, ...]

WHOLE_TABLE = ""  # the partition key of a table without partitions
ORDINARY = "assets"  # the layer of ordinary assets whose key has no layer
LAYERS = ("bronze", "silver", "gold", "quarantine", "duplicates", ORDINARY)
_PART = re.compile(r"[a-z][a-z0-9_]*")
_HOUR = "%Y-%m-%d-%H:%M"


@dataclass(frozen=True, order=True)
class TableId:
    """`silver/retail/order_lines`."""

    layer: str
    domain: str
    name: str

    @staticmethod
    def parse(text: str) -> "TableId":
        """Parse `layer/domain/name`. Raises ValueError if it is not in lower snake case, or if the
        layer is not one of LAYERS."""
        parts = text.split("/")
        if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise ValueError(
                f"{text!r} is not a table name: write it layer/domain/name in lower snake case, "
                "as in silver/retail/order_lines"
            )
        if parts[0] not in LAYERS:
            raise ValueError(
                f"{text!r} is not a table name: its layer is {parts[0]}; there are "
                f"{', '.join(LAYERS)}"
            )
        return TableId(*parts)

    @staticmethod
    def of(identifier: Sequence[str]) -> "TableId":
        """The table of an `identifier` in the catalog."""
        namespace, name = identifier
        layer, _, domain = namespace.partition("_")
        return TableId(layer, domain, name)

    @property
    def identifier(self) -> tuple[str, str]:
        """Namespace and name in the Iceberg catalog."""
        return (f"{self.layer}_{self.domain}", self.name)

    @property
    def path(self) -> tuple[str, str, str]:
        """The asset key's path, and the folder below the warehouse."""
        return (self.layer, self.domain, self.name)

    def sibling(self, layer: str) -> "TableId":
        """The table of the same name in another layer (`quarantine`, `duplicates`)."""
        return TableId(layer, self.domain, self.name)

    def __str__(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True)
class PartitionColumn:
    """A column that holds one value in all rows of a partition (Iceberg's identity transform).

    `times` says how the keys of a column of times are written; without it they are ISO dates and
    hours, in UTC. The column then holds the beginning of the partition, as its type has it: the
    instant, or the date or time of day in the zone of the keys; a text or number is the key.
    """

    name: str
    type: T.DataType
    times: TimeKeys | None = None

    def value(self, text: str) -> PartitionValue:
        """The value of a key. Raises ValueError for a text that is not one of the column's keys."""
        if self.times:
            start, _ = self.times.span(text)
            match self.type:
                case T.DateType():
                    return start.date()
                case T.TimestampType():
                    return start.astimezone(dt.UTC)
                case T.TimestampNTZType():
                    return start.replace(tzinfo=None, fold=0)
        match self.type:
            case T.DateType():
                return dt.date.fromisoformat(text)
            case T.TimestampType():
                return dt.datetime.strptime(text, _HOUR).replace(tzinfo=dt.UTC)
            case T.TimestampNTZType():
                return dt.datetime.strptime(text, _HOUR)
            case T.IntegerType() | T.LongType():
                return int(text)
            case _:
                return text

    def text(self, value: PartitionValue) -> str:
        """The key of a value; if no partition begins with it, a text that is not a key."""
        if self.times and isinstance(value, dt.date):
            key = self.times.key(_moment(value, self.times.timezone))
            if self.value(key) == value:
                return key
        if isinstance(value, dt.datetime):
            return value.strftime(_HOUR) if not self.times else value.isoformat()
        return value.isoformat() if isinstance(value, dt.date) else str(value)


def _moment(value: dt.date, timezone: str) -> dt.datetime:
    """A date's first moment, and a time without a zone, are in the zone of the keys."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(timezone))


@dataclass(frozen=True)
class Partitioning:
    """How a table's partition keys map to column values; no columns: one partition, key ''."""

    columns: tuple[PartitionColumn, ...] = ()

    @staticmethod
    def of(
        schema: T.StructType, names: tuple[str, ...], times: Mapping[str, TimeKeys] | None = None
    ) -> "Partitioning":
        """The partitioning by these columns of a schema; `times` says how time keys are written."""
        known = times or {}
        columns = (PartitionColumn(n, schema[n].dataType, known.get(n)) for n in names)
        return Partitioning(tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(column.name for column in self.columns)

    def values(self, key: str) -> Values:
        """`2011-03-04` -> (date(2011, 3, 4),); raises ValueError on a key of another kind."""
        return tuple(c.value(p) for c, p in zip(self.columns, self.parts(key), strict=True))

    def parts(self, key: str) -> list[str]:
        """The key of each column. Raises ValueError if there are more or fewer."""
        if not self.columns:
            return []
        parts = key.split("|") if len(self.columns) > 1 else [key]
        if len(parts) != len(self.columns):
            raise ValueError(f"partition key {key!r} does not fit the columns {self.names}")
        return parts

    def key(self, values: Values) -> str:
        """`(date(2011, 3, 4),)` -> `2011-03-04`."""
        return "|".join(c.text(v) for c, v in zip(self.columns, values, strict=True))


@dataclass(frozen=True)
class TableSlice:
    """What one write replaces: these partitions of this table, and nothing else.

    `base` is the version (attempt) of each partition when the write was planned; a partition
    that has another one by the time of the commit was written by another writer.
    """

    table: TableId
    keys: tuple[str, ...]
    base: Mapping[str, str]
