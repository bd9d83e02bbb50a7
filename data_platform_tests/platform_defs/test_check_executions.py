"""The rows of check evaluations, and what storing many of them costs a database."""

from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from benchmarks.event_volume import CHECKS, ranged_run, shop
from data_platform.build.dagster_internals import CHECK_EXECUTIONS, EventLog, execute
from data_platform.build.events import Log
from data_platform.quality.findings import Finding
from data_platform.runs.instance import open_instance
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.settings.environment import environment_kept, settings_at
from data_platform_tests.support.databases import DATABASES

STORES = dg.StaticPartitionsDefinition(["leeds", "york", "hull"])
COLUMNS = CHECK_EXECUTIONS.c
LINES = dg.AssetKey(["silver", "shop", "lines"])
VOLUME = dg.AssetCheckKey(LINES, "volume")


@pytest.fixture(params=DATABASES)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with (
        environment_kept(),
        open_instance(settings_at(tmp_path, dagster_database=url)) as instance,
    ):
        yield instance


@dataclass
class Cost:
    statements: int = 0
    transactions: int = 0


@contextmanager
def counted() -> Iterator[Cost]:
    cost = Cost()

    def executed(
        connection: object,
        cursor: object,
        statement: str,
        parameters: Sized,
        context: object,
        many: bool,
    ) -> None:
        if statement.startswith("ANALYZE") or "n_mod_since_analyze" in statement:
            return  # as the tables grow, whatever a batch has
        # Inserted rows are sent together, what else is executed for many rows one by one.
        cost.statements += len(parameters) if many and not statement.startswith("INSERT") else 1

    def committed(*_: object) -> None:
        cost.transactions += 1

    event.listen(sa.Engine, "before_cursor_execute", executed)
    event.listen(sa.Engine, "commit", committed)
    try:
        yield cost
    finally:
        event.remove(sa.Engine, "before_cursor_execute", executed)
        event.remove(sa.Engine, "commit", committed)


def test_a_batch_takes_as_many_statements_and_transactions_for_ten_times_the_partitions(
    instance: dg.DagsterInstance,
) -> None:
    costs = []
    for name, count in (("first", 2), ("few", 30), ("many", 300)):
        asset = shop(name, count)
        with counted() as cost:
            ranged_run(instance, asset)
        costs.append(cost)

    _, few, many = costs  # the first makes what a process makes once
    assert many == few
    assert 0 < few.transactions < few.statements < 300


def findings(count: int, passed: bool = True) -> list[Finding]:
    """What is found of so many days, and of a whole table."""
    days = shop("lines", count).keys
    found = [Finding(check, passed, True, "", partition=day) for day in days for check in CHECKS]
    return [*found, Finding("volume", passed, True, "")]


def test_results_without_a_run_take_as_many_statements_for_ten_times_the_partitions(
    instance: dg.DagsterInstance,
) -> None:
    costs = []
    for count in (2, 30, 300):
        with counted() as cost:
            Log(instance, LINES).findings(findings(count))
        costs.append(cost)

    _, few, many = costs
    assert many == few
    assert 0 < few.transactions < few.statements < 60


def test_a_later_result_without_a_run_takes_the_place_of_the_earlier_one(
    instance: dg.DagsterInstance,
) -> None:
    log, query = Log(instance, LINES), sa.select(COLUMNS.id, COLUMNS.execution_status)
    ranged_run(instance, shop("lines", 3))
    of_run = _rows(instance, query)
    log.findings([*findings(3), *findings(3)])
    before = set(_rows(instance, query)) - set(of_run)
    assert len(before) == len(findings(3))

    log.findings(findings(3, passed=False)[:4])

    now = set(_rows(instance, query)) - set(of_run)
    assert [row.execution_status for row in sorted(now)][-4:] == ["FAILED"] * 4
    assert len(now) == len(before) and len(now & before) == len(before) - 4
    assert set(of_run) < set(_rows(instance, query))
    assert len(instance.event_log_storage.get_asset_check_execution_history(VOLUME, limit=99)) == 7


def test_each_partition_has_one_row_of_each_check_of_the_run(instance: dg.DagsterInstance) -> None:
    asset = shop("lines", 30)
    for _ in range(2):
        ranged_run(instance, asset)

    per_check = sa.select(COLUMNS.check_name, COLUMNS.run_id, COLUMNS.execution_status)
    counts = per_check.add_columns(sa.func.count(COLUMNS.partition.distinct()), sa.func.count())
    found = _rows(instance, counts.group_by(*per_check.selected_columns))
    assert sorted(name for name, *_ in found) == sorted(CHECKS * 2)
    assert {tuple(rest) for _, _, *rest in found} == {("SUCCEEDED", 30, 30)}


def test_the_results_of_a_run_stay_behind_a_run_that_was_created_later(
    instance: dg.DagsterInstance,
) -> None:
    asset = shop("lines", 5)
    job = asset.definitions.resolve_job_def("ranged")
    tags = {RANGE_START: asset.keys[0], RANGE_END: asset.keys[-1]}
    first, second = (instance.create_run_for_job(job, tags=tags) for _ in range(2))
    planned = _rows(instance, sa.select(COLUMNS.id, COLUMNS.partition, COLUMNS.run_id))

    execute(job, first, instance)

    query = sa.select(COLUMNS.id, COLUMNS.partition, COLUMNS.run_id, COLUMNS.execution_status)
    found = _rows(instance, query)
    assert sorted(row[:3] for row in found) == sorted(planned)
    assert {row.run_id: row.execution_status for row in found} == {
        first.run_id: "SUCCEEDED",
        second.run_id: "PLANNED",
    }


def test_a_planned_row_does_not_list_the_other_partitions_of_the_run(
    instance: dg.DagsterInstance,
) -> None:
    @dg.asset(
        partitions_def=STORES,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("rules", asset="sales", partitions_def=STORES)],
    )
    def sales() -> Iterator[dg.Output]:
        yield dg.Output(None)

    definitions = dg.Definitions([sales], jobs=[dg.define_asset_job("ranged", [sales])])
    job = definitions.resolve_job_def("ranged")
    instance.create_run_for_job(job, tags={RANGE_START: "leeds", RANGE_END: "hull"})

    found = _rows(instance, sa.select(COLUMNS.partition, COLUMNS.evaluation_event))
    assert {row.partition for row in found} == set(STORES.get_partition_keys())
    assert not [row for row in found if "york" in row.evaluation_event]
    check = dg.AssetCheckKey(sales.key, "rules")
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
    assert [record.status.value for record in history] == ["PLANNED"] * len(found)


def _rows(instance: dg.DagsterInstance, query: sa.Select) -> list[sa.Row]:
    storage = instance.event_log_storage
    assert isinstance(storage, EventLog)
    with storage.index_connection() as connection:
        return list(connection.execute(query))
