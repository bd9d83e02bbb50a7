"""Assets without any of the platform's decorators, in a home of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
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
