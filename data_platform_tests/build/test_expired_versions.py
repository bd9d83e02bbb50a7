"""What a build says and does where a version of a dimension that it must read has expired."""

from dataclasses import replace

import dagster as dg
import pytest

from data_platform.assets import JudgedTable
from data_platform.build.planning import plan, plan_due
from data_platform.build.platform import Platform
from data_platform.build.table_checks import checks_left_alone
from data_platform.lake.files import files_by_partition
from data_platform.lake.writing.release import NotReleasable
from data_platform.operations.dropping import apply_drop, plan_drop
from data_platform.operations.release import release
from data_platform.operations.repair import held_partitions, stale_partitions
from data_platform.quality.mapping import dimension
from data_platform.runs.due import stale
from data_platform.runs.instance import open_instance
from data_platform.runs.scope import Scope
from data_platform.storage.errors import LakeError
from data_platform_tests.support.priced_sales import (
    DAYS,
    build_due,
    priced,
    prices,
    sales,
    sold,
    stale_keys,
    totals_over,
)
from data_platform_tests.support.sums import declared, stored


def _built_with_a_price_that_expired(platform: Platform, table: JudgedTable) -> None:
    """The first day, by a version of the prices that is no longer there."""
    priced(platform, 100)
    sold(platform, DAYS[0])
    build_due(platform, table)
    priced(platform, 500)
    loaded = platform.lake.load(prices.id)
    loaded.maintenance.expire_snapshots().by_ids([loaded.snapshots()[0].snapshot_id]).commit()


def test_a_version_that_expired_is_named_with_the_ways_out(platform: Platform) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)
    sold(platform, DAYS[0])

    with pytest.raises(LakeError, match=r"gold/shop/totals 30.10.2015 reads .*prices as of"):
        plan_due(table, platform)
    shown = stale_partitions(platform, [table, sales])
    assert [(row["table"], row["partition"]) for row in shown] == [("gold/shop/totals", DAYS[0])]
    assert "has expired; declare dimension(changes='latest')" in shown[0]["why"]


def test_what_reads_an_expired_version_does_not_keep_new_days_from_being_built(
    platform: Platform,
) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)

    sold(platform, DAYS[1])

    assert stale_keys(platform, table) == [DAYS[1]]
    build_due(platform, table)
    assert stored(platform, table) == {DAYS[0]: 101, DAYS[1]: 501}
    assert stale_keys(platform, table) == []


def test_a_held_back_day_that_reads_an_expired_version_stops_nothing(platform: Platform) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)
    sold(platform, DAYS[0])
    [built] = platform.builds.latest(table.id).values()
    [files] = files_by_partition(platform.lake.load(table.id)).values()
    staged = [(file.file_path, file.record_count, file.file_size_in_bytes) for file in files]
    again = replace(built, attempt="held", state="held_back", failed=("rules",), staged=staged)
    platform.builds.record([again])

    assert [row["partition"] for row in held_partitions(platform, [table])] == [DAYS[0]]
    assert [str(row["released_by"]) for row in held_partitions(platform, [table])] == [
        f"it cannot be built again as things are: {_expired(platform, table)}"
    ]
    with pytest.raises(NotReleasable, match=r"changed since it was held back; .* has expired"):
        release(platform, [table], table.id, partition=DAYS[0], by="ann", reason="why")
    planned = plan(table, platform, DAYS[:1], only_stale=True)
    assert (planned.keys, list(planned.expired)) == ((), [DAYS[0]])
    assert planned.digests.keys() == {DAYS[0]}  # what a release or a rollback records
    told = [
        f for f in checks_left_alone(table, platform, planned, DAYS[:1]).findings if not f.passed
    ]
    assert any("has expired" in finding.description for finding in told)

    sold(platform, DAYS[1])
    build_due(platform, table)
    shown = {row["partition"]: row["why"] for row in stale_partitions(platform, [table])}
    assert list(shown) == [DAYS[0]] and "has expired" in shown[DAYS[0]]


def _expired(platform: Platform, table: JudgedTable) -> str:
    return plan(table, platform, DAYS[:1], only_stale=True).expired[DAYS[0]]


@pytest.mark.parametrize("way_out", ["drop", "latest"])
def test_what_reads_an_expired_version_is_built_by_each_of_the_ways_out_that_it_names(
    platform: Platform, way_out: str
) -> None:
    table = totals_over(dimension(of="gold/shop/prices", changes="as_of"))
    _built_with_a_price_that_expired(platform, table)
    sold(platform, DAYS[0])
    said = _expired(platform, table)
    assert f"`data-platform drop gold/shop/totals --partition {DAYS[0]}`" in said
    assert "dimension(changes='latest')" in said

    if way_out == "drop":
        with open_instance(platform.settings) as instance:
            planned = plan_drop(platform, [table], table.id, DAYS[0])
            apply_drop(Scope(instance, platform, [table]), planned)
    else:
        table = totals_over(dimension(of="gold/shop/prices", changes="latest"))

    build_due(platform, table)
    assert stored(platform, table) == {DAYS[0]: 501}


def test_the_trouble_of_one_table_does_not_stop_the_others(platform: Platform) -> None:
    troubled = totals_over(dimension(of="gold/shop/prices", changes="as_of"))
    other = declared("others", "days", {"a": "gold/shop/sales"})
    _built_with_a_price_that_expired(platform, troubled)
    sold(platform, DAYS[0])
    told: list[str] = []

    with dg.DagsterInstance.ephemeral() as instance:
        scope = Scope(instance, platform, [troubled, other])
        [due] = stale(scope, trouble=told.append)

    assert due.request.asset_selection == [other.key]
    [text] = told
    assert text.startswith("gold/shop/totals is not built: gold/shop/totals 30.10.2015 reads")
