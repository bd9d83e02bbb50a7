import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_platform.storage import parquet_file
from data_platform.storage.parquet_file import ParquetFile

SCHEMA = pa.schema([("n", pa.int64())])


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch({"n": list(numbers)}, schema=SCHEMA)


def test_small_batches_share_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "ROW_GROUP_BYTES", 4 * batch(1).nbytes)
    path = tmp_path / "numbers.parquet"
    file = ParquetFile(lambda: pa.OSFile(str(path), "wb"), SCHEMA)
    for n in range(10):
        file.write(batch(n))
        assert file.is_open == path.exists() == (n >= 3)
    assert (file.written, file.waiting) == (8 * batch(1).nbytes, 2 * batch(1).nbytes)
    size = file.close()
    found = pq.ParquetFile(path).metadata
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [4, 4, 2]
    assert (file.rows, size) == (10, path.stat().st_size)
    assert pq.read_table(path).column("n").to_pylist() == list(range(10))


def test_many_rows_are_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "ROW_GROUP_ROWS", 3)
    path = tmp_path / "numbers.parquet"
    file = ParquetFile(lambda: pa.OSFile(str(path), "wb"), SCHEMA)
    file.write(batch(*range(7)))
    file.close()
    found = pq.ParquetFile(path).metadata
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [3, 3, 1]


@pytest.mark.parametrize("batches", [[], [batch()]])
def test_a_file_without_rows_has_its_schema(tmp_path: Path, batches: list) -> None:
    path = tmp_path / "empty.parquet"
    file = ParquetFile(lambda: pa.OSFile(str(path), "wb"), SCHEMA)
    for each in batches:
        file.write(each)
    file.close()
    assert pq.read_table(path).schema.names == ["n"]
    assert pq.read_table(path).num_rows == 0


def test_what_waits_is_not_written_to_a_file_that_is_abandoned(tmp_path: Path) -> None:
    path = tmp_path / "abandoned.parquet"
    sink = pa.OSFile(str(path), "wb")
    file = ParquetFile(lambda: sink, SCHEMA)
    file.write(batch(1))
    file.flush()
    file.write(batch(2))
    file.abandon()
    assert sink.closed
    assert pq.read_metadata(path).num_rows == 1


def test_a_file_that_is_abandoned_before_its_first_row_group_is_never_opened() -> None:
    file = ParquetFile(lambda: pytest.fail("opened"), SCHEMA)
    file.write(batch(1))
    file.abandon()


class _Full(io.BytesIO):
    """A disk that is full after the first four bytes."""

    def write(self, data: Any) -> int:
        if self.tell() >= 4:
            raise OSError("No space left on device")
        return super().write(data)


def test_the_sink_is_closed_also_when_the_rows_cannot_be_written() -> None:
    sink = pa.PythonFile(_Full())
    file = ParquetFile(lambda: sink, SCHEMA)
    file.write(batch(1))
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert sink.closed
