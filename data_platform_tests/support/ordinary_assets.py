"""Assets without any of the platform's decorators, one of daily sales, in a home of their own."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from data_platform.build.failures import cause
from data_platform.build.platform import Platform
from data_platform.lake.upkeep import browse
from data_platform.platform_defs.resources import resources
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId

daily = dg.DailyPartitionsDefinition("2011-03-01", end_date="2011-05-01")
SINGLE_RUN = dg.BackfillPolicy.single_run()
ROW = {
    "name": "tea",
    "units": 3,
    "price": 1.5,
    "sold_at": dt.datetime(2011, 3, 4, 10, 0),
    "fresh": True,
}


def two_a_day(keys: Sequence[str]) -> pa.Table:
    """Two rows for each day."""
    days = [dt.date.fromisoformat(key) for key in keys for _ in range(2)]
    return pa.table({"day": days, "units": list(range(len(days)))})


@dg.asset(
    key_prefix=["silver", "shop"],
    partitions_def=daily,
    backfill_policy=SINGLE_RUN,
    metadata={"partition_expr": "day"},
    io_manager_key="io_manager",
)
def sales(context: dg.AssetExecutionContext) -> pa.Table:
    return two_a_day(context.partition_keys)


@dataclass(frozen=True)
class World:
    settings: Settings
    instance: dg.DagsterInstance

    def build(
        self,
        *assets: dg.AssetsDefinition,
        only: dg.AssetsDefinition | None = None,
        key: str | None = None,
        span: tuple[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        tags = {}
        if span:
            tags = {
                "dagster/asset_partition_range_start": span[0],
                "dagster/asset_partition_range_end": span[1],
            }
        return dg.materialize(
            assets,
            selection=[only] if only else None,
            partition_key=key,
            tags=tags,
            instance=self.instance,
            resources=resources(self.settings),
            raise_on_error=False,
        )

    def run(self, job: dg.JobDefinition) -> dg.ExecuteInProcessResult:
        """A job of ops."""
        return job.execute_in_process(
            instance=self.instance, resources=resources(self.settings), raise_on_error=False
        )

    def read(self, table: str, partition: str | None = None) -> list[dict[str, Any]]:
        loaded = Platform(self.settings).lake.load(TableId.parse(table))
        return browse.rows(loaded, partition=partition).read_all().to_pylist()

    def counts(self, table: str) -> dict[str, int]:
        return browse.partition_rows(Platform(self.settings).lake, TableId.parse(table))


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> Iterator[World]:
    settings = settings_at(tmp_path / "home")
    prepare_home(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(settings, instance)


def failure(result: dg.ExecuteInProcessResult) -> str:
    [event] = result.get_step_failure_events()
    return cause(event.step_failure_data.error)
