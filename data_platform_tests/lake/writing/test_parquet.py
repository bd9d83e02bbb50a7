"""Files of partitions whose rows come in turns."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import types as T

from data_platform.lake.writing import parquet
from data_platform.lake.writing.layout import Layout, Part
from data_platform.lake.writing.parquet import write_batches
from data_platform.storage.files import Storage
from data_platform.tables.identity import Partitioning
from data_platform.tables.outcomes import DATA

SCHEMA = pa.schema([("shop", pa.string()), ("n", pa.int64())])
SHOP = Partitioning.of(T.StructType([T.StructField("shop", T.StringType())]), ("shop",))


class Counting(Storage):
    """Counts the files that are open at once."""

    opened: ClassVar[list[BinaryIO]] = []
    most = 0

    def open_output(self, location: str) -> BinaryIO:
        sink = super().open_output(location)
        type(self).opened = [each for each in self.opened if not each.closed] + [sink]
        type(self).most = max(self.most, len(self.opened))
        return sink


def _layout(folder: Path, storage: Storage | None = None) -> Layout:
    part = Part(f"file://{folder}", SCHEMA, (("shop",), ("n",)))
    return Layout(SHOP, "attempt", {DATA: part}, storage or Storage())


def _in_turns(shops: int, batches: int, rows: int = 10) -> Iterator[pa.RecordBatch]:
    """Each batch has rows of every shop, all of a shop together."""
    names = [f"shop-{n:03}" for n in range(shops) for _ in range(rows)]
    for number in range(batches):
        yield pa.record_batch({"shop": names, "n": [number] * len(names)}, schema=SCHEMA)


def _files(reports: Iterator[pa.RecordBatch]) -> Counter:
    return Counter(row["key"] for report in reports for row in report.to_pylist())


def test_partitions_that_come_in_turns_have_a_file_each(tmp_path: Path) -> None:
    found = _files(write_batches(_in_turns(20, 50), _layout(tmp_path)))

    assert (len(found), set(found.values())) == (20, {1})
    assert pq.read_table(tmp_path).num_rows == 20 * 50 * 10


def test_more_partitions_than_a_task_keeps_open_have_more_files_and_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_PARTITIONS", 3)

    found = _files(write_batches(_in_turns(5, 4), _layout(tmp_path)))

    assert found.total() == 5 * 4
    assert sorted(pq.read_table(tmp_path).column("n").to_pylist()) == sorted([*range(4)] * 50)


def test_rows_that_wait_are_written_before_they_take_too_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_WAITING_BYTES", 4096)
    monkeypatch.setattr(parquet, "_OPEN_FILES", 4)

    found = _files(write_batches(_in_turns(4, 100), _layout(tmp_path, Counting())))

    assert set(found.values()) == {1}
    assert 1 < Counting.most <= 4
    groups = [pq.read_metadata(path).num_row_groups for path in tmp_path.iterdir()]
    assert min(groups) > 1


def test_files_that_are_open_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_WAITING_BYTES", 4096)
    monkeypatch.setattr(parquet, "_OPEN_FILES", 4)
    monkeypatch.setattr(Counting, "most", 0)

    reports = write_batches(_in_turns(12, 100), _layout(tmp_path, Counting()))

    assert _files(reports).total() > 12
    assert Counting.most <= 6  # one more while it is decided, and one while it is closed
    assert pq.read_table(tmp_path).num_rows == 12 * 100 * 10


def test_a_few_rows_of_a_batch_do_not_keep_all_of_it_in_memory(tmp_path: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(100):
            names = ["many"] * 50_000 + ["few"]
            yield pa.record_batch({"shop": names, "n": range(50_001)}, schema=SCHEMA)
            held.append(pa.total_allocated_bytes() - before)

    held: list[int] = []
    before = pa.total_allocated_bytes()

    assert set(_files(write_batches(batches(), _layout(tmp_path))).values()) == {1}

    assert max(held) < 2 * parquet._WAITING_BYTES
