"""What Dagster is told of a step whose files are not what was staged."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

from data_platform.build.dagster_internals import LOGGED
from data_platform.build.result import StepResult
from data_platform.lake.writing.publish import WRITTEN
from data_platform.landing.ledger.ledger import Ledger
from data_platform.platform_defs.io_manager import S3ParquetIOManager
from data_platform.tables.outcomes import DATA
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, LakeHome, days

ASSET = dg.AssetKey(list(SALES.path))


def never() -> NoReturn:
    raise AssertionError("nothing here is Spark's")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[LakeHome]:
    home = LakeHome(tmp_path)
    home.make()
    home.write({MONDAY: [1], TUESDAY: [2]})
    yield home


def test_a_partition_whose_files_are_not_what_was_written_fails_a_check_of_its_own(
    home: LakeHome,
) -> None:
    @dg.asset(
        key=ASSET,
        partitions_def=dg.DailyPartitionsDefinition("2011-03-01"),
        check_specs=[dg.AssetCheckSpec(WRITTEN, asset=ASSET, blocking=True)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def sales() -> Iterator[dg.Output]:
        write = home.stage(days({MONDAY: [3], TUESDAY: [4]}), [MONDAY, TUESDAY])
        [file] = [file for file in write.staged.files[DATA] if file.key == MONDAY]
        os.truncate(file.path.removeprefix("file://"), file.bytes - 1)
        yield dg.Output(StepResult(write, []), output_name="result", metadata=dict(LOGGED))
        yield dg.Output(None, output_name=f"silver__shop__sales_{WRITTEN}", metadata=dict(LOGGED))

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [sales],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": MONDAY,
                "dagster/asset_partition_range_end": TUESDAY,
            },
            resources={
                "io_manager": S3ParquetIOManager(
                    home.lake, home.builds, Ledger("sqlite://"), home.storage, never
                )
            },
            raise_on_error=False,
        )
        [failed] = result.get_step_failure_events()
        history = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(ASSET, WRITTEN), limit=9
        )
        found = {
            of.partition: of
            for record in history
            if record.event and record.event.dagster_event
            for of in [record.event.dagster_event.asset_check_evaluation_data]
        }
        told = instance.fetch_observations(ASSET, limit=9).records
    assert home.numbers() == {MONDAY: [1], TUESDAY: [4]}
    assert {key: each.passed for key, each in found.items()} == {MONDAY: False, TUESDAY: True}
    said = found[MONDAY].description or ""
    assert said.startswith(f"{WRITTEN}: file://") and f"written for {MONDAY}" in said
    assert "Held back since" in said and "The next run writes it again" in said
    assert found[MONDAY].blocking and "its last good version stays published" in said
    [page] = [record.asset_observation for record in told]
    assert page and page.partition == MONDAY
    assert "next run writes it again" in str(page.metadata["released_by"].value)
    text = failed.step_failure_data.user_failure_data.description  # type: ignore[union-attr]
    assert f"{MONDAY}: {WRITTEN}: " in str(text) and "next run writes it again" in str(text)
    build = home.builds.held_back(SALES)[MONDAY]
    assert build.failed == (WRITTEN,) and build.detail.startswith(f"{WRITTEN}: ")
