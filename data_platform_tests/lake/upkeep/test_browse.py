import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyspark.sql import types as T

from data_platform.cli.main import main
from data_platform.lake.upkeep.browse import (
    count,
    figures,
    history,
    partition_history,
    partition_rows,
    rows,
)
from data_platform.settings.environment import settings_from_env
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Two commits: Monday and Tuesday, then another Tuesday."""
    home.make()
    home.write({MONDAY: [1, 2], TUESDAY: [3]}, run="run00001")
    home.write({TUESDAY: [4, 5]}, run="run00002")
    return home


def command(home: LakeHome, *words: str):
    """`data-platform` on this home; the lake's places are a home's."""
    env = {"DATA_PLATFORM_HOME": str(home.folder), "DATA_PLATFORM_ENV": "test"}
    env |= home.place.environment
    assert settings_from_env(env).catalog_uri == home.lake.properties["uri"]
    return CliRunner(env=env).invoke(main, list(words))


def shown(home: LakeHome, *words: str):
    result = command(home, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_figures_say_what_a_table_holds_since_when_and_by_which_run(home: LakeHome):
    (sales,) = figures(home.lake)
    assert (sales.table, sales.rows, sales.partitions, sales.files) == (str(SALES), 4, 2, 2)
    assert sales.run == "run00002"
    assert sales.committed and abs(sales.committed - dt.datetime.now(dt.UTC)).total_seconds() < 300


def test_a_table_never_written_has_no_figures(home: LakeHome):
    home.make(TableId.parse("silver/shop/empty"))
    assert [figure.table for figure in figures(home.lake)] == [str(SALES)]


def test_history_is_newest_first(home: LakeHome):
    newest, oldest = history(home.lake.load(SALES))
    assert [oldest.snapshot, newest.snapshot] == home.snapshots()
    assert (oldest.run, oldest.partitions, oldest.total_rows, oldest.current) == (
        "run00001",
        2,
        3,
        False,
    )
    assert (newest.added_rows, newest.deleted_rows, newest.total_rows) == (2, 1, 4)
    assert newest.current


def test_the_history_of_a_partition_is_of_its_own_versions(home: LakeHome):
    first, second = home.snapshots()
    sales = home.lake.load(SALES)

    changed = partition_history(sales, TUESDAY)

    assert [(f.snapshot, f.run, f.rows) for f in changed] == [
        (second, "run00002", 2),
        (first, "run00001", 1),
    ]
    assert [f.snapshot for f in partition_history(sales, MONDAY)] == [first]
    assert partition_history(sales, WEDNESDAY) == []
    assert partition_history(sales, TUESDAY.replace("-", "")) == changed  # the same day


def test_a_version_whose_commit_is_forgotten_has_no_time_and_no_run(home: LakeHome):
    home.make(properties={"data_platform.retention.snapshots": "1"})
    assert shown(home, "expire")

    (monday,) = shown(home, "history", str(SALES), "--partition", MONDAY)

    assert (monday["committed"], monday["run"], monday["rows"]) == (None, "", 2)
    assert monday["version"].startswith("run00001")
    (tuesday,) = partition_history(home.lake.load(SALES), TUESDAY)
    assert (tuesday.run, tuesday.committed is None) == ("run00002", False)


def test_rows_of_a_partition_now_and_as_of_a_snapshot(home: LakeHome):
    def numbers(**options) -> list[int]:
        return sorted(rows(home.lake.load(SALES), **options).read_all()["n"].to_pylist())

    first, _ = home.snapshots()
    assert numbers() == [1, 2, 4, 5]
    assert numbers(partition=TUESDAY) == [4, 5]
    assert numbers(partition=TUESDAY, snapshot=first) == [3]
    assert numbers(partition=WEDNESDAY) == []
    assert len(numbers(limit=1)) == 1


def test_rows_are_counted_as_they_are_read(home: LakeHome):
    table = home.lake.load(SALES)
    first, _ = home.snapshots()
    for partition in (None, MONDAY, TUESDAY, WEDNESDAY):
        for snapshot in (None, first):
            asked = {"partition": partition, "snapshot": snapshot}
            assert count(table, **asked) == rows(table, **asked).read_all().num_rows
    with pytest.raises(LakeError, match="no snapshot 7"):
        count(table, snapshot=7)


def test_what_is_no_partition_or_snapshot_is_refused(home: LakeHome):
    table = home.lake.load(SALES)
    with pytest.raises(
        LakeError, match=r"'EIRE' is not a partition of .*: it is partitioned by day"
    ):
        rows(table, partition="EIRE")
    with pytest.raises(LakeError, match="no snapshot 7; its newest are"):
        rows(table, snapshot=7)


@pytest.mark.parametrize("kind", [T.TimestampNTZType(), T.TimestampType()])
def test_rows_of_an_hour(home: LakeHome, kind):
    table = TableId.parse("silver/shop/hours")
    fields = [T.StructField("hour", kind, False), T.StructField("n", T.LongType())]
    loaded = home.make(table, T.StructType(fields), ("hour",))
    zone = dt.UTC if kind == T.TimestampType() else None
    hours = [dt.datetime(2011, 3, 7, hour, tzinfo=zone) for hour in (5, 6)]
    data = pa.table({"hour": pa.array(hours), "n": pa.array([5, 6], pa.int64())})
    keys = ["2011-03-07-05:00", "2011-03-07-06:00"]
    home.publish(home.stage(data.cast(loaded.schema().as_arrow()), keys, table=table))
    found = rows(home.lake.load(table), partition="2011-03-07-05:00").read_all()
    assert found["n"].to_pylist() == [5]


def test_rows_by_partition(home: LakeHome):
    assert partition_rows(home.lake, SALES) == {MONDAY: 2, TUESDAY: 2}
    assert partition_rows(home.lake, TableId.parse("silver/shop/none")) == {}


def test_the_command_line_shows_the_same(home: LakeHome):
    first, _ = home.snapshots()
    (table,) = shown(home, "tables")
    assert (table["table"], table["rows"]) == (str(SALES), 4)
    newest, oldest = shown(home, "history", str(SALES))
    assert (newest["current"], oldest["snapshot"]) == (True, str(first))  # JSON has 53 bits
    assert {row["n"] for row in shown(home, "show", str(SALES), "--partition", TUESDAY)} == {4, 5}
    then = shown(home, "show", str(SALES), "--partition", TUESDAY, "--at", str(first))
    assert [row["n"] for row in then] == [3]


def test_show_says_how_many_of_how_many_rows(home: LakeHome):
    assert f"{SALES}: 1 of 4 rows" in command(home, "show", str(SALES), "--limit", "1").output
    assert f"{SALES}: 4 rows" in command(home, "show", str(SALES)).output
    asked = ["--partition", TUESDAY, "--limit", "0"]
    assert f"{SALES}: 0 of 2 rows" in command(home, "show", str(SALES), *asked).output


def test_export_writes_one_file_of_what_was_asked_for(home: LakeHome, tmp_path):
    target = tmp_path / "out.parquet"
    first, _ = home.snapshots()
    asked = ["--partition", TUESDAY, "--at", str(first)]
    assert "1 row" in command(home, "export", str(SALES), str(target), *asked).output
    assert pq.read_table(target)["n"].to_pylist() == [3]
    assert "4 rows" in command(home, "export", str(SALES), str(target), "--force").output
    assert pq.read_table(target).num_rows == 4


def test_a_mistyped_table_is_answered_with_the_nearest(home: LakeHome):
    result = command(home, "show", "silver/shop/sale")
    assert result.exit_code != 0
    assert "silver/shop/sales" in result.output


def test_clean_and_expire_from_the_command_line(home: LakeHome):
    home.make(properties={"data_platform.retention.snapshots": "1"})
    assert shown(home, "expire") == [{"table": str(SALES), "snapshots": 1}]
    asked = ["--grace-hours", "0"]
    found = shown(home, "clean", "--dry-run", *asked)
    assert found
    assert shown(home, "clean", *asked) == found
    assert shown(home, "clean", *asked) == []
    assert home.numbers() == {MONDAY: [1, 2], TUESDAY: [4, 5]}
