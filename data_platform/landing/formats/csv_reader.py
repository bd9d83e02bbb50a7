"""Read CSV objects into Arrow record batches, values as received.

PyArrow parses, and no Python runs per row unless a row is ragged or its quotes are malformed.
Every field is a string: an unquoted empty one is null, a quoted one is "". Line ends are LF, CRLF
or CR; blank lines are not rows; quoted line breaks, doubled quotes and a byte order mark are
handled. PyArrow is given whole records only, see `csv_records`.
"""

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from data_platform.landing.formats import not_csv
from data_platform.landing.formats.csv_dialect import Dialect
from data_platform.landing.formats.csv_header import difference
from data_platform.landing.formats.csv_records import (
    Block,
    NotText,
    Refused,
    blocks,
    fields,
    record_end,
)
from data_platform.landing.formats.format import UnreadableObject, rows_schema
from data_platform.tables.columns import ROW_NUMBER

BLOCK = 1 << 20  # bytes
LARGEST_RECORD = 64 << 20  # bytes


class _Odd(NamedTuple):
    """A row that is ragged or malformed: its 1-based number in the block, and its raw text."""

    number: int
    text: str


def read_csv(
    stream: BinaryIO,
    csv: Dialect,
    *,
    key: str,
    block_size: int = BLOCK,
    largest_record: int = LARGEST_RECORD,
) -> Iterator[pa.RecordBatch]:
    """The object's rows in order, in batches of the schema `rows_schema(csv.schema)`.

    A row with fewer or more fields than the header keeps those it has, by position, and holds in
    `_rescued` the JSON `{"expected": 8, "found": 10, "text": "<the raw record>"}`. A row with
    malformed quotes keeps the fields before them; its JSON also has `"malformed": 3`, the 1-based
    number of the first field whose value is ambiguous.

    `stream` must be seekable: it is read again to say what is wrong. Raises UnreadableObject,
    possibly after some batches, if the object is empty or binary, has a different header, a NUL,
    bytes outside the declared encoding, ends in the middle of a record, or has a record larger than
    `largest_record` bytes. OSErrors of the stream propagate.
    """
    rows = 0
    try:
        for batch in _read(stream, csv, block_size, largest_record):
            rows += batch.num_rows
            yield batch
    except NotText as error:
        raise UnreadableObject(key, not_csv.reason(stream, csv) or str(error)) from error
    except (Refused, pa.ArrowInvalid) as error:
        place = f" (after data row {rows:,})" if rows else ""
        raise UnreadableObject(key, not_csv.kind(stream, csv) or f"{error}{place}") from error


def _read(stream: BinaryIO, csv: Dialect, size: int, largest: int) -> Iterator[pa.RecordBatch]:
    header: list[str] | None = None
    rows = 0
    stream.seek(0)
    for block in blocks(stream, csv.encoding, csv.delimiter, size=size, largest=largest):
        if header is None:
            header, block = _header(block, csv)
            if header is None:
                continue
        parsed, odd = _parsed(block, header, csv)
        rescued = [_rescue(row, header, csv) for row in odd]
        count = parsed.num_rows + len(odd)
        if block.cut and odd and odd[-1].number == count and rescued[-1].found < len(header):
            raise Refused(
                f"truncated: its last record, data row {rows + count}, has {rescued[-1].found} of "
                f"{len(header)} fields and no line end"
            )
        if count:
            yield _in_order(parsed, rescued, rows, csv)
        rows += count
    if header is None:
        stream.seek(0)
        raise Refused(
            "nothing but blank lines; the header line is missing"
            if stream.read(1)
            else "0 bytes; even an empty table needs its header line"
        )


def _header(block: Block, csv: Dialect) -> tuple[list[str] | None, Block]:
    """The names in the first record (None if all lines are blank), and the block after it."""
    text = block.data[: block.end].decode().lstrip("\r\n")
    if not text:
        return None, block
    record = text[: record_end(text, csv.delimiter)]
    names, malformed = fields(record, csv.delimiter)
    header = [name or "" for name in names]
    if malformed is not None or sorted(header) != sorted(csv.columns):
        raise Refused(difference(csv.columns, header, record, csv.delimiter))
    return header, block._replace(start=block.end - len(text[len(record) :].encode()))


def _parsed(block: Block, header: list[str], csv: Dialect) -> tuple[pa.RecordBatch, list[_Odd]]:
    """The block's regular rows, and its ragged or malformed rows in order."""
    odd: list[_Odd] = []

    def keep(row: arrow_csv.InvalidRow) -> str:
        odd.append(_Odd(row.number, row.text))  # PyArrow's number is right only without threads
        return "skip"

    data = _buffer(block, csv)
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        arrow_csv.ReadOptions(use_threads=False, block_size=len(data), column_names=header),
        arrow_csv.ParseOptions(delimiter=csv.delimiter, invalid_row_handler=keep),
        arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in csv.columns},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            check_utf8=False,  # `blocks` has checked it
        ),
    )
    [batch] = table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return batch, odd


def _buffer(block: Block, csv: Dialect) -> pa.Buffer:
    """The bytes for PyArrow. Delimiters are appended to malformed records, so that PyArrow takes
    them for ragged and hands them over with their text and position."""
    marks = csv.delimiter.encode() * (len(csv.columns) + 1)
    pieces, at = [], block.start
    for end in block.malformed:
        pieces += [block.data[at:end], marks]
        at = end
    # The leading line break keeps PyArrow from dropping a byte order mark that is data.
    if pieces or block.data.startswith(codecs.BOM_UTF8, at):
        return pa.py_buffer(b"".join([b"\n", *pieces, block.data[at : block.end]]))
    return pa.py_buffer(block.data).slice(at, block.end - at)


class _Rescued(NamedTuple):
    number: int
    values: list[str | None]  # in the order of the header; may be fewer or more
    found: int
    note: str


def _rescue(row: _Odd, header: list[str], csv: Dialect) -> _Rescued:
    found, malformed = fields(row.text, csv.delimiter)
    note: dict[str, int | str] = {"expected": len(header)}
    text = row.text
    if malformed is None:
        values = found
        note["found"] = len(found)
    else:
        marks = len(csv.columns) + 1  # see `_buffer`
        values, text = found[:malformed], text[:-marks]
        note |= {"found": len(found) - marks, "malformed": malformed + 1}
    note["text"] = text
    return _Rescued(row.number, values, int(note["found"]), json.dumps(note, ensure_ascii=False))


def _in_order(
    parsed: pa.RecordBatch, rescued: list[_Rescued], before: int, csv: Dialect
) -> pa.RecordBatch:
    """All rows of a block with their numbers; `before` rows precede the block."""
    schema = rows_schema(csv.schema)
    count = parsed.num_rows + len(rescued)
    numbers = np.arange(before + 1, before + count + 1)
    columns = [parsed.column(name) for name in csv.columns]
    if not rescued:
        notes = pa.nulls(count, pa.string())
        return pa.record_batch([*columns, pa.array(numbers), notes], schema=schema)
    at = {name: number for number, name in enumerate(parsed.schema.names)}
    others = pa.table(
        [
            *(
                pa.array([r.values[n] if n < len(r.values) else None for r in rescued], pa.string())
                for n in (at[name] for name in csv.columns)
            ),
            pa.array([before + row.number for row in rescued], pa.int64()),
            pa.array([row.note for row in rescued], pa.string()),
        ],
        schema=schema,
    )
    regular = np.delete(numbers, [row.number - 1 for row in rescued])
    notes = pa.nulls(parsed.num_rows, pa.string())
    first = pa.table([*columns, pa.array(regular), notes], schema=schema)
    [batch] = pa.concat_tables([first, others]).sort_by(ROW_NUMBER).combine_chunks().to_batches()
    return batch
