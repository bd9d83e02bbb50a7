import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_platform.observability.printing import records, write_parquet

TEXTS = ("SEE [/b] HERE", "MUG [red] x", ":red_circle:", "[bold]", "https://a.b/c", "'quoted' 12")


@pytest.mark.parametrize("text", TEXTS)
def test_a_cell_a_column_and_a_title_are_printed_as_they_are(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    records(text, [{text: text}])
    records(text, [])

    title, _, header, _, cell, _, none = capsys.readouterr().out.splitlines()
    assert title.strip() == text
    assert text in header and text in cell
    assert none == f"{text}: none"


def test_only_counts_get_thousands_separators(capsys: pytest.CaptureFixture[str]) -> None:
    records(
        "t", [{"rows": 12345, "year": 20110, "month": 2011, "snapshot": 10**18}], counts=["rows"]
    )

    said = capsys.readouterr().out
    assert "12,345" in said
    assert "20110" in said and "2011 " in said and str(10**18) in said


def test_what_is_false_is_told_from_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    records("t", [{"spike": False, "sure": None}])

    *_, row, _ = capsys.readouterr().out.splitlines()
    assert row.split() == ["│", "no", "│", "│"]


def test_json_is_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    records("t", [{"a": "[/b]"}], True, counts=["a"])

    assert json.loads(capsys.readouterr().out) == [{"a": "[/b]"}]


def _batches(broken: bool) -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"n": [1, 2]})
    if broken:
        raise OSError("the reader broke")


def test_an_export_that_breaks_leaves_what_was_there(tmp_path: Path) -> None:
    schema, file = pa.schema({"n": pa.int64()}), tmp_path / "n.parquet"

    assert write_parquet(pa.RecordBatchReader.from_batches(schema, _batches(False)), file) == 2
    with pytest.raises(OSError, match="the reader broke"):
        write_parquet(pa.RecordBatchReader.from_batches(schema, _batches(True)), file)

    assert pq.read_table(file).num_rows == 2
    assert [path.name for path in tmp_path.iterdir()] == ["n.parquet"]


def test_an_export_to_no_folder_names_it(tmp_path: Path) -> None:
    reader = pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), _batches(False))

    with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere"):
        write_parquet(reader, tmp_path / "nowhere" / "n.parquet")
