"""Test your own tables: a platform in a temporary directory, from landed text to tables.

    from data_platform.testing import platform_with

    def test_a_temperature_that_is_no_number_is_rejected(tmp_path):
        with platform_with(received, observations, directory=tmp_path) as platform:
            platform.land("weather/2026-01-05.csv", "station,...\\nOSL,...\\n")
            platform.run()

            assert len(platform.published(observations)) == 1
            assert platform.quarantine(observations)["_reasons"].tolist() == [["celsius.typed"]]

Steps, checks and commits are the same as in production; Spark runs locally on two cores, and its
session is shared by all tests of a process.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
import pandas as pd

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.build.table_checks import check_specs
from data_platform.lake.rejected import rejected_by
from data_platform.lake.upkeep import browse
from data_platform.operations.repair import instance_of
from data_platform.platform_defs.assembly import definitions
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import Ran, run_until_quiet
from data_platform.runs.scope import Scope
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.settings.model import Settings
from data_platform.storage.errors import LakeError

_MOST = 5000  # results of a check that are read
_EVALUATION = dg.DagsterEventType.ASSET_CHECK_EVALUATION


@dataclass(frozen=True)
class TemporaryPlatform:
    """A home with the tables under test."""

    settings: Settings
    instance: dg.DagsterInstance
    tables: tuple[Table, ...]

    @property
    def landing(self) -> Path:
        """Where files land."""
        return self.settings.home / "landing"

    @cached_property
    def platform(self) -> Platform:
        """Ledger, lake and register of builds."""
        return Platform(self.settings)

    @cached_property
    def definitions(self) -> dg.Definitions:
        """What Dagster would load. Raises ContractError or ValueError for incompatible tables."""
        return definitions(self.tables, self.settings)

    @property
    def scope(self) -> Scope:
        """The tables, the platform that stores them, and Dagster's instance."""
        return Scope(self.instance, self.platform, self.tables)

    def land(self, key: str, content: str | bytes) -> None:
        """Write a file below the landing directory; the same key again replaces it."""
        target = self.landing / key
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.stat().st_mtime_ns if target.exists() else 0
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        # the second of two quick writes must be visible despite the clock's resolution
        os.utime(target, ns=(target.stat().st_atime_ns, max(before + 10**6, time.time_ns())))

    def run(self) -> list[Ran]:
        """Load what landed and build what is stale, until nothing is: `data-platform run`.

        Raises AssertionError if a run failed for another reason than held back partitions.
        """
        ended = list(run_until_quiet(self.definitions, self.scope))
        failed = [line for ran in ended if ran.state == "failed" for line in ran.lines]
        assert not failed, "\n".join(failed)
        return ended

    def published(self, table: Table, partition: str | None = None) -> pd.DataFrame:
        """The rows that readers see, of the table or of one partition. Raises LakeError if it was
        never built, NotThere for an invalid partition key."""
        loaded = self.platform.lake.load(table.id)
        return browse.rows(loaded, partition=partition).read_all().to_pandas()

    def quarantine(self, table: Table, partition: str | None = None) -> pd.DataFrame:
        """Rejected rows as received, each with its `_reasons`, including those of held back
        partitions. Raises LakeError for a table that was never built."""
        return self._rejected(table, "quarantine", partition)

    def duplicates(self, table: Table, partition: str | None = None) -> pd.DataFrame:
        """Duplicate rows, each with the object and row that it repeats. Raises as `quarantine`."""
        return self._rejected(table, "duplicates", partition)

    def checks(self, table: Table) -> pd.DataFrame:
        """The latest result of each check, in columns `check`, `partition` ("" for the whole
        table), `passed`, `severity` and `description`."""
        found = {}
        for spec in check_specs(table):
            for result in self._evaluations(spec.key):
                key = (spec.name, result.partition or "")
                found.setdefault(key, (result.passed, result.severity.value, result.description))
        rows = [(*key, *result) for key, result in sorted(found.items())]
        columns = ("check", "partition", "passed", "severity", "description")
        return pd.DataFrame(rows, columns=pd.Index(columns))

    def _rejected(self, table: Table, layer: str, partition: str | None) -> pd.DataFrame:
        found = rejected_by(self.platform.lake, table.id, layer)
        if found is None:
            raise LakeError(f"{table.id} was never built, or none of its rules rejects rows")
        return browse.rows(found, partition=partition).read_all().to_pandas()

    def _evaluations(self, check: dg.AssetCheckKey) -> Iterator[dg.AssetCheckEvaluation]:
        """Newest first."""
        storage = self.instance.event_log_storage
        for record in storage.get_asset_check_execution_history(check, limit=_MOST):
            event = record.event.dagster_event if record.event else None
            if event and event.event_type is _EVALUATION:  # else planned, or of a failed step
                yield event.asset_check_evaluation_data


@contextmanager
def platform_with(*tables: Table, directory: Path) -> Iterator[TemporaryPlatform]:
    """An empty platform with these tables, nothing landed or built; its state is in `directory`.

    The environment variables that Dagster reads are restored at the end.
    """
    settings = settings_at(directory)
    prepare_home(settings)
    with environment_kept(), instance_of(Platform(settings)) as instance:
        yield TemporaryPlatform(settings, instance, tables)
