"""Which runs of Dagster's queue may start beside others."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from data_platform.platform_defs.assembly import definitions
from data_platform.runs.home import prepare_home
from data_platform.runs.instance import open_instance
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.settings.model import Settings
from data_platform_tests.support.homes import BRONZE, SEGMENTS, SILVER
from data_platform_tests.support.tables import TABLES

STARTED = [dg.DagsterRunStatus.STARTED]


def several_at_once(folder: Path) -> Settings:
    config = folder / "instance.yaml"
    config.write_text("concurrency: {runs: {max_concurrent_runs: 4}}")
    settings = settings_at(folder / "home", dagster_config=config)
    prepare_home(settings)
    return settings


def look(
    instance: dg.DagsterInstance, queued: Sequence[dg.DagsterRun]
) -> GlobalOpConcurrencyLimitsCounter:
    """What the daemon looks at before it starts one of these runs."""
    storage = instance.event_log_storage
    return GlobalOpConcurrencyLimitsCounter(
        instance,
        queued,
        instance.get_run_records(dg.RunsFilter(statuses=STARTED)),
        concurrency_keys=storage.get_concurrency_keys(),
        pool_limits=storage.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    )


def test_runs_of_a_table_wait_for_each_other_where_several_runs_may_be_at_once(tmp_path: Path):
    settings = several_at_once(tmp_path)
    loaded = definitions(TABLES, settings)
    with environment_kept(), open_instance(settings) as instance:

        def run_of(job: str, *tables: str, started: bool = False) -> dg.DagsterRun:
            run = instance.create_run_for_job(
                loaded.resolve_job_def(job),
                asset_selection={dg.AssetKey(table.split("/")) for table in tables},
            )
            if started:
                event = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, job_name=job)
                instance.report_dagster_event(event, run.run_id)
            return run

        run_of("retail_daily", BRONZE, SILVER, started=True)
        queued = {
            "the same table": run_of("retail_daily", SILVER),
            "another table": run_of("retail_monthly", SEGMENTS),
        }
        look(instance, list(queued.values()))  # Dagster knows of a pool from its second look on
        counter = look(instance, list(queued.values()))
        waits = {name: counter.is_blocked(run) for name, run in queued.items()}

    assert waits == {"the same table": True, "another table": False}
