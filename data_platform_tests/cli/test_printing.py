import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from data_platform.cli.printing import as_json, column_widths, records, write_parquet

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


SNAPSHOT = "4846912942884703040"
RUN = "c23594f5-4f4a-4dba-a0e2-1bab92842a36"


def test_a_row_that_is_too_wide_for_the_terminal_is_a_block_with_its_ids_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    row = {"snapshot": SNAPSHOT, "run": RUN, "again": RUN, "why": "none of the words " * 9}

    records("history", [row, row])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "history"
    assert [line.split() for line in lines[2:5]] == [
        ["snapshot", SNAPSHOT],
        ["run", RUN],
        ["again", RUN],
    ]
    assert all(len(line) <= 80 for line in lines)
    assert lines[1] == "" and lines.count("") == 2  # a block each
    assert "│" not in "".join(lines)


def test_text_of_many_words_is_wrapped_in_a_table_that_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    records("held", [{"run": RUN, "why": "none of the words " * 9}])

    lines = capsys.readouterr().out.splitlines()
    assert RUN in lines[4] and "│" in lines[4]
    assert all(len(line) <= 80 for line in lines)


def test_a_word_that_is_longer_than_the_terminal_is_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    records("files", [{"file": "s3://bucket/" + "a" * 80}])

    assert "s3://bucket/" + "a" * 80 in capsys.readouterr().out.splitlines()[2]


@given(data=st.data(), columns=st.integers(1, 6), room=st.integers(0, 150))
def test_columns_fit_and_hold_every_word(data: st.DataObject, columns: int, room: int) -> None:
    lines = data.draw(
        st.lists(
            st.lists(st.text("ab 字\n", max_size=40), min_size=columns, max_size=columns),
            min_size=1,
            max_size=4,
        )
    )
    words = [
        max((cell_len(word) for text in column for word in text.split()), default=0)
        for column in zip(*lines, strict=True)
    ]

    widths = column_widths(lines, room)

    if widths is None:
        assert sum(max(word, 30) for word in words) > room  # text is not squeezed below that
    else:
        assert sum(widths) <= room
        assert all(width >= word for width, word in zip(widths, words, strict=True))


def test_a_moment_says_its_zone_and_all_of_it_where_it_is_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moment = dt.datetime(2011, 3, 4, 10, 0, 0, 1500, dt.UTC)
    rows = [{"utc": moment, "local": moment.replace(tzinfo=None)}]

    records("t", rows)
    records("t", rows, exact=True)
    records("t", rows, True)

    said = capsys.readouterr().out
    assert "│ 2011-03-04 10:00:00 UTC │ 2011-03-04 10:00:00 │" in said
    assert "│ 2011-03-04 10:00:00.001500 UTC │ 2011-03-04 10:00:00.001500 │" in said
    assert '"utc": "2011-03-04T10:00:00.001500+00:00"' in said


def test_a_number_is_printed_with_all_its_digits(capsys: pytest.CaptureFixture[str]) -> None:
    records("t", [{"a": 12345.678, "b": Decimal("17299.800"), "c": 0.1}])

    *_, row, _ = capsys.readouterr().out.splitlines()
    assert row.split() == ["│", "12345.678", "│", "17299.800", "│", "0.1", "│"]


def test_what_a_terminal_would_take_for_a_command_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records("t", [{"a": "\x1b[31mred"}])

    assert "\\x1b[31mred" in capsys.readouterr().out


def test_json_has_nothing_that_a_reader_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    as_json({"nan": float("nan"), "bytes": b"\x00\xff", "deep": [{"inf": float("-inf")}]})

    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"nan": "nan", "bytes": "00ff", "deep": [{"inf": "-inf"}]}


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
