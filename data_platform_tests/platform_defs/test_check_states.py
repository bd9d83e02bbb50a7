"""The states of checks, as every page of their asset asks for them: those that Dagster computes."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.base import EventLogStorage

from benchmarks.event_volume import CHECKS, ranged_run, shop
from data_platform.build.dagster_internals import PartitionsOf, ShownStatus
from data_platform.build.events import Log, figures_of
from data_platform.lake.writing.publish import Published
from data_platform.platform_defs.event_log import BatchingSqliteEventLogStorage
from data_platform.quality.findings import Finding
from data_platform.runs.instance import open_instance
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.settings.environment import environment_kept, settings_at

KEY = dg.AssetKey(["silver", "shop", "lines"])


def test_every_status_is_the_one_that_dagster_computes(tmp_path: Path) -> None:
    asset = shop("lines", 8)
    built, failing, under_way, canceled, again, bad, *_ = keys = asset.keys
    job = asset.definitions.resolve_job_def("ranged")
    graph = asset.definitions.resolve_asset_graph()
    checks = [
        (check, graph.get(check).partitions_def if check.name != "volume" else None)
        for check in (dg.AssetCheckKey(KEY, name) for name in CHECKS)
    ]

    with environment_kept(), open_instance(settings_at(tmp_path)) as instance:

        def planned(day: str) -> dg.DagsterRun:
            return instance.create_run_for_job(job, tags={RANGE_START: day, RANGE_END: day})

        storage = instance.event_log_storage
        assert isinstance(storage, BatchingSqliteEventLogStorage)
        before = storage.get_asset_check_state(checks)
        ranged_run(instance, asset)
        instance.report_run_failed(planned(failing))
        instance.report_run_canceled(planned(canceled))
        planned(under_way)
        log = Log(instance, KEY)
        log.published("a2", {again: figures_of(Published(7, 3, 1, 100))})
        log.findings([Finding("rules", False, True, "too many", partition=bad)])
        log.findings([Finding("rules", False, True, "not a day", partition="1980-01-01")])
        log.findings([Finding("volume", True, False, "of the run")])

        found = storage.get_asset_check_state(checks)
        assert before != found
        assert found == EventLogStorage.get_asset_check_state(storage, checks)

    rules = found[dg.AssetCheckKey(KEY, "rules")].subsets
    shown = {status: set(of.subset_value.get_partition_keys()) for status, of in rules.items()}
    assert shown == {
        ShownStatus.SUCCEEDED: {built, *keys[6:]},
        ShownStatus.EXECUTION_FAILED: {failing},
        ShownStatus.IN_PROGRESS: {under_way},
        ShownStatus.SKIPPED: {canceled},
        ShownStatus.FAILED: {bad},
    }
    assert found[dg.AssetCheckKey(KEY, "volume")].subsets[ShownStatus.SUCCEEDED].value is True


@pytest.mark.parametrize("count", [100, 101, 250])
def test_all_of_many_static_partitions_have_their_status(tmp_path: Path, count: int) -> None:
    names = [f"store {number}" for number in range(count)]
    stores, check = dg.StaticPartitionsDefinition(names), dg.AssetCheckKey(KEY, "rules")
    failed = names[::7]

    with environment_kept(), open_instance(settings_at(tmp_path)) as instance:
        log, storage = Log(instance, KEY), instance.event_log_storage
        log.published("a1", {name: figures_of(Published(7, 3, 1, 100)) for name in names})
        of_each = [
            Finding("rules", name not in failed, True, "", partition=name)
            for name in (*names, "a store that was closed")
        ]
        log.findings(of_each)

        found = storage.get_asset_check_state([(check, stores)])
        assert found == EventLogStorage.get_asset_check_state(storage, [(check, stores)])

    shown = {status: set(_keys(of)) for status, of in found[check].subsets.items() if _keys(of)}
    assert shown == {
        ShownStatus.FAILED: set(failed),
        ShownStatus.SUCCEEDED: set(names) - set(failed),
    }


def _keys(of: PartitionsOf) -> list[str]:
    return [*of.subset_value.get_partition_keys()]
