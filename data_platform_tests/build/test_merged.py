"""A merged table: whatever comes, in whatever order, it is the newest row of each key."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.build.merged import build_merged
from data_platform.build.result import StepResult
from data_platform.contracts.schema import schema_of
from data_platform.lake.errors import PartitionConflict, SchemaConflict
from data_platform.lake.files import attempt_of, files_by_partition
from data_platform.lake.upkeep.rollback import plan_rollback
from data_platform.tables.outcomes import DATA
from data_platform_tests.support.clients import CHANGES, Change, Client, Clients, read_by
from data_platform_tests.support.faults import Crash

MONDAY, TUESDAY, WEDNESDAY = (f"2011-03-0{n}" for n in (7, 8, 9))


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Clients:
    return Clients(tmp_path, spark)


def test_a_delta_inserts_new_keys_and_updates_those_that_are_there(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo"), (2, 10, "rome")]})
    shop.run()
    shop.changes({TUESDAY: [(2, 20, "bern"), (3, 20, None)]})
    result = shop.run()

    assert sorted(shop.rows) == [(1, 10, "OSLO"), (2, 20, "BERN"), (3, 20, None)]
    assert read_by(result) == f"2 rows of the table and 2 of {CHANGES}"


def test_an_older_row_that_comes_late_changes_nothing_of_a_newer_one(shop: Clients) -> None:
    shop.changes({TUESDAY: [(1, 20, "bern")]})
    shop.run()
    shop.changes({MONDAY: [(1, 10, "oslo"), (2, 10, "rome")]})
    shop.run()

    assert sorted(shop.rows) == [(1, 20, "BERN"), (2, 10, "ROME")]


def test_nothing_new_means_no_new_snapshot_and_built_all_the_same_it_has_the_same_rows(
    shop: Clients,
) -> None:
    shop.changes({MONDAY: [(1, 10, None), (1, 10, "oslo")]})
    shop.run()
    before, snapshots = shop.rows, shop.snapshots

    assert shop.run() is None
    assert shop.snapshots == snapshots

    result = shop.run(only_stale=False)

    assert read_by(result) == f"0 rows of the table and 2 of {CHANGES}"
    assert shop.rows == before == [(1, 10, "OSLO")]
    assert len(shop.snapshots) == len(snapshots) + 1


def test_a_day_that_comes_again_with_more_rows_costs_that_day(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")], TUESDAY: [(2, 20, "rome")]})
    shop.run()
    shop.changes({TUESDAY: [(2, 20, "rome"), (3, 20, "bern")]})
    result = shop.run()

    assert set(shop.rows) == shop.newest
    assert read_by(result) == f"2 rows of the table and 2 of {CHANGES}"


def test_of_rows_that_tie_the_last_arrived_is_kept_whatever_it_says(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "rome"), (2, 10, "z"), (3, 10, "oslo"), (3, 10, None)]})
    shop.run()
    assert sorted(shop.rows) == [(1, 10, "ROME"), (2, 10, "Z"), (3, 10, None)]

    shop.changes({TUESDAY: [(1, 10, "bern")]})
    shop.run()
    assert sorted(shop.rows) == [(1, 10, "BERN"), (2, 10, "Z"), (3, 10, None)]

    shop.changes({MONDAY: [(1, 10, "a"), (2, 10, "a"), (3, 10, "a")]})
    result = shop.run()
    assert sorted(shop.rows) == [(1, 10, "A"), (2, 10, "A"), (3, 10, "A")]
    assert read_by(result) == f"3 rows of the table and 3 of {CHANGES}"


def test_a_function_that_drops_when_rows_arrived_is_told_what_to_do(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")]})
    selecting = replace(
        shop.table,
        function=lambda client_changes: client_changes.select(*schema_of(Client).names[:3]),
    )
    with pytest.raises(SchemaConflict, match=r"_source_object.* arrived last.*arrival=False"):
        build_merged(selecting, shop.plan(), shop.platform, shop.spark, "run00001")


def test_a_row_that_its_day_no_longer_has_gives_way_to_the_one_before_it(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")], TUESDAY: [(1, 20, "rome"), (2, 20, "bern")]})
    shop.run()
    shop.changes({TUESDAY: [(2, 20, "bern")]})
    result = shop.run()

    assert sorted(shop.rows) == [(1, 10, "OSLO"), (2, 20, "BERN")]
    assert read_by(result) == f"0 rows of the table and 2 of {CHANGES}"


def test_columns_in_another_order_than_declared_are_the_same_rows(shop: Clients) -> None:
    """A column that is added to the contract stands last in the table."""
    fields = schema_of(shop.table.contract).fields
    swapped = T.StructType([fields[1], fields[0], *fields[2:]])  # of one type
    shop.platform.lake.ensure(shop.table.id, swapped)
    shop.changes({MONDAY: [(1, 10, "oslo")], TUESDAY: [(1, 20, "rome"), (2, 20, "bern")]})
    shop.run()
    shop.changes({TUESDAY: [(2, 20, "bern")]})
    shop.run()

    assert set(shop.rows) == shop.newest


def test_a_row_that_its_day_no_longer_has_and_the_table_neither_costs_that_day(
    shop: Clients,
) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo"), (2, 10, "bern")], TUESDAY: [(1, 20, "rome")]})
    shop.run()
    shop.changes({MONDAY: [(2, 10, "bern")]})
    result = shop.run()

    assert sorted(shop.rows) == [(1, 20, "ROME"), (2, 10, "BERN")]
    assert read_by(result) == f"2 rows of the table and 1 of {CHANGES}"


def test_days_without_rows_leave_the_table_without_rows(shop: Clients) -> None:
    shop.changes({MONDAY: []})
    shop.run()
    shop.changes({TUESDAY: []})
    shop.run()

    assert shop.rows == []
    assert len(shop.snapshots) == 2


def _with_the_one_before(client_changes: DataFrame) -> DataFrame:
    """The city of the change before, which a plan cannot show to be of the same day."""
    before = Window.partitionBy("client").orderBy("changed")
    return client_changes.withColumn("city", F.lag("city").over(before))


def test_a_function_that_would_see_more_than_a_day_is_given_each_day_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    days: dict[str, list[Change]] = {
        MONDAY: [(1, 10, "oslo"), (1, 11, "rome")],
        TUESDAY: [(1, 20, "bern"), (2, 20, "bonn")],
    }
    found = []
    for steps in ([days], [{MONDAY: days[MONDAY]}, {TUESDAY: days[TUESDAY]}]):
        shop = Clients(tmp_path / str(len(steps)), spark)
        shop.table = replace(shop.table, function=_with_the_one_before)
        for landed in steps:
            shop.changes(landed)
            shop.run()
        found.append(sorted(shop.rows))

    assert found[0] == found[1] == [(1, 20, None), (2, 20, None)]


def test_a_row_that_breaks_a_rule_holds_the_merge_back_until_its_day_is_fixed(
    shop: Clients,
) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")]})
    shop.run()
    shop.changes({TUESDAY: [(1, 20, "rome"), (-2, 20, "bern")]})
    held = shop.run()

    assert held and "client.greater_than_or_equal_to 1" in held.write.held_back[""]
    assert shop.rows == [(1, 10, "OSLO")]
    assert shop.run() is None  # the same rows would be held back again

    shop.changes({TUESDAY: [(1, 20, "rome"), (2, 20, "bern")]})
    shop.run()

    assert set(shop.rows) == shop.newest


def test_a_correction_that_a_rule_rejects_takes_the_place_of_nothing(shop: Clients) -> None:
    """The row that it corrects is gone from the input, so what is held back lacks it too."""
    shop.changes({MONDAY: [(1, 10, "oslo")], TUESDAY: [(1, 20, "rome"), (2, 20, "bern")]})
    shop.run()
    shop.changes({TUESDAY: [(1, 10**6, "rome"), (2, 20, "bern")]})
    held = shop.run()

    assert held and "changed.less_than" in held.write.held_back[""]
    anew = shop.build(shop.plan(only_stale=False))
    for result in (held, anew):
        assert read_by(result) == f"0 rows of the table and 3 of {CHANGES}"
        assert sorted(_staged(result)) == [(1, 10, "OSLO"), (2, 20, "BERN")]


def _staged(result: StepResult) -> list[Change]:
    """What would be published if the attempt were released."""
    paths = [file.path for file in result.write.staged.files[DATA]]
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return [(row["client"], row["changed"], row["city"]) for row in rows]


def test_of_two_merges_at_once_the_second_is_refused_and_merges_when_it_is_planned_again(
    shop: Clients,
) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")]})
    shop.run()
    shop.changes({TUESDAY: [(1, 20, "rome")]})
    late = shop.build(shop.plan())
    shop.changes({WEDNESDAY: [(1, 30, "bern"), (2, 30, "bern")]})
    shop.run()

    with pytest.raises(PartitionConflict, match="clients"):
        shop.publish(late.write)

    assert set(shop.rows) == shop.newest
    shop.run()
    assert set(shop.rows) == shop.newest


def test_a_merge_planned_before_another_was_published_is_refused(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")]})
    shop.run()
    shop.changes({TUESDAY: [(2, 20, "rome")]})
    planned = shop.plan()
    shop.run()

    with pytest.raises(PartitionConflict):
        shop.publish(shop.build(planned).write)

    assert sorted(shop.rows) == [(1, 10, "OSLO"), (2, 20, "ROME")]


def test_killed_before_or_after_the_commit_the_next_run_leaves_each_change_in_once(
    shop: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args, **kwargs):
        raise Crash

    shop.changes({MONDAY: [(1, 10, "oslo")]})
    shop.run()
    shop.changes({TUESDAY: [(1, 20, "rome"), (2, 20, "bern")]})
    for step in ("replace_partitions", "forget_old_snapshots"):
        with monkeypatch.context() as patch:
            patch.setattr(f"data_platform.lake.writing.publish.{step}", killed)
            with pytest.raises(Crash):
                shop.run(only_stale=False)

        committed = step == "forget_old_snapshots"
        assert set(shop.rows) == (shop.newest if committed else {(1, 10, "OSLO")})
        assert (shop.run() is None) == committed
        assert set(shop.rows) == shop.newest


def test_after_a_rollback_the_next_delta_brings_back_what_came_since(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")]})
    shop.run()
    shop.changes({TUESDAY: [(1, 20, "rome"), (2, 20, "bern")]})
    shop.run()
    platform = shop.platform
    back = plan_rollback(
        platform.lake, platform.builds, platform.storage, shop.table.id, to=shop.snapshots[0]
    )
    assert back
    back.apply()
    assert shop.rows == [(1, 10, "OSLO")]

    shop.changes({WEDNESDAY: [(3, 30, "kyiv")]})
    result = shop.run()

    assert set(shop.rows) == shop.newest
    assert read_by(result) == f"1 row of the table and 3 of {CHANGES}"


def test_where_the_inputs_snapshot_is_forgotten_all_of_it_is_merged_again(shop: Clients) -> None:
    shop.changes({MONDAY: [(1, 10, "oslo")]})
    shop.run()
    shop.changes({TUESDAY: [(2, 20, "rome")]})
    upstream = shop.platform.lake.load(CHANGES)
    upstream.maintenance.expire_snapshots().by_id(upstream.snapshots()[0].snapshot_id).commit()
    result = shop.run()

    assert set(shop.rows) == shop.newest
    assert read_by(result) == f"0 rows of the table and 2 of {CHANGES}"


def test_all_files_of_the_table_are_of_one_attempt(shop: Clients) -> None:
    shop.changes({MONDAY: [(client, 10, "oslo") for client in range(50)]})
    shop.run()
    shop.changes({TUESDAY: [(1, 20, "rome")]})
    result = shop.run()

    assert result
    [files] = files_by_partition(shop.platform.lake.load(shop.table.id)).values()
    assert {attempt_of(file.file_path) for file in files} == {result.write.attempt}


_changes = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from(["a", "B", "c", None])),
    max_size=6,
)
_steps = st.lists(
    st.dictionaries(st.sampled_from([MONDAY, TUESDAY, WEDNESDAY]), _changes, min_size=1),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100 if settings().max_examples >= 1000 else 5)
@given(steps=_steps)
def test_any_deltas_in_any_order_give_the_newest_row_of_each_key(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, steps: list
) -> None:
    shop = Clients(tmp_path_factory.mktemp("shop"), spark)
    for days in steps:
        shop.changes(days)
        shop.run()

        rows: list[Change] = shop.rows
        assert set(rows) == shop.newest
        assert len(rows) == len(set(rows))
