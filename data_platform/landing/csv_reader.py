"""CSV objects as Arrow record batches, as received.

PyArrow parses, and no Python runs per row unless a row is ragged. Every field is a string: an
unquoted empty one is null, a quoted one is "". Line ends are LF, CRLF or CR; blank lines are no
rows; quoted line breaks, doubled quotes and a byte order mark are understood.

How a file that stops in the middle is told from a whole one: one more record is appended to the
bytes. If it comes out as the last record, every quote was closed; an open quote swallows it.
"""

import codecs
import io
import json
import threading
from collections import deque
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from data_platform.landing.objects import UnreadableObject
from data_platform.landing.source import Csv

BLOCK = 256 << 10  # bytes; about what a core's cache holds, larger ones parse slower
LARGEST_RECORD = 64 << 20  # bytes
ROW_NUMBER = "_row_number"
RESCUED = "_rescued"
_CLOSING = "end-of-object"
_BLOCK_TOO_SMALL = ("straddling object", "cannot infer number of columns")  # PyArrow's messages


class _Ragged(NamedTuple):
    number: int  # 1-based data row
    width: int  # fields found
    text: str


def csv_schema(csv: Csv) -> pa.Schema:
    """The schema of `read_csv`'s batches: the declared columns, `_row_number`, `_rescued`."""
    columns = [pa.field(name, pa.string()) for name in csv.columns]
    return pa.schema([*columns, pa.field(ROW_NUMBER, pa.int64()), pa.field(RESCUED, pa.string())])


def read_csv(
    stream: BinaryIO,
    csv: Csv,
    *,
    key: str,
    block_size: int = BLOCK,
    largest_record: int = LARGEST_RECORD,
) -> Iterator[pa.RecordBatch]:
    """The object's rows in order, in batches of the schema `csv_schema(csv)`.

    A row with fewer or more fields than the header keeps those it has, by position, and holds in
    `_rescued` the JSON `{"expected": 8, "found": 10, "text": "<the raw record>"}`.

    `stream` must be seekable: it is read a second time, with larger blocks, if a record is larger
    than `block_size` bytes. UnreadableObject, possibly after some batches, if the object is empty
    or binary, has another header, is not in the declared encoding, ends in the middle of a
    record, or has a record larger than `largest_record` bytes. OSErrors of the stream pass.
    """
    _check_beginning(stream, csv, key)
    done = 0
    for size in (block_size, max(block_size, largest_record)):
        stream.seek(0)
        feed = _Feed(stream, csv)
        try:
            for batch in _read(feed, csv, key, size):
                first = batch.column(ROW_NUMBER)[0].as_py()
                if (fresh := batch.slice(max(0, done + 1 - first))).num_rows:
                    done = first + batch.num_rows - 1
                    yield fresh
            return
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            feed.close()
            if not any(message in str(error) for message in _BLOCK_TOO_SMALL):
                _check_encoding(stream, csv, key)
                raise UnreadableObject(key, f"no CSV: {error}") from error
        finally:
            feed.close()
    place = f"after data row {done}" if done else "at its beginning"
    raise UnreadableObject(
        key,
        f"{place} stands a record larger than {largest_record:,} bytes, "
        "or a quote that is never closed",
    )


def _read(feed: "_Feed", csv: Csv, key: str, block_size: int) -> Iterator[pa.RecordBatch]:
    """Non-empty batches, without the closing record."""
    ragged: deque[_Ragged] = deque()

    def keep(row: arrow_csv.InvalidRow) -> str:
        # PyArrow counts the header as row 1, and counts right only without threads.
        ragged.append(_Ragged(row.number - 1, row.actual_columns, row.text))
        return "skip"

    reader = arrow_csv.open_csv(
        feed,
        arrow_csv.ReadOptions(use_threads=False, block_size=block_size),
        arrow_csv.ParseOptions(
            delimiter=csv.delimiter, newlines_in_values=True, invalid_row_handler=keep
        ),
        _as_strings(csv.columns),
    )
    header = reader.schema.names
    _check_header(header, csv, key)
    held: pa.RecordBatch | None = None
    rows = 0
    incomplete: _Ragged | None = None
    for parsed in reader:
        merged, taken = _with_row_numbers(parsed, ragged, rows + 1, header, csv)
        incomplete = taken[-1] if taken and taken[-1].width < len(header) else incomplete
        rows += merged.num_rows
        if merged.num_rows:
            if held is not None:
                yield held
            held = merged
    if held is None or ragged or not _is_closing(held, header[0]):
        raise UnreadableObject(key, "truncated: it ends within a quoted field")
    if incomplete and incomplete.number == rows - 1 and not feed.ended_with_newline:
        raise UnreadableObject(
            key,
            f"truncated: its last record, data row {incomplete.number}, has {incomplete.width} of "
            f"{len(header)} fields and no line end",
        )
    if held.num_rows > 1:
        yield held.slice(0, held.num_rows - 1)


def _with_row_numbers(
    parsed: pa.RecordBatch, ragged: deque[_Ragged], first: int, header: list[str], csv: Csv
) -> tuple[pa.RecordBatch, list[_Ragged]]:
    """The batch with its row numbers, and the ragged rows that stood between its rows."""
    taken: list[_Ragged] = []
    end = first + parsed.num_rows
    while ragged and ragged[0].number <= end:
        taken.append(ragged.popleft())
        end += 1
    numbers = np.delete(np.arange(first, end), [row.number - first for row in taken])
    columns = [parsed.column(name) for name in csv.columns]
    regular = pa.record_batch(
        [*columns, pa.array(numbers), pa.nulls(parsed.num_rows, pa.string())],
        schema=csv_schema(csv),
    )
    if not taken:
        return regular, taken
    table = pa.Table.from_batches([regular, *_rescued(taken, header, csv)])
    return table.sort_by(ROW_NUMBER).combine_chunks().to_batches()[0], taken


def _rescued(rows: list[_Ragged], header: list[str], csv: Csv) -> Iterator[pa.RecordBatch]:
    """The ragged rows' fields, parsed once more for each number of fields.

    An unclosed quote can only be in the last of them, where it swallows no other.
    """
    for width, group in groupby(sorted(rows, key=attrgetter("width", "number")), lambda r: r.width):
        alike = list(group)
        # The leading line break keeps a byte order mark that is data from being dropped.
        data = "\n".join(["", *(row.text for row in alike)]).encode()
        names = [str(position) for position in range(width)]
        fields = arrow_csv.read_csv(
            io.BytesIO(data),
            arrow_csv.ReadOptions(use_threads=False, block_size=len(data), column_names=names),
            arrow_csv.ParseOptions(delimiter=csv.delimiter, newlines_in_values=True),
            _as_strings(names),
        ).combine_chunks()
        found = dict(zip(header, fields.columns, strict=False))
        missing = pa.nulls(len(alike), pa.string())
        notes = [
            json.dumps(
                {"expected": len(header), "found": width, "text": row.text}, ensure_ascii=False
            )
            for row in alike
        ]
        yield from pa.table(
            [
                *(found.get(name, missing) for name in csv.columns),
                pa.array([row.number for row in alike], pa.int64()),
                pa.array(notes, pa.string()),
            ],
            schema=csv_schema(csv),
        ).to_batches()


def _is_closing(batch: pa.RecordBatch, first_column: str) -> bool:
    last = batch.num_rows - 1
    return (
        not batch.column(RESCUED)[last].is_valid
        and batch.column(first_column)[last].as_py() == _CLOSING
    )


def _as_strings(columns: tuple[str, ...] | list[str]) -> arrow_csv.ConvertOptions:
    return arrow_csv.ConvertOptions(
        column_types={name: pa.string() for name in columns},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
        check_utf8=False,  # _Feed does
    )


def _check_beginning(stream: BinaryIO, csv: Csv, key: str) -> None:
    stream.seek(0)
    beginning = stream.read(4096)
    if not beginning:
        raise UnreadableObject(key, "0 bytes; even an empty table needs its header line")
    if b"\0" in beginning and b"\0" not in "a".encode(csv.encoding):
        offset = beginning.index(b"\0")
        raise UnreadableObject(key, f"binary, not CSV: a zero byte at offset {offset}")


def _check_header(header: list[str], csv: Csv, key: str) -> None:
    if header[0] == _CLOSING:
        raise UnreadableObject(key, "nothing but blank lines; the header line is missing")
    if sorted(header) != sorted(csv.columns):
        found = csv.delimiter.join(header)
        raise UnreadableObject(
            key,
            f"wrong header: expected {csv.delimiter.join(csv.columns)!r} (in any order), "
            f"found {found[:300]!r}",
        )


def _check_encoding(stream: BinaryIO, csv: Csv, key: str) -> None:
    """UnreadableObject that says where, if the object is not in its encoding."""
    decoder = codecs.getincrementaldecoder(csv.encoding)()
    stream.seek(0)
    offset, line, pending, chunk = 0, 1, b"", b"-"
    while chunk:
        chunk = stream.read(BLOCK)
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            bad = error.object[error.start]
            line += (pending + chunk)[: error.start].count(b"\n") - pending.count(b"\n")
            raise UnreadableObject(
                key,
                f"not {csv.encoding}: byte 0x{bad:02x} at offset "
                f"{offset - len(pending) + error.start}, line {line}; if the file is meant to be "
                "so, declare it, as in Csv(encoding='cp1252')",
            ) from error
        pending = decoder.getstate()[0]
        offset += len(chunk)
        line += chunk.count(b"\n")


class _Feed(io.RawIOBase):
    """The stream's bytes as UTF-8, then the closing record; full blocks whatever the stream gives.

    PyArrow reads ahead on a thread of its own, which must not touch the stream once it is read
    again: after `close` the feed is at its end.
    """

    def __init__(self, stream: BinaryIO, csv: Csv) -> None:
        super().__init__()
        self._stream = stream
        self._lock = threading.Lock()
        self._ended = False
        self._buffer = b""
        self._end = f"\n{_CLOSING}{csv.delimiter * (len(csv.columns) - 1)}\n".encode()
        self.ended_with_newline = False
        self._is_utf8 = codecs.lookup(csv.encoding).name == "utf-8"
        self._decoder = codecs.getincrementaldecoder(csv.encoding)()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with self._lock:
            data = self._buffer
            while len(data) < size and not self._ended:
                chunk = self._stream.read(size - len(data))
                data += self._as_utf8(chunk)
                if chunk:
                    self.ended_with_newline = data.endswith((b"\n", b"\r"))
                else:
                    self._ended = True
                    data += self._end
            # PyArrow 26 drops a LF that begins a block after one that ends with CR, even within
            # quotes; so a CR waits for the byte after it.
            block = data[:size].rstrip(b"\r") or data[:size]
            self._buffer = data[len(block) :]
            return block

    def close(self) -> None:
        with self._lock:
            self._ended = True
            self._buffer = b""
        super().close()

    def _as_utf8(self, chunk: bytes) -> bytes:
        """UnicodeDecodeError here, not in PyArrow, whose callback for ragged rows swallows it."""
        text = self._decoder.decode(chunk, final=not chunk)
        return chunk if self._is_utf8 else text.encode()
