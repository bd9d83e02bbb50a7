"""What the first load of a shop, through the sensors' decisions, makes of its files."""

from datetime import date
from typing import Any

import dagster as dg
import pytest

from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
)
from data_platform_tests.support.loaded_shop import REJECTED, LoadedShop
from data_platform_tests.support.places import SOME_PLACES
from data_platform_tests.support.retail import oracle, rules

SHOP_PLACES = SOME_PLACES


def _days(days: list[date] | tuple[date, ...]) -> set[str]:
    return set(map(str, days))


def test_every_row_ends_where_the_manifest_says(shop: LoadedShop) -> None:
    days = {str(day): counts for day, counts in shop.manifest.days.items()}
    good = {day: counts for day, counts in days.items() if not counts.held_back}

    assert shop.rows[BRONZE] == {day: counts.rows for day, counts in days.items()}
    assert shop.rows[SILVER] == {day: counts.published for day, counts in good.items()}
    quarantined = {day: counts.quarantined for day, counts in days.items() if counts.quarantined}
    assert _without_zeros(shop.rows["quarantine/retail/order_lines"]) == quarantined
    duplicates = {day: counts.duplicates for day, counts in days.items() if counts.duplicates}
    assert _without_zeros(shop.rows["duplicates/retail/order_lines"]) == duplicates


def _without_zeros(counts: dict[str, int]) -> dict[str, int]:
    return {key: count for key, count in counts.items() if count}


def test_bronze_is_what_landed(shop: LoadedShop) -> None:
    readable = [row for row in oracle.read(shop.landed) if row.object not in shop.manifest.failed]

    rules.require_bronze(shop.received, readable)


def test_every_other_table_is_what_the_rules_say(shop: LoadedShop) -> None:
    readable = [row for row in oracle.read(shop.landed) if row.object not in shop.manifest.failed]
    silver, held_back = oracle.silver(readable), shop.manifest.held_back

    rules.require_silver(shop.made[SILVER], silver, held_back)
    rules.require_rejected(shop.rejected["quarantine"], shop.rejected["duplicates"], silver)
    rules.require_gold(
        lambda name: rules.rows(shop.made[f"gold/retail/{name}"]),
        [line for line in silver.published if line.day not in held_back],
    )


@pytest.mark.parametrize("layer", REJECTED)
def test_rejected_rows_are_as_received(shop: LoadedShop, layer: str) -> None:
    received = {
        (row["_source_object"], row["_row_number"]): row for row in shop.received.to_pylist()
    }
    rejected = shop.rejected[layer]
    columns = shop.received.column_names

    assert rejected.num_rows
    assert set(columns) < set(rejected.column_names)
    for row in rejected.to_pylist():
        place = row["_source_object"], row["_row_number"]
        assert {name: row[name] for name in columns} == received[place], place


def test_conservation_holds_over_the_whole_home(shop: LoadedShop) -> None:
    held = [counts for counts in shop.manifest.days.values() if counts.held_back]

    assert shop.balance.difference == 0
    assert shop.balance.received == shop.manifest.rows
    assert shop.balance.published == shop.manifest.published
    assert shop.balance.held_back == sum(counts.rows for counts in held)


def test_unreadable_and_unknown_objects_are_in_the_ledger_and_the_others_are_loaded(
    shop: LoadedShop,
) -> None:
    manifest = shop.manifest
    failed, unknown = len(manifest.failed), len(manifest.unknown)

    assert shop.states == {
        "pending": 0,
        "loaded": manifest.files - failed - unknown,
        "failed": failed,
        "unknown": unknown,
    }
    listed = {entry.key: entry.error for entry in shop.home.platform.ledger.failed()}
    assert set(manifest.failed) <= set(listed)
    assert all(listed.values())


def test_an_unreadable_object_is_a_failed_check_on_its_partition_which_is_published(
    shop: LoadedShop,
) -> None:
    for key in shop.manifest.failed:
        day = key.removeprefix("online_retail/")[:10]
        found = shop.home.check(BRONZE, "readable", day)

        assert found is not None and not found.passed
        assert key in (found.description or "")
        assert day in shop.versions[SILVER]


def test_a_partitions_page_says_which_versions_of_which_objects_it_was_built_from(
    shop: LoadedShop,
) -> None:
    entries = shop.home.platform.ledger.loaded("online_retail")
    shown = {
        (record.data["key"], record.data["version"])
        for event in shop.home.materialized(BRONZE).values()
        if "landed_objects" in event.metadata  # a day without files has none
        for record in _records(event.metadata["landed_objects"])
        if not record.data["trouble"]
    }

    assert shown and shown <= {(entry.key, entry.version) for entry in entries}


def _records(shown: dg.MetadataValue) -> list[dg.TableRecord]:
    assert isinstance(shown, dg.TableMetadataValue)
    return list(shown.records)


def test_a_ranged_run_with_a_bad_day_publishes_the_others_and_fails_naming_it(
    shop: LoadedShop,
) -> None:
    first, *_ = shop.ran
    [bad] = map(str, shop.manifest.held_back)

    assert not first.success
    [failure] = first.failures
    assert f"1 of {len(shop.manifest.days)} partitions held back" in failure
    assert f"{bad}: rules: " in failure
    assert set(shop.versions[SILVER]) == _days(list(shop.manifest.days)) - {bad}


def test_gold_of_the_published_days_is_built_although_their_run_failed(shop: LoadedShop) -> None:
    good = set(shop.versions[SILVER])

    assert [ran.success for ran in shop.ran[1:]] == [True] * len(shop.ran[1:])
    assert set(shop.versions[SALES]) == set(shop.versions[DEMAND]) == good
    assert set(shop.versions[SEGMENTS]) == {"2011-03-01"}


def test_bad_data_is_not_retried(shop: LoadedShop) -> None:
    events = shop.home.instance.all_logs(shop.ran[0].run_id)
    kinds = {event.dagster_event_type for event in events if event.is_dagster_event}

    assert dg.DagsterEventType.STEP_FAILURE in kinds
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds


def test_a_held_back_day_is_a_failed_check_on_its_partition_with_its_reasons(
    shop: LoadedShop,
) -> None:
    home, run = shop.home, shop.ran[0].run_id
    [bad] = map(str, shop.manifest.held_back)
    [found] = [
        event.asset_check_evaluation_data
        for event in (log.dagster_event for log in home.instance.all_logs(run))
        if event is not None
        and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.asset_key == dg.AssetKey(SILVER.split("/"))
        and event.asset_check_evaluation_data.check_name == "rules"
        and event.asset_check_evaluation_data.partition == bad
    ]

    assert not found.passed and found.blocking
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert "unit_price.typed" in (found.description or "")
    of_day = shop.manifest.days[date.fromisoformat(bad)]
    assert found.metadata["quarantined"].value == str(of_day.quarantined)


def test_gold_warns_of_the_day_that_is_held_back(shop: LoadedShop) -> None:
    [bad] = shop.manifest.held_back
    after = next(day for day in shop.manifest.days if day > bad)
    history = _evaluations(shop, shop.ran[1].run_id, DEMAND, "inputs")

    assert not history[str(after)].passed
    assert history[str(after)].severity == dg.AssetCheckSeverity.WARN
    assert f"{SILVER} {bad}" in (history[str(after)].description or "")
    assert history[str(shop.day(0))].passed


def _evaluations(
    shop: LoadedShop, run_id: str, table: str, check: str
) -> dict[str, dg.AssetCheckEvaluation]:
    """The evaluations of a check in one run, by partition."""
    found = {}
    for log in shop.home.instance.all_logs(run_id):
        event = log.dagster_event
        if event and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            data = event.asset_check_evaluation_data
            if (data.asset_key.to_user_string(), data.check_name) == (table, check):
                found[data.partition] = data
    return found


def test_published_partitions_are_materialized_with_their_figures_and_held_back_ones_are_not(
    shop: LoadedShop,
) -> None:
    manifest, home = shop.manifest, shop.home
    events = {
        event.partition: event
        for log in home.instance.all_logs(shop.ran[0].run_id)
        if log.dagster_event
        and log.dagster_event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
        and (event := log.dagster_event.step_materialization_data.materialization)
        and event.asset_key == dg.AssetKey(SILVER.split("/"))
    }

    assert set(events) == set(shop.versions[SILVER])  # not of days that nothing landed for
    assert not {str(day) for day in manifest.held_back} & set(events)
    for partition, event in events.items():
        figures: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
        counts = manifest.days[date.fromisoformat(str(partition))]
        assert figures["dagster/partition_row_count"] == counts.published
        assert figures["quarantined"] == counts.quarantined
        assert figures["duplicates"] == counts.duplicates
        assert figures["files"] == 1
        assert figures["size_kib"] > 0
        assert int(figures["snapshot_id"]) > 0
        assert figures["attempt"] == shop.versions[SILVER][str(partition)]


def test_a_run_builds_all_days_in_one_version(shop: LoadedShop) -> None:
    assert len(set(shop.versions[SILVER].values())) == 1
