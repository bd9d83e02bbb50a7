"""Random CSV through the reader, in blocks so small that every byte begins one somewhere, against
Python's `csv`.

Where Python's reader is lenient and ours is not: it takes a NUL for a character, ends a file within
a quoted field without a word, drops the quotes of `"x"y`, and gives a row of another length as it
is. It does not tell an empty field from a quoted empty one: `test_csv_reader` does.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_platform.landing.formats.csv import Csv
from data_platform.landing.formats.csv_reader import read_csv
from data_platform.landing.formats.format import UnreadableObject

COLUMNS = ("a", "b", "c")
MANY = settings(max_examples=4 * settings().max_examples)


@dataclass(frozen=True)
class Row:
    values: list[str]  # as many as there are columns, "" for those it has not
    note: dict[str, int | str] | None


class Refusal(Exception):
    """Why an object has no rows."""


def model(text: str, delimiter: str) -> list[Row]:
    """What bronze should hold of a text, by Python's reader."""
    if "\0" in text:
        raise Refusal("k: ")  # or for what is wrong before it
    header: list[str] | None = None
    rows: list[Row] = []
    for record, found in records(text, delimiter):
        if swallows(record, delimiter):
            raise Refusal("within a quoted field")
        if header is None:
            header = found
            if sorted(header) != sorted(COLUMNS) or strict(record, delimiter):
                raise Refusal("wrong header")
            continue
        rows.append(row(record, found, header, delimiter))
        if len(found) < len(header) and not record.endswith(("\n", "\r")):
            raise Refusal("no line end")
    if header is None:
        raise Refusal("header line")
    return rows


def records(text: str, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Each record as it stands and its fields. The lines that the reader takes for it are it."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text):
            taken.append(line)
            yield line

    for found in csv.reader(lines(), delimiter=delimiter):
        record = "".join(taken)
        taken.clear()
        if found:  # else it is a blank line
            yield record, found


def strict(record: str, delimiter: str) -> str:
    """What Python's strict reader has against it."""
    try:
        list(csv.reader(io.StringIO(record, newline=""), strict=True, delimiter=delimiter))
    except csv.Error as error:
        return str(error)
    return ""


def swallows(record: str, delimiter: str) -> bool:
    """Whether a quote is open at its end, so that the next line is part of it."""
    lines = io.StringIO(record + "\nnext", newline="")
    return list(csv.reader(lines, delimiter=delimiter))[-1] != ["next"]


def row(record: str, found: list[str], header: list[str], delimiter: str) -> Row:
    note: dict[str, int | str] = {"expected": len(header), "found": len(found)}
    odd = len(found) != len(header)
    if strict(record, delimiter):
        # What stands before a delimiter and is a record without fault; the longest such.
        before = [record[:at] for at, char in enumerate(record) if char == delimiter]
        good = [text for text in before if not strict(text, delimiter)]
        found = [text for _, some in records(good[-1], delimiter) for text in some] if good else []
        found = found or [""] * bool(good)
        note["malformed"] = len(found) + 1
        odd = True
    by_name = dict(zip(header, [*found, *[""] * len(header)], strict=False))
    text = record.rstrip("\r\n")
    return Row([by_name[name] for name in COLUMNS], {**note, "text": text} if odd else None)


def read(data: bytes, declared: Csv, block_size: int) -> list[Row]:
    rows: list[Row] = []
    for batch in read_csv(io.BytesIO(data), declared, key="k", block_size=block_size):
        for found in batch.to_pylist():
            assert found["_row_number"] == len(rows) + 1
            note = found["_rescued"] and json.loads(found["_rescued"])
            rows.append(Row([found[name] or "" for name in COLUMNS], note))
    return rows


PIECES = [
    "a",
    "é",
    "☃",
    "😀",
    " ",
    "'",
    "\ufeff",
    ",",
    ",",
    ";",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
]
QUOTES = ['"', '"', '""', '"x"', '"\n"', '"",', ',"', '\n"', '"\r']
piece = st.sampled_from([*PIECES[:-1], *QUOTES]) | st.sampled_from(
    ["a", "aaaaaaa", "1,2,3\n", "\0"]
)
wild = st.lists(piece, max_size=40).map("".join)
cell = st.text(st.sampled_from('aé☃😀 ,;"\n\r\ufeff'), max_size=9)


@st.composite
def written(draw: st.DrawFn) -> str:
    """Rows as a writer writes them, with a few pieces put in or taken away."""
    target = io.StringIO()
    quoting = csv.QUOTE_ALL if draw(st.booleans()) else csv.QUOTE_MINIMAL
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    writer = csv.writer(target, quoting=quoting, lineterminator=end)
    width = st.sampled_from([3] * 8 + [1, 2, 4])
    size = draw(st.integers(0, 8))
    writer.writerows(draw(st.lists(cell, min_size=n, max_size=n)) for n in [draw(width)] * size)
    text = target.getvalue()
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(piece) + text[at + draw(st.integers(0, 1)) :]
    return text


header = st.sampled_from(
    ["a,b,c\n"] * 6
    + ["c,a,b\r\n", '\r\n"a","b","c"\r', "a,b\n", 'a,"b"x,c\n', "a,b,c", '"a,b,c\n', ""]
)
encoding = st.sampled_from(
    ["utf-8"] * 4 + ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "gb18030"]
)
# A block of so many bytes, then one that begins with what follows a NUL.
TWO_ROWS_OF_ONE = '1,2,"aaaaaa\0"",b\ntail"\n'


@MANY
@given(header, wild | written(), st.integers(1, 40), encoding, st.booleans())
@example("a,b,c\n", TWO_ROWS_OF_ONE, 20, "utf-8", False)
@example("a,b,c\n", '1,"x"y,3\n1,2,3\n', 9, "utf-8", False)
@example("a,b,c\n", '1,"x" ,3\n', 40, "utf-8", False)
@example("a,b,c\n", '5" nails,6" nails,"7"" nails"\n1,"2"3,"4\n5"\n', 40, "utf-8", True)
@example("", "\n\ufeffa,b,c\n", 1, "utf-8", False)  # a mark is one at the very beginning only
@example("a,b,c\n", '"a,"b,1,2\n', 3, "utf-8", False)
@example("a,b,c\n", ',,";;;;""☃"\n,,";;;;;☃","\r\n"\n', 16, "utf-8", False)
def test_the_reader_agrees_with_pythons_in_blocks_of_any_size(
    header: str, body: str, block_size: int, encoding: str, mark: bool
) -> None:
    data = (header + body).encode(encoding)
    if mark and data and encoding == "utf-8":
        data = codecs.BOM_UTF8 + data
    declared = Csv(columns=COLUMNS, encoding=encoding)
    try:
        expected = model((header + body).removeprefix("\ufeff"), ",")
    except Refusal as refusal:
        with pytest.raises(UnreadableObject, match=re.escape(str(refusal))):
            read(data, declared, block_size)
    else:
        assert read(data, declared, block_size) == expected


@MANY
@given(written(), st.integers(1, 40), st.integers(41, 400))
def test_where_the_blocks_begin_changes_nothing(body: str, small: int, large: int) -> None:
    data = ("a,b,c\n" + body).encode()

    def outcome(block_size: int) -> list[Row] | str:
        try:
            return read(data, Csv(columns=COLUMNS), block_size)
        except UnreadableObject as error:
            return re.sub(r" \(after data row .*\)", "", error.message)

    assert outcome(small) == outcome(large)


@MANY
@given(wild | written(), st.integers(1, 40), st.sampled_from([";", "\t", "|", "^", "]", "-", " "]))
def test_another_delimiter_is_one_for_quotes_too(body: str, block_size: int, other: str) -> None:
    swapped = body.translate({ord(","): other, ord(other): ","})
    text = other.join(COLUMNS) + "\n" + swapped
    try:
        expected = model(text, other)
    except Refusal:
        return
    assert read(text.encode(), Csv(columns=COLUMNS, delimiter=other), block_size) == expected
