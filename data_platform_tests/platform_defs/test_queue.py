"""Which runs of Dagster's queue may start beside others."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from data_platform.build.dagster_internals import job_origin
from data_platform.platform_defs.assembly import definitions
from data_platform.platform_defs.run_queue import require_limits
from data_platform.runs.home import prepare_home
from data_platform.runs.instance import open_instance
from data_platform.settings.environment import environment_kept, settings_at
from data_platform_tests.support.homes import BRONZE, SEGMENTS, SILVER
from data_platform_tests.support.tables import TABLES

STARTED = [dg.DagsterRunStatus.STARTED]


@pytest.fixture
def instance(tmp_path: Path, server_url: str) -> Iterator[dg.DagsterInstance]:
    """Of a deployment in which several runs may be under way at once."""
    config = tmp_path / "instance.yaml"
    config.write_text("concurrency: {runs: {max_concurrent_runs: 4}}")
    settings = settings_at(tmp_path / "home", dagster_config=config, dagster_database=server_url)
    prepare_home(settings)
    with environment_kept(), open_instance(settings) as found:
        yield found


def waiting(instance: dg.DagsterInstance, queued: Mapping[str, dg.DagsterRun]) -> Sequence[str]:
    """The runs that the daemon leaves in the queue, in one look at it."""
    storage = instance.event_log_storage
    counter = GlobalOpConcurrencyLimitsCounter(
        instance,
        list(queued.values()),
        instance.get_run_records(dg.RunsFilter(statuses=STARTED)),
        concurrency_keys=storage.get_concurrency_keys(),
        pool_limits=storage.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    )
    left = []
    for name, run in queued.items():
        if counter.is_blocked(run):
            left.append(name)
        else:
            counter.update_counters_with_launched_item(run)
    return left


def test_the_first_runs_of_a_table_wait_for_each_other_where_several_runs_may_be_at_once(
    instance: dg.DagsterInstance, tmp_path: Path
):
    loaded = definitions(TABLES, settings_at(tmp_path / "home"))
    workspace = cast(Any, SimpleNamespace(instance=instance))

    def queued(job_name: str, *tables: str) -> dg.DagsterRun:
        job = loaded.resolve_job_def(job_name)
        run = instance.create_run_for_job(
            job,
            asset_selection={dg.AssetKey(table.split("/")) for table in tables},
            remote_job_origin=job_origin("shop", job),
        )
        return instance.run_coordinator.submit_run(dg.SubmitRunContext(run, workspace))

    started = queued("retail_daily", BRONZE)
    event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, job_name=started.job_name)
    instance.report_dagster_event(event, started.run_id)
    runs = {
        "of a table that a run builds": queued("retail_daily", BRONZE, SILVER),
        "of another table": queued("retail_daily", SILVER),
        "of that table, too": queued("retail_daily", SILVER),
        "of a third": queued("retail_monthly", SEGMENTS),
    }

    assert waiting(instance, runs) == ["of a table that a run builds", "of that table, too"]


def test_a_limit_that_somebody_has_set_stays(instance: dg.DagsterInstance):
    instance.event_log_storage.set_concurrency_slots(SILVER, 3)

    require_limits(instance, [BRONZE, SILVER])

    limits = {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()}
    assert limits == {BRONZE: 1, SILVER: 3}


def test_several_may_give_a_table_its_limit_at_once(instance: dg.DagsterInstance):
    pools = [f"silver/shop/t{number}" for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: require_limits(instance, pools), range(4)))

    limits = {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()}
    assert limits == dict.fromkeys(pools, 1)
