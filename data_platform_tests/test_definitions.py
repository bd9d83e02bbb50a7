"""Loads everything, and compares it with the committed `definitions.json`.

A rename loses the history of an asset, a job or a check, so it must show in the diff. After a
wanted change: `python -m data_platform_tests.test_definitions` writes the file again.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster.components.definitions import LazyDefinitions

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOT = Path(__file__).with_name("definitions.json")
LOAD = "from data_platform.definitions import defs; defs().get_repository_def()"
DECLARE = """
import data_platform.assets
import dagster as dg

@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2011-03-01"),
          backfill_policy=dg.BackfillPolicy.single_run())
def stations(): ...
"""


def described(definitions: dg.Definitions) -> dict[str, object]:
    """Every name that Dagster keeps history by, and what hangs together by which partitions."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    checks: dict[str, list[str]] = {}
    for check in sorted(graph.asset_check_keys):
        checks.setdefault(check.asset_key.to_user_string(), []).append(check.name)
    assets = {
        key.to_user_string(): {
            "partitions": _partitions(graph.get(key).partitions_def),
            "depends_on": sorted(k.to_user_string() for k in graph.get(key).parent_keys),
            "group": graph.get(key).group_name,
            "kinds": sorted(graph.get(key).kinds),
            "owners": list(graph.get(key).owners),
            "checks": checks.get(key.to_user_string(), []),
        }
        for key in sorted(graph.get_all_asset_keys())
    }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    return {
        "assets": assets,
        "jobs": dict(sorted(jobs.items())),
        "sensors": {
            sensor.name: sorted(target.job_name for target in sensor.targets)
            for sensor in repository.sensor_defs
        },
        "schedules": {s.name: f"{s.job_name}: {s.cron_schedule}" for s in repository.schedule_defs},
    }


def _partitions(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "none"
    keys = partitions.get_partition_keys()
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition) and partitions.end is None:
        return f"{type(partitions).__name__}: from {keys[0]}"  # the last one is of the day
    return f"{type(partitions).__name__}, {len(keys)}: {keys[0]} to {keys[-1]}"


def _written(found: dict[str, object]) -> str:
    return json.dumps(found, indent=2) + "\n"


@pytest.fixture(scope="module")
def loaded() -> dg.Definitions:
    from data_platform.definitions import defs

    return defs()


def test_names_partitions_and_dependencies_are_the_committed_ones(loaded: dg.Definitions) -> None:
    assert _written(described(loaded)) == SNAPSHOT.read_text("utf-8"), (
        "if the change is wanted: python -m data_platform_tests.test_definitions"
    )


def test_every_asset_says_what_it_is(loaded: dg.Definitions) -> None:
    for spec in loaded.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.owners, spec.key
        layer, domain, _ = spec.key.path
        assert (spec.group_name, spec.kinds) == (domain, {layer}), spec.key


def test_every_column_of_a_contract_is_described_with_its_rules_and_sensitivity(
    loaded: dg.Definitions,
) -> None:
    schemas = {
        spec.key.to_user_string(): spec.metadata.get("dagster/column_schema")
        for spec in loaded.resolve_all_asset_specs()
    }
    schema = schemas["silver/retail/order_lines"]
    assert isinstance(schema, dg.TableSchema)
    columns = {column.name: column for column in schema.columns}

    assert all(column.description for column in schema.columns)
    assert columns["customer_id"].tags["sensitivity"] == "personal"
    assert "not_equal_to" in columns["quantity"].constraints.other


def test_sensors_and_the_schedule_run_without_being_switched_on(loaded: dg.Definitions) -> None:
    repository = loaded.get_repository_def()

    assert {s.default_status for s in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}
    assert {s.default_status for s in repository.schedule_defs} == {
        dg.DefaultScheduleStatus.RUNNING
    }


def test_a_backfill_of_any_asset_is_one_run(loaded: dg.Definitions) -> None:
    graph = loaded.get_repository_def().asset_graph
    keys = graph.get_all_asset_keys()

    assert keys
    for key in keys:
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run(), key


def test_the_steps_of_every_job_share_one_process_and_so_one_spark_session(
    loaded: dg.Definitions,
) -> None:
    jobs = loaded.get_repository_def().get_all_jobs()

    assert jobs
    for job in jobs:
        assert job.executor_def is dg.in_process_executor, job.name


def test_the_files_that_say_what_dagster_loads_name_the_module_that_loads() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))
    cloud = yaml.safe_load((ROOT / "dagster_cloud.yaml").read_text("utf-8"))
    [loads] = workspace["load_from"]
    [deploys] = cloud["locations"]

    module = loads["python_module"]["module_name"]
    assert deploys["code_source"]["module_name"] == module
    assert deploys["location_name"] == loads["python_module"]["location_name"]
    found = [each for each in vars(import_module(module)).values() if _loads(each)]
    assert len(found) == 1
    assert found[0]().resolve_all_asset_specs()


def _loads(found: object) -> bool:
    """Whether Dagster takes it for a module's definitions."""
    return isinstance(found, LazyDefinitions)


@pytest.mark.parametrize("script", [LOAD, DECLARE], ids=["all", "an ordinary asset"])
def test_loading_prints_nothing_and_makes_nothing(script: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DATA_PLATFORM_HOME": str(home)},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("", "")
    assert not home.exists()


if __name__ == "__main__":
    from data_platform.definitions import defs as definitions

    SNAPSHOT.write_text(_written(described(definitions())), "utf-8")
    print(f"{SNAPSHOT.name} has the names as they are now; `git diff` shows what changed")
