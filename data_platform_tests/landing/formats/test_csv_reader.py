import io
import json
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_platform.landing.formats.csv import Csv
from data_platform.landing.formats.csv_reader import BLOCK, read_csv
from data_platform.landing.formats.format import UnreadableObject, rows_schema

AB = Csv(columns=("a", "b"))
ABC = Csv(columns=("a", "b", "c"))


def rows(data: bytes, csv: Csv = AB, **options: Any) -> list[dict[str, Any]]:
    batches = list(read_csv(io.BytesIO(data), csv, key="k.csv", **options))
    assert all(batch.num_rows for batch in batches)
    return pa.Table.from_batches(batches, rows_schema(csv.schema)).to_pylist()


def values(data: bytes, csv: Csv = AB, **options: Any) -> list[tuple[str | None, ...]]:
    return [tuple(row[name] for name in csv.columns) for row in rows(data, csv, **options)]


def error(data: bytes, csv: Csv = AB, **options: Any) -> str:
    with pytest.raises(UnreadableObject) as caught:
        rows(data, csv, **options)
    assert caught.value.key == "k.csv"
    return caught.value.message


def test_an_empty_field_is_null_and_a_quoted_empty_field_is_empty() -> None:
    assert values(b'a,b\n,""\n"",\n') == [(None, ""), ("", None)]


def test_quoted_line_breaks_quotes_and_delimiters_survive() -> None:
    assert values(b'a,b\r\n"x\r\ny","say ""hi"", you"\r\n') == [("x\r\ny", 'say "hi", you')]


def test_a_quote_inside_an_unquoted_field_is_a_character() -> None:
    assert values(b'a,b\n5" nails,"x"\n') == [('5" nails', "x")]


def test_blanks_and_unicode_are_kept() -> None:
    assert values("a,b\n  x ,\u00a0☃\n".encode()) == [("  x ", "\u00a0☃")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_is_understood_and_the_last_may_be_missing(end: bytes) -> None:
    data = end.join([b"a,b", b"1,2", b"", b"3,4"])
    assert values(data) == values(data + end) == [("1", "2"), ("3", "4")]


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    assert values(b"\xef\xbb\xbfa,b\n1,2\n") == [("1", "2")]


def test_columns_come_in_the_declared_order() -> None:
    assert values(b"b,a\n1,2\n") == [("2", "1")]


@pytest.mark.parametrize("block_size", range(8, 24))
def test_a_quoted_crlf_across_two_blocks_is_kept(block_size: int) -> None:
    table = [("\r\n" * n, "\r\r\n") for n in range(1, 9)]
    data = "a,b\n" + "".join(f'"{a}","{b}"\n' for a, b in table)
    assert values(data.encode(), block_size=block_size) == table


def test_a_header_alone_is_an_object_without_rows() -> None:
    assert rows(b"a,b\n") == rows(b"a,b") == []


def test_blank_lines_are_no_rows() -> None:
    numbers = [row["_row_number"] for row in rows(b"\n\r\na,b\n\n1,2\n\n\n3,4\n\n")]
    assert numbers == [1, 2]


def test_ragged_rows_keep_their_fields_by_position_and_are_rescued() -> None:
    data = b'c,a,b\n1,2,3\n4\n5,6,"7\n8",9\n\n"",x,y\n'
    found = rows(data, ABC)
    assert [row["_row_number"] for row in found] == [1, 2, 3, 4]
    assert [(row["a"], row["b"], row["c"]) for row in found] == [
        ("2", "3", "1"), (None, None, "4"), ("6", "7\n8", "5"), ("x", "y", ""),
    ]  # fmt: skip
    assert [row["_rescued"] and json.loads(row["_rescued"]) for row in found] == [
        None,
        {"expected": 3, "found": 1, "text": "4"},
        {"expected": 3, "found": 4, "text": '5,6,"7\n8",9'},
        None,
    ]


def test_an_object_of_ragged_rows_only_is_rescued_whole() -> None:
    found = rows(b"a,b\n" + b"1\n2,3,4\n" * 50, block_size=16)
    assert [row["_row_number"] for row in found] == list(range(1, 101))
    assert [row["a"] for row in found] == ["1", "2"] * 50
    assert all(row["_rescued"] for row in found)


def test_a_byte_order_mark_within_the_rows_is_data() -> None:
    assert rows("a,b\n\ufeffx\n".encode())[0]["a"] == "\ufeffx"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig"])
def test_a_declared_encoding_is_decoded(encoding: str) -> None:
    data = 'a,b\nCafé,"ü\nx"\nß\n'.encode(encoding)
    csv = Csv(columns=("a", "b"), encoding=encoding)
    assert values(data, csv, block_size=16) == [("Café", "ü\nx"), ("ß", None)]


def test_another_delimiter() -> None:
    assert values(b"a;b\n1,5;2\n", Csv(columns=("a", "b"), delimiter=";")) == [("1,5", "2")]


def test_a_record_larger_than_a_block_is_read_with_larger_blocks() -> None:
    data = b"a,b\n" + b"1,2\n" * 20 + b"x," + b"y" * 500 + b"\n3,4\n"
    expected = [("1", "2")] * 20 + [("x", "y" * 500), ("3", "4")]
    assert values(data, block_size=32) == expected
    assert [row["_row_number"] for row in rows(data, block_size=32)] == list(range(1, 23))


def test_a_record_larger_than_the_largest_is_an_error() -> None:
    message = error(b"a,b\n1,2\n" + b'x,"' + b"y" * 500, block_size=32, largest_record=64)
    assert message == (
        "a record is larger than 64 bytes, or has a quote that is never closed (after data row 1)"
    )


@pytest.mark.parametrize("row", [b"x,\xe9\n", b"x,\xe9,\n", b'x,"\xe9'])
def test_bad_utf8_is_located_and_the_way_out_named(row: bytes) -> None:
    message = error(b"a,b\n1,2\n" + row)
    assert message.startswith("not utf-8: byte 0xe9 at offset")
    assert "line 3" in message
    assert "encoding=" in message


def test_bad_utf8_far_into_the_object_is_located() -> None:
    data = b"a,b\n" + "é,2\n".encode() * 200_000
    assert f"at offset {len(data) + 1}, line 200002;" in error(data + b"x\xff,2\n")


def test_bytes_outside_a_declared_encoding_are_located() -> None:
    message = error(b"a,b\n1,\x81\n", Csv(columns=("a", "b"), encoding="cp1252"))
    assert message.startswith("not cp1252: byte 0x81 at offset 6, line 2")


def test_an_odd_byte_at_the_end_of_utf16_is_an_error() -> None:
    csv = Csv(columns=("a", "b"), encoding="utf-16-le")
    assert error("a,b\n1,2\n".encode("utf-16-le") + b"x", csv).startswith("not utf-16-le: byte")


def test_a_wrong_header_is_an_error_that_tells_the_difference() -> None:
    assert error(b"a,c\n1,2\n").startswith("wrong header: missing 'b'; unexpected 'c'")


def test_an_unclosed_quote_in_the_header_is_an_error() -> None:
    assert error(b'"a,b\n1,2\n') == "truncated: it ends within a quoted field"


def test_malformed_quotes_in_the_header_are_an_error() -> None:
    assert error(b'a,"b" \n1,2\n').startswith("wrong header: ")


def test_no_bytes_and_blank_lines_are_errors() -> None:
    assert error(b"").startswith("0 bytes")
    assert "header line is missing" in error(b"\n\n")
    assert "header line is missing" in error(b"\xef\xbb\xbf")


@pytest.mark.parametrize("before", [0, 4_096, 300_000, 3_000_000])
def test_a_nul_is_an_error_wherever_it_stands(before: int) -> None:
    lines = b"1,2\n" * (before // 4)
    message = error(b"a,b\n" + lines + b'1,"\0"\n')
    offset, line = 4 + len(lines) + 3, 2 + len(lines) // 4
    assert message.startswith(f"binary, not CSV: a zero byte (NUL) at offset {offset}, line {line}")


def test_a_nul_in_wide_characters_is_located_by_its_line() -> None:
    csv = Csv(columns=("a", "b"), encoding="utf-16")
    assert "(NUL) at line 3;" in error("a,b\n1,2\n3,\0\n".encode("utf-16"), csv)


def test_a_nul_joins_no_rows_where_a_block_ends() -> None:
    end = b'777777,"aaaaaa\0""'
    body = b"1,2\n" * ((BLOCK - 4 - len(end)) // 4) + b"\n" * ((BLOCK - 4 - len(end)) % 4)
    data = b"a,b\n" + body + end + b',b\ntail"\n'
    assert data[:BLOCK].endswith(end)
    assert "NUL" in error(data)


def test_malformed_quotes_are_rescued_and_no_text_is_changed() -> None:
    data = b'c,a,b\n1,"x"y,3\n"p" ,q,r\n1,x"y,5" nails\n1,2,"z""\n" \r\n1,"2,3" x,\n'
    found = rows(data, ABC)
    assert [(row["c"], row["a"], row["b"]) for row in found] == [
        ("1", None, None), (None, None, None), ("1", 'x"y', '5" nails'), ("1", "2", None),
        ("1", None, None),
    ]  # fmt: skip
    assert [row["_rescued"] and json.loads(row["_rescued"]) for row in found] == [
        {"expected": 3, "found": 3, "malformed": 2, "text": '1,"x"y,3'},
        {"expected": 3, "found": 3, "malformed": 1, "text": '"p" ,q,r'},
        None,
        {"expected": 3, "found": 3, "malformed": 3, "text": '1,2,"z""\n" '},
        {"expected": 3, "found": 3, "malformed": 2, "text": '1,"2,3" x,'},
    ]


def test_malformed_rows_among_many_keep_their_places() -> None:
    lines = [f'{n},"x"y' if n % 1000 == 7 else f'{n},"a ""b"" {n}"' for n in range(1, 100_001)]
    found = rows(("a,b\n" + "\r\n".join(lines)).encode())
    assert [row["_row_number"] for row in found] == list(range(1, 100_001))
    for number, row in enumerate(found, start=1):
        whole = number % 1000 != 7
        assert (row["a"], row["b"]) == (str(number), f'a "b" {number}' if whole else None)
        assert (row["_rescued"] is None) == whole


@pytest.mark.parametrize("end", ['3,"4', '3,"4\n', '"', '3,"4""', '3,4,5,"6\n', '"3\n1,2\n1,2\n'])
def test_an_unclosed_quote_is_truncation(end: str) -> None:
    assert "ends within a quoted field" in error(b"a,b\n1,2\n" + end.encode())


def test_a_short_last_record_without_a_line_end_is_truncation() -> None:
    message = error(b"a,b\n1,2\n3")
    assert message.startswith("truncated: its last record, data row 2, has 1 of 2 fields")
    assert rows(b"a,b\n1,2\n3\n")[1]["_rescued"]


def test_a_row_that_reads_like_the_closing_record_is_a_row() -> None:
    data = b"a,b\nend-of-object,\nend-of-object,\n"
    assert values(data) == [("end-of-object", None)] * 2
    assert "quoted" in error(data + b'1,2,"')


def test_streams_that_give_few_bytes_at_a_time_are_read_whole() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(3, size or 3))

    batches = read_csv(Slow(b'a,b\n"1\n2",3\n4,5\n'), AB, key="k", block_size=16)
    assert sum(batch.num_rows for batch in batches) == 2


class Record(NamedTuple):
    fields: list[str | None]
    text: str
    closed: bool
    malformed: int | None  # the first such field, from 1


def oracle(text: str) -> list[Record]:
    """A CSV parser that looks at one character at a time."""
    records: list[Record] = []
    fields: list[str | None] = []
    field, quoted, state, start, at = "", False, "start", 0, 0
    malformed: int | None = None

    def end_field() -> None:
        nonlocal field, quoted, state
        fields.append(field if field or quoted else None)
        field, quoted, state = "", False, "start"

    def end_record(end: int) -> None:
        nonlocal fields, malformed
        if end > start:
            end_field()
            records.append(Record(fields, text[start:end], True, malformed))
        fields, malformed = [], None

    while at < len(text):
        char = text[at]
        if state == "quoted":
            if char == '"' and text[at + 1 : at + 2] == '"':
                field, at = field + '"', at + 1
            elif char == '"':
                state = "closed"
            else:
                field += char
        elif char == '"' and state == "start":
            state, quoted = "quoted", True
        elif char == ",":
            end_field()
        elif char in "\r\n":
            end_record(at)
            start = at + 1
        else:
            if state == "closed":
                malformed = malformed or len(fields) + 1
            field, state = field + char, "plain"
        at += 1
    if state == "quoted":
        records.append(Record([*fields, field], text[start:], False, malformed))
    else:
        end_record(at)
    return records


pieces = st.sampled_from(
    [
        "a",
        "é",
        "☃",
        "5",
        " ",
        ",",
        ",",
        "\n",
        "\r\n",
        "\r",
        '"',
        '""',
        '"x"',
        '"\n"',
        '"",',
        "\ufeff",
    ]
)
wild = st.lists(pieces, max_size=60).map("".join)
fields = st.none() | st.text(st.sampled_from('aé☃ ,"\n\r;'), max_size=6)
line_ends = st.sampled_from(["\n", "\r\n", "\n\n"])


def written(field: str | None) -> str:
    return "" if field is None else '"' + field.replace('"', '""') + '"'


tidy = st.lists(st.tuples(st.lists(fields, min_size=1, max_size=4), line_ends), max_size=12).map(
    lambda lines: "".join(",".join(map(written, line)) + end for line, end in lines)
)


@settings(max_examples=300, deadline=None)
@given(wild | tidy, st.integers(8, 40), st.booleans(), line_ends)
@example("1,2\r3,4\r\n", 8, False, "\r\n")
@example('"x""', 8, False, "\n")
@example(',,";;;;""☃"\n,";;;;;☃","\r\n"\n', 16, False, "\n")  # a CRLF across two blocks
def test_the_reader_agrees_with_a_parser_that_looks_at_each_character(
    body: str, block_size: int, bom: bool, line_end: str
) -> None:
    text = "a,b" + line_end + body
    data = b"\xef\xbb\xbf" * bom + text.encode()
    records = oracle(text)[1:]
    last = records[-1] if records else None
    cut = last and len(last.fields) < 2 and not text.endswith(("\n", "\r"))
    if last and (cut or not last.closed):
        assert "truncated" in error(data, block_size=block_size)
        return
    expected = []
    for number, record in enumerate(records, start=1):
        kept = record.fields[: record.malformed and record.malformed - 1]
        a, b = [*kept, None, None][:2]
        note = {"expected": 2, "found": len(record.fields), "text": record.text}
        malformed = {"malformed": record.malformed} if record.malformed else {}
        odd = malformed or len(record.fields) != 2
        rescued = {**note, **malformed} if odd else None
        expected.append({"a": a, "b": b, "_row_number": number, "_rescued": rescued})
    found = rows(data, block_size=block_size)
    for row in found:
        row["_rescued"] = row["_rescued"] and json.loads(row["_rescued"])
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(fields, min_size=3, max_size=3), max_size=20), st.integers(8, 64))
def test_what_a_writer_quotes_comes_back_as_it_was(
    table: list[list[str | None]], block_size: int
) -> None:
    data = "a,b,c\n" + "".join(",".join(map(written, row)) + "\r\n" for row in table)
    assert values(data.encode(), ABC, block_size=block_size) == [tuple(row) for row in table]
