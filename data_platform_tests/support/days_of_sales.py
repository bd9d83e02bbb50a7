"""Sales by landing day, written without Spark, and gold tables over them made of any function."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.pyspark as pandera
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.assets import JudgedTable, gold
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.build.steps import build
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.lake.writing.publish import publish
from data_platform.quality.findings import Finding
from data_platform.quality.mapping import trailing
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import LakeHome

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

SALES = TableId.parse("silver/shop/sales")
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
_SALES = T.StructType(
    [
        T.StructField("day", T.DateType(), False),
        T.StructField("sold_on", T.StringType(), True),
        T.StructField("sold", T.DateType(), True),
        T.StructField("k", T.StringType(), True),
        T.StructField("v", T.LongType(), True),
    ]
)
Sale = tuple[str | None, str, int]  # sold_on, k, v
Row = tuple[str, int | None]


@contract(
    table="gold/shop/answers",
    partition_by="day",
    owner="team:shop",
    version="1",
    quarantine_threshold=0.0,
)
class Answer(pandera.DataFrameModel):
    """Whatever a function says of the sales."""

    day: T.DateType = column()
    k: T.StringType = column(nullable=True)
    v: T.LongType = column(nullable=True)


def table_of(
    function: Callable[..., DataFrame], *, back: int = 0, table: Any = Answer, **options: Any
) -> JudgedTable:
    """A daily gold table of the function of `sales`, which reaches so many days back."""
    ins = {"sales": trailing(days=back)} if back else None
    return gold(contract=table, **{"partitions": DAYS, "ins": ins, **options})(function)


def _date(text: str | None) -> dt.date | None:
    with suppress(ValueError):
        return dt.date.fromisoformat(text or "")


class Sales:
    """A platform with sales, and what is built of them."""

    def __init__(self, home: Path, spark: SparkSession) -> None:
        settings = settings_at(home)
        prepare_home(settings)
        self.platform, self.spark = Platform(settings), spark
        self._lake = LakeHome(home)
        self._lake.make(SALES, _SALES)

    def land(self, days: Mapping[str, Sequence[Sale]]) -> None:
        """Replace these days' sales."""
        rows = [
            {"day": dt.date.fromisoformat(day), "sold_on": on, "sold": _date(on), "k": k, "v": v}
            for day, sales in days.items()
            for on, k, v in sales
        ]
        schema = pa.schema(
            {
                "day": pa.date32(),
                "sold_on": pa.string(),
                "sold": pa.date32(),
                "k": pa.string(),
                "v": pa.int64(),
            }
        )
        data = pa.Table.from_pylist(rows, schema=schema)
        self._lake.publish(self._lake.stage(data, days, table=SALES))

    def build(self, table: JudgedTable, *days: str) -> StepResult:
        """These days in one run, published where nothing holds them back."""
        planned = plan(table, self.platform, days, only_stale=False)
        result = build(table, planned, self.platform, self.spark, "run00001")
        publish(self.platform.lake, self.platform.builds, result.write)
        return result

    def rows(self, table: str = "gold/shop/answers") -> dict[str, list[Row]]:
        """What a reader sees, by day."""
        found: dict[str, list[Row]] = {}
        for row in self._read(table):
            found.setdefault(row["day"].isoformat(), []).append((row["k"], row["v"]))
        return {day: sorted(rows, key=repr) for day, rows in sorted(found.items())}

    def rejected(self) -> list[dict[str, Any]]:
        return self._read("quarantine/shop/answers")

    def _read(self, table: str) -> list[dict[str, Any]]:
        loaded = self.platform.lake.load(TableId.parse(table))
        return loaded.scan().to_arrow().to_pylist()


def check(result: StepResult, name: str) -> dict[str | None, Finding]:
    """By partition, what a check found."""
    return {finding.partition: finding for finding in result.findings if finding.check == name}


def day(number: int) -> str:
    return f"2026-01-{number:02}"


def each_alone(sales: Sales, table: JudgedTable, days: Iterable[str]) -> None:
    for one in days:
        sales.build(table, one)
