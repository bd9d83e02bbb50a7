"""What bronze asks of a Spark session, done in this process: a task is a step of a `Faults`."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import SparkSession

from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.result import publish_step
from data_platform.domains.retail.bronze import order_lines
from data_platform.engine.parallelism import PARALLELISM
from data_platform.landing.arrivals.listing import tick
from data_platform_tests.support.faults import Faults
from data_platform_tests.support.homes import Home


class LocalSpark:
    """As much of a Spark session as bronze uses, here: rows, a task for each, and `mapInArrow`."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.conf = {PARALLELISM: "2"}

    def createDataFrame(self, table: pa.Table) -> "_LocalFrame":
        return _LocalFrame(table, self._faults, self)


@dataclass
class _LocalFrame:
    rows: pa.Table
    faults: Faults
    sparkSession: LocalSpark

    def repartitionById(self, tasks: int, column: object) -> "_LocalFrame":
        assert tasks == self.rows.num_rows
        return self

    def select(self, *names: str) -> "_LocalFrame":
        return _LocalFrame(self.rows.select(names), self.faults, self.sparkSession)

    def mapInArrow(self, function: Callable, ddl: str) -> "_LocalFrame":
        made: list[pa.RecordBatch] = []
        for batch in self.rows.to_batches(max_chunksize=1):
            with self.faults.step("task"):
                made += function(iter([batch]))
        return _LocalFrame(pa.Table.from_batches(made), self.faults, self.sparkSession)

    def collect(self) -> list[dict[str, Any]]:
        return self.rows.to_pylist()


def record_and_publish(home: Home, days: list[str]) -> None:
    """What landed for the retail domain is in bronze."""
    platform, now = home.platform, dt.datetime.now(dt.UTC)
    tick(platform.bucket, [order_lines.source], platform.ledger, now, overlap_days=7)
    planned = plan(order_lines, platform, days, only_stale=True)
    local = cast(SparkSession, LocalSpark(Faults()))
    result = build_bronze(order_lines, planned, platform, local, "received")
    publish_step(platform.lake, platform.builds, platform.ledger, result)
