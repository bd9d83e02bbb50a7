import csv
import io
import json
import os
import pickle
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_platform.contracts.names import indistinct
from data_platform.landing import bronze_files
from data_platform.landing.formats.csv import Csv
from data_platform.landing.formats.csv_reader import BLOCK
from data_platform.landing.parse import (
    ParseReport,
    StoredObject,
    parse_partition,
)
from data_platform.storage import parquet_file
from data_platform_tests.support.landed_partition import SEEN, Partition
from data_platform_tests.support.places import Place

GOOD = b'a,b\n1,2\n,""\n'
# Longer than a block of the reader, so that good rows are read before the bad byte is met.
BAD_LATE = b"a,b\n" + b"1,2\n" * (BLOCK // 2) + b"\xff,2\n"


@pytest.fixture
def partition(place: Place) -> Partition:
    return Partition(place)


@pytest.fixture
def local(tmp_path: Path) -> Partition:
    """In a directory, for what only a file system can have or do."""
    (tmp_path / "landing").mkdir()
    return Partition(Place.directory(tmp_path))


def outcome(report: ParseReport) -> dict[str, int | str | None]:
    return {o.key: o.error.kind if o.error else o.rows for o in report.objects}


def rows_of(report: ParseReport) -> int:
    return sum(file.rows for file in report.files)


def test_rows_carry_their_partition_and_their_lineage(partition: Partition) -> None:
    partition.land(x=GOOD, y=b"b,a\n9,8\n7\n")
    report = parse_partition(partition.work())
    assert len(report.files) == 1
    found = partition.table(report)
    assert found.select(["day", "a", "b", "_source_object", "_row_number"]).to_pylist() == [
        {"day": date(2011, 3, 4), "a": a, "b": b, "_source_object": key, "_row_number": number}
        for a, b, key, number in [
            ("1", "2", "x.csv", 1), (None, "", "x.csv", 2),
            ("8", "9", "y.csv", 1), (None, "7", "y.csv", 2),
        ]
    ]  # fmt: skip
    rescued = partition.table(report).column("_rescued").to_pylist()
    assert rescued[:3] == [None] * 3
    assert json.loads(rescued[3]) == {"expected": 2, "found": 1, "text": "7"}
    assert set(partition.table(report).column("_ingested_at").to_pylist()) == {SEEN}


def test_the_files_have_the_schema_that_is_promised(partition: Partition) -> None:
    partition.land(x=GOOD)
    work = partition.work()
    report = parse_partition(work)
    assert partition.table(report).schema.equals(work.schema)
    footer = partition.open(partition.files()[0]).metadata
    columns = [footer.row_group(0).column(n) for n in range(footer.num_columns)]
    day = columns[0].statistics
    assert {column.compression for column in columns} == {"ZSTD"}
    assert day.min == day.max == date(2011, 3, 4)
    assert footer.num_row_groups == 1


def test_duckdb_reads_the_same_rows(partition: Partition, tmp_path: Path) -> None:
    partition.land(x=GOOD)
    parse_partition(partition.work())
    copied = tmp_path / "copied.parquet"
    copied.write_bytes(partition.place.read(partition.files()[0]))
    read = duckdb.sql(f"select a, b, _row_number, day from '{copied}'")
    assert read is not None
    assert read.fetchall() == [("1", "2", 1, date(2011, 3, 4)), (None, "", 2, date(2011, 3, 4))]


@pytest.mark.parametrize(
    "value", ["uk", 7, date(2011, 3, 1), datetime(2011, 3, 4, 5)], ids=lambda v: type(v).__name__
)
def test_a_partition_is_a_text_a_number_a_date_or_a_moment(
    partition: Partition, value: Any
) -> None:
    partition.land(x=GOOD)
    report = parse_partition(partition.work(partition="a/b|c", values={"p": value}))
    assert partition.table(report).column("p").to_pylist() == [value] * 2


def test_no_rows_no_file(partition: Partition) -> None:
    partition.land(x=b"a,b\n")
    report = parse_partition(partition.work())
    assert (report.files, rows_of(report), outcome(report)) == ((), 0, {"x.csv": 0})
    assert partition.files() == []


def test_an_unreadable_object_fails_alone(partition: Partition) -> None:
    partition.land(a=GOOD, b=BAD_LATE, c=GOOD, d=b"", e=b"x,y\n1,2\n")
    report = parse_partition(partition.work())
    assert outcome(report) == {
        "a.csv": 2, "b.csv": "unreadable", "c.csv": 2, "d.csv": "unreadable", "e.csv": "unreadable"
    }  # fmt: skip
    assert set(partition.table(report).column("_source_object").to_pylist()) == {"a.csv", "c.csv"}
    error = report.objects[1].error
    assert error is not None
    assert not error.transient
    assert error.message.startswith("not utf-8: byte 0xff at offset")


def test_a_large_object_that_goes_bad_leaves_nothing_of_its_own_files(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bronze_files, "SHARED_INPUT", 1000)
    monkeypatch.setattr(parquet_file, "ROW_GROUP_BYTES", 1000)
    partition.land(a=GOOD, b=BAD_LATE, c=BAD_LATE.replace(b"\xff", b"3"), d=GOOD)
    report = parse_partition(partition.work())
    rows = BLOCK // 2 + 1
    assert outcome(report) == {"a.csv": 2, "b.csv": "unreadable", "c.csv": rows, "d.csv": 2}
    assert [file.rows for file in report.files] == [4, rows]
    assert len(partition.files()) == 2
    assert partition.table(report).column("_row_number").to_pylist()[4:] == list(range(1, rows + 1))


def test_much_input_is_cut_into_several_files(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, limit in [
        (bronze_files, "SHARED_INPUT"),
        (bronze_files, "FILE_INPUT"),
        (parquet_file, "ROW_GROUP_BYTES"),
    ]:
        monkeypatch.setattr(module, limit, 1 << 20)
    partition.land(a=b"a,b\n" + b"1,2\n" * BLOCK)
    report = parse_partition(partition.work())
    assert len(report.files) > 3
    assert partition.table(report).column("_row_number").to_pylist() == list(range(1, BLOCK + 1))


def test_an_object_that_vanished_or_changed_may_be_tried_again(partition: Partition) -> None:
    partition.land(a=GOOD, b=GOOD, c=GOOD, d=GOOD)
    work = partition.work()
    partition.unland("a")
    partition.land(b=GOOD + b"3,4\n", d=b"\xff")
    report = parse_partition(work)
    assert outcome(report) == {
        "a.csv": "vanished", "b.csv": "changed", "c.csv": 2, "d.csv": "changed"
    }  # fmt: skip
    assert all(o.error.transient for o in report.objects if o.error)
    assert rows_of(report) == 2


def test_an_object_rewritten_in_place_is_changed(local: Partition, tmp_path: Path) -> None:
    local.land(a=GOOD)
    work = local.work()
    os.utime(tmp_path / "landing" / "a.csv", ns=(0, 0))
    assert outcome(parse_partition(work)) == {"a.csv": "changed"}


def test_what_cannot_be_read_for_now_may_be_tried_again(local: Partition, tmp_path: Path) -> None:
    local.land(a=GOOD)
    (tmp_path / "landing" / "b.csv").mkdir()
    [a] = local.work().objects
    status = (tmp_path / "landing" / "b.csv").stat()
    modified = datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1e6, UTC)
    directory = replace(a, id=2, key="b.csv", uri=a.uri.replace("a.csv", "b.csv"))
    report = parse_partition(local.work(objects=(a, replace(directory, modified=modified))))
    assert report.objects[0].rows == 2
    assert report.objects[1].error is not None
    assert report.objects[1].error.transient


def test_rows_of_objects_that_are_gone_are_carried_over(partition: Partition) -> None:
    partition.land(a=GOOD, b=b"a,b\n3\n", c=GOOD)
    first = parse_partition(partition.work())
    [file] = first.files
    partition.unland("b")
    partition.unland("a")
    work = partition.work(carry=(StoredObject(7, "b.csv", 1),), present=(file.uri,))
    second = parse_partition(work)
    assert outcome(second) == {"c.csv": 2, "b.csv": 1}
    old = partition.table(first).to_pylist()
    assert partition.table(second).to_pylist() == old[3:] + old[2:3]


def test_a_loaded_object_that_goes_before_a_rebuild_keeps_its_rows(partition: Partition) -> None:
    partition.land(a=GOOD, b=GOOD)
    [file] = parse_partition(partition.work()).files
    a, b = partition.work().objects
    partition.unland("a")
    a = replace(a, previous=StoredObject(a.id, a.key, 2))
    report = parse_partition(partition.work(objects=(a, b), present=(file.uri,)))
    assert [(o.id, o.error and o.error.kind, o.rows) for o in report.objects] == [
        (1, "vanished", None), (2, None, 2), (1, None, 2),
    ]  # fmt: skip
    assert rows_of(report) == 4


def test_a_corrupt_reupload_keeps_the_rows_of_the_version_before(partition: Partition) -> None:
    partition.land(a=GOOD)
    [file] = parse_partition(partition.work()).files
    partition.land(a=BAD_LATE)
    [item] = partition.work().objects
    item = replace(item, id=2, previous=StoredObject(1, "a.csv", 2))
    report = parse_partition(partition.work(objects=(item,), present=(file.uri,)))
    assert [(o.id, o.rows) for o in report.objects] == [(2, None), (1, 2)]
    assert partition.table(report).column("b").to_pylist() == ["2", ""]


def test_present_files_without_a_column_carry_nulls(partition: Partition) -> None:
    partition.land(a=GOOD)
    [file] = parse_partition(partition.work()).files
    wider = Csv(columns=("a", "new", "b"))
    work = partition.work(
        format=wider, objects=(), carry=(StoredObject(1, "a.csv", 2),), present=(file.uri,)
    )
    assert partition.table(parse_partition(work)).column("new").to_pylist() == [None, None]


def test_all_that_is_carried_comes_in_one_read_of_the_present_files(partition: Partition) -> None:
    partition.land(a=GOOD, b=b"a,b\n3\n", c=GOOD)
    [file] = parse_partition(partition.work()).files
    work = partition.work(
        objects=(),
        carry=(StoredObject(3, "c.csv", 2), StoredObject(1, "a.csv", 2)),
        present=(file.uri,),
    )
    report = parse_partition(work)
    assert [(o.id, o.rows) for o in report.objects] == [(3, 2), (1, 2)]
    # in the order of the file, not object by object
    assert (
        partition.table(report).column("_source_object").to_pylist()
        == ["a.csv"] * 2 + ["c.csv"] * 2
    )


@pytest.mark.parametrize("held", [0, 1, 3])
def test_a_partition_that_has_other_rows_to_carry_than_were_loaded_is_refused(
    partition: Partition, held: int
) -> None:
    partition.land(a=GOOD, b=b"a,b\n" + b"3,4\n" * held)
    [file] = parse_partition(partition.work()).files
    before = partition.files()
    partition.unland("b")
    work = partition.work(carry=(StoredObject(9, "b.csv", 2),), present=(file.uri,))
    report = parse_partition(work)
    assert (report.files, report.objects) == ((), ())
    assert "b.csv is not in the landing bucket in the version" in str(report.refused)
    assert f"bronze holds {held} rows of it where the ledger has 2; land it" in str(report.refused)
    assert "or roll bronze forward" in str(report.refused)
    assert partition.files() == before


def test_a_partition_without_present_files_has_nothing_to_carry(partition: Partition) -> None:
    partition.land(a=GOOD)
    gone, empty = StoredObject(8, "gone.csv", 2), StoredObject(9, "empty.csv", 0)
    assert rows_of(parse_partition(partition.work(carry=(empty,)))) == 2
    assert "gone.csv" in str(parse_partition(partition.work(carry=(empty, gone))).refused)


def test_a_corrupt_present_file_refuses_the_partition_and_names_the_way_out(
    partition: Partition,
) -> None:
    partition.land(a=GOOD)
    [file] = parse_partition(partition.work()).files
    partition.place.write(partition.files()[0], b"PAR1 and no more")
    before = partition.files()
    work = partition.work(carry=(StoredObject(9, "z.csv", 1),), present=(file.uri,))
    refused = str(parse_partition(work).refused)
    assert re.search(r"z\.csv: .* cannot be copied from .* land it again", refused)
    assert partition.files() == before


def test_an_error_in_writing_raises_and_leaves_no_file(
    local: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bronze_files, "SHARED_INPUT", 1000)
    monkeypatch.setattr(parquet_file, "ROW_GROUP_BYTES", 1000)
    local.land(a=b"a,b\n" + b"1,2\n" * BLOCK, b=GOOD)
    (tmp_path / "blocked").write_text("a file where a directory should be")
    with pytest.raises(OSError, match="blocked"):
        parse_partition(local.work(target=f"{tmp_path}/blocked/attempt"))
    assert local.files() == []


def test_two_tries_of_a_task_write_files_of_their_own(partition: Partition) -> None:
    partition.land(a=GOOD)
    first, second = parse_partition(partition.work()), parse_partition(partition.work())
    assert first.files[0].uri != second.files[0].uri
    assert partition.table(first).equals(partition.table(second))


def test_work_and_report_travel_to_another_process(partition: Partition) -> None:
    partition.land(a=GOOD, b=b"")
    report = parse_partition(pickle.loads(pickle.dumps(partition.work())))
    assert pickle.loads(pickle.dumps(report)) == report


line = st.sampled_from([b"1,2\n", b"1\n", b'1,"2\n3"\n', b"1,2,3\n", b"\n", b"\xff,1\n", b'"1'])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(line, max_size=6).map(b"".join), min_size=1, max_size=4))
def test_the_rows_reported_are_the_rows_on_disk(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    partition = Partition(Place.directory(tmp_path_factory.mktemp("partition")))
    partition.land(**{f"o{n}": b"a,b\n" + body for n, body in enumerate(bodies)})
    report = parse_partition(partition.work())
    assert len(report.objects) == len(bodies)
    assert sum(o.rows or 0 for o in report.objects) == rows_of(report)
    on_disk: dict[str, int] = {}
    if report.files:
        for key in partition.table(report).column("_source_object").to_pylist():
            on_disk[key] = on_disk.get(key, 0) + 1
    assert on_disk == {o.key: o.rows for o in report.objects if o.rows}
    assert len(partition.files()) == len(report.files)


NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NAMES = st.lists(NAME, min_size=1, max_size=6).filter(
    lambda names: not indistinct(names) and not any(name.startswith("_") for name in names)
)


@settings(max_examples=60, deadline=None)
@given(NAMES, st.text(st.characters(codec="utf-8"), max_size=300))
def test_columns_and_partitions_of_any_name_are_parsed(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], key: str
) -> None:
    partition = Partition(Place.directory(tmp_path_factory.mktemp("named")))
    text = io.StringIO()
    rows = [names, [f"{n}" for n, _ in enumerate(names)]]
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    partition.land(file=text.getvalue().encode())
    work = partition.work(format=Csv(tuple(names)), partition=key, values={"_key": key})
    report = parse_partition(work)
    assert [one.error for one in report.objects] == [None]
    (row,) = partition.table(report).to_pylist()
    assert [row[name] for name in names] == rows[1]
    assert row["_key"] == key
