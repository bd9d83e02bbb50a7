"""Any id that a run left somewhere leads to it, and to what it built."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from data_platform.lake.errors import NotThere
from data_platform.lake.files import files_by_partition
from data_platform.lake.origin import RUN, TRACE
from data_platform.lake.snapshots import summaries
from data_platform.operations.finding import FoundRun, find
from data_platform.runs.tags import BACKFILL_ID_TAG
from data_platform.tables.identity import TableId
from data_platform.telemetry.ids import trace_of
from data_platform_tests.support.homes import (
    BRONZE,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.tables import TABLES

DAY, HELD = "2011-03-29", "2011-03-30"


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A day that was published, and one whose silver partition is held back."""
    with home_at(tmp_path_factory.mktemp("found"), TABLES[:2]) as home:
        home.land(key_of(DAY), csv(shop_lines(DAY)))
        home.run()
        home.land(key_of(HELD), csv(["no number,,,,,,,"]))
        home.run()
        yield home


def only(home: Home, name: str) -> FoundRun:
    [found] = find(home.platform, name)
    return found


def run_of(home: Home, partition: str) -> str:
    newest = home.platform.builds.latest(TableId.parse(BRONZE), [partition])
    return newest[partition].run_id


def test_a_run_is_found_by_its_id_and_by_its_trace(home: Home) -> None:
    run_id = run_of(home, DAY)

    found = only(home, run_id)

    assert found == only(home, trace_of(run_id)) == only(home, trace_of(run_id).upper())
    assert (found.run, found.trace) == (run_id, trace_of(run_id))
    assert (found.job, found.status) == ("retail_daily", "success")
    assert [(each["table"], each["partition"], each["rows"]) for each in found.built] == [
        (BRONZE, DAY, 3),
        (SILVER, DAY, 3),
    ]
    assert found.created and found.ended and found.created <= found.ended


def test_a_rejected_rows_attempt_leads_to_the_run_that_held_it_back(home: Home) -> None:
    [attempt] = home.quarantined(HELD)

    found = only(home, attempt)

    assert found.run == run_of(home, HELD)
    [held] = [each for each in found.built if each["table"] == SILVER]
    assert (held["attempt"], held["state"]) == (attempt, "held_back")
    assert held["detail"]


def test_a_snapshot_leads_to_the_run_that_committed_it(home: Home) -> None:
    snapshot = home.platform.lake.load(TableId.parse(SILVER)).current_snapshot()
    assert snapshot

    assert only(home, str(snapshot.snapshot_id)).run == run_of(home, DAY)


def test_a_backfill_leads_to_its_runs(home: Home) -> None:
    job = home.definitions.resolve_job_def("retail_daily")
    runs = [
        home.instance.create_run_for_job(job, tags={BACKFILL_ID_TAG: "lxcvbnmq"}) for _ in range(2)
    ]

    found = find(home.platform, "lxcvbnmq")

    assert {each.run for each in found} == {run.run_id for run in runs}
    assert not any(each.built for each in found)


def test_a_run_whose_record_was_deleted_still_has_what_it_built(
    spark: SparkSession, tmp_path: Path
) -> None:
    with home_at(tmp_path, TABLES[:1]) as home:
        home.land(key_of(DAY), csv(shop_lines(DAY)))
        home.run()
        run_id = run_of(home, DAY)
        home.instance.delete_run(run_id)

        found = only(home, run_id)

    assert "no record of it" in found.line
    assert [each["partition"] for each in found.built] == [DAY]


@pytest.mark.parametrize("name", ["7", "abc", "7c9e6679-7425-40de-944b-e07fc1f90ae7", ""])
def test_an_id_of_nothing_is_refused_with_what_an_id_can_be(home: Home, name: str) -> None:
    with pytest.raises(NotThere, match="a trace, a backfill, an attempt or a snapshot"):
        find(home.platform, name)


def test_a_row_in_quarantine_a_data_file_and_a_snapshot_name_the_trace(home: Home) -> None:
    [rejected] = home.quarantined(HELD).values()
    traces = {row["_trace"] for row in rejected}
    found = [only(home, trace) for trace in traces]
    assert [each.run for each in found] == [run_of(home, HELD)]

    for table in (BRONZE, SILVER):
        loaded = home.platform.lake.load(TableId.parse(table))
        [summary] = [each for each in summaries(loaded) if each[RUN] == run_of(home, DAY)]
        [file] = files_by_partition(loaded, [DAY])[DAY]
        with home.platform.storage.open_input(file.file_path) as opened:
            footer = pq.ParquetFile(pa.BufferReader(opened.read())).metadata.metadata
        for said in (summary, plain(footer)):
            assert said[RUN] == only(home, said[TRACE] or "").run == run_of(home, DAY)


def plain(footer: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in footer.items()}
