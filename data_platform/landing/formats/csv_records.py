"""Split CSV bytes into blocks of whole records, and find the records with malformed quotes.

Blocks begin and end at record boundaries, so the result does not depend on how the object's bytes
were split. No Python runs per byte, field or row.

RFC 4180: a field that begins with a quote ends at the next single quote, and a delimiter or a line
end follows. Text after it, as in `"x"y` or `"x" ,`, makes a record malformed: readers disagree on
its value (Python's and PyArrow's drop the quote, `xy`). A quote within a field that does not begin
with one, as in `5" nails`, is not in the RFC's grammar either, but all readers take it literally.
"""

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

_QUOTE = ord('"')
_BYTE_ORDER_MARK = codecs.BOM_UTF8

_Positions = npt.NDArray[np.intp]
_Bytes = npt.NDArray[np.uint8]


class Block(NamedTuple):
    """The whole records in `data[start:end]`, UTF-8 without a NUL; line ends are LF, CRLF or CR.

    `malformed` holds where the records with malformed quotes end, line end excluded. `cut` says
    that the object ends here without a line end; one was added.
    """

    data: bytes
    start: int
    end: int
    malformed: list[int]
    cut: bool = False


class Refused(Exception):
    """The bytes cannot be split into records: a NUL, an open quote, a record without end."""


class NotText(Refused):
    """A NUL, or bytes that are not in the declared encoding."""


def blocks(
    stream: BinaryIO, encoding: str, delimiter: str, *, size: int, largest: int
) -> Iterator[Block]:
    """The object's records in blocks of about `size` bytes, more where a record is larger.

    Raises Refused, possibly after some blocks, for a NUL, bytes outside the encoding, a quote still
    open at the end, and a record larger than `largest` bytes. OSErrors of the stream propagate.
    """
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)()
    data, first, ended = b"", True, False
    while not ended:
        # Read as much as is buffered, doubling it, so that a large record costs O(its size).
        chunk = stream.read(max(size, len(data)))
        ended = not chunk
        try:
            text = decoder.decode(chunk, final=ended)
        except UnicodeError as error:  # UTF-16 without its mark is no UnicodeDecodeError
            raise NotText(str(error)) from error
        new = chunk if is_utf8 else text.encode()
        # PyArrow's SIMD code takes a NUL for the end of its input.
        if b"\0" in new:
            raise NotText("a NUL")
        data += new
        if first and len(data) < len(_BYTE_ORDER_MARK) and not ended:
            continue
        if first:
            data, first = data.removeprefix(_BYTE_ORDER_MARK), False
        cut = ended and bool(data) and not data.endswith((b"\n", b"\r"))
        found = _scan(data + b"\n" * cut, delimiter)
        if ended and found.end < len(found.data):
            raise Refused("truncated: it ends within a quoted field")
        if len(found.data) - found.end > largest:
            raise Refused(
                f"a record is larger than {largest:,} bytes, or has a quote that is never closed"
            )
        if found.end:
            yield found._replace(cut=cut)
            data = found.data[found.end :]


def fields(record: str, delimiter: str) -> tuple[list[str | None], int | None]:
    """The fields of one record without its line end, and the first with malformed quotes (from 0).

    An empty field is None, a quoted empty one "". A malformed field's text is kept as it is.
    """
    found: list[str | None] = []
    malformed = None
    at = 0
    while at <= len(record):
        closing = _closing_quote(record, at)
        end = record.find(delimiter, at if closing is None else closing)
        end = len(record) if end < 0 else end
        if closing is None:
            found.append(record[at:end] or None)
        elif end == closing + 1:
            found.append(record[at + 1 : closing].replace('""', '"'))
        else:
            malformed = len(found) if malformed is None else malformed
            found.append(record[at:end])
        at = end + 1
    return found, malformed


def record_end(text: str, delimiter: str) -> int:
    """Where the first record of a text ends, line end excluded."""
    field_end = re.compile(rf"[{re.escape(delimiter)}\r\n]")
    at = 0
    while True:
        closing = _closing_quote(text, at)
        found = field_end.search(text, at if closing is None else closing)
        if found is None or found[0] != delimiter:
            return found.start() if found else len(text)
        at = found.end()


def _closing_quote(record: str, at: int) -> int | None:
    """The closing quote of the quoted field that begins at `at`; None for an unquoted field."""
    if record[at : at + 1] != '"':
        return None
    at += 1
    while (at := record.find('"', at)) >= 0:
        if record[at + 1 : at + 2] != '"':
            return at
        at += 2
    return len(record)


@lru_cache
def _borders(delimiter: str) -> npt.NDArray[np.bool_]:
    """For each byte value: whether it is a quote, or fields can end before and begin after it."""
    borders = np.zeros(256, np.bool_)
    borders[list(f'{delimiter}\r\n"'.encode())] = True
    return borders


def _scan(data: bytes, delimiter: str) -> Block:
    """The whole records of bytes that begin with a record."""
    if b'"' not in data:
        none = np.empty(0, np.intp)
        return Block(data, 0, _last_end(data, none, none), [])
    array = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(array == _QUOTE)
    opens, closes = quotes[::2], quotes[1::2]
    borders = _borders(delimiter)
    # Quotes open and close in turn; valid if each is next to a border, doubled quotes included.
    before, after = _neighbours(array, opens, -1), _neighbours(array, closes, 1)
    if borders.take(before).all() and borders.take(after).all():
        return Block(data, 0, _last_end(data, opens, closes), [])
    opens, closes, wrong = _exactly(array, quotes, borders)
    end = _last_end(data, opens, closes)
    return Block(data, 0, end, _ends_of(array[:end], wrong, opens, closes))


def _neighbours(array: _Bytes, positions: _Positions, step: int) -> _Bytes:
    """The neighbouring bytes; at the ends of the array, which are borders too, the quotes."""
    return array.take(positions + step, mode="clip")


def _exactly(
    array: _Bytes, quotes: _Positions, borders: npt.NDArray[np.bool_]
) -> tuple[_Positions, _Positions, _Positions]:
    """Where quoted fields begin, where they end, and which ends have text after them.

    Works on runs of adjacent quotes. Inside a quoted field an odd run ends it; outside, it begins
    one if it follows a border, and is text otherwise. An even run (doubled quotes, or "") changes
    nothing.
    """
    begins = np.append(True, np.diff(quotes) > 1)
    first, last = quotes[begins], quotes[np.append(begins[1:], True)]
    odd = (last - first) % 2 == 0
    after_border = borders.take(_neighbours(array, first, -1))
    # Whether a run is inside is the parity of the turns since the last run that is surely outside.
    turns = np.cumsum(odd & after_border)
    settled = np.maximum.accumulate(np.where(odd & ~after_border, turns, 0))
    inside = (turns - settled) % 2 == 1
    was_inside = np.append(False, inside[:-1])
    ends_field = np.where(was_inside, odd, after_border & ~odd)
    wrong = ends_field & ~borders.take(_neighbours(array, last, 1))
    return first[inside & ~was_inside], last[was_inside & ~inside], last[wrong]


def _last_end(data: bytes, opens: _Positions, closes: _Positions) -> int:
    """The position after the last line end outside quoted fields; 0 if there is none."""
    for number in range(len(closes), -1, -1):
        start = int(closes[number - 1]) if number else 0
        stop = int(opens[number]) if number < len(opens) else len(data)
        end = max(data.rfind(b"\n", start, stop), data.rfind(b"\r", start, stop))
        if end >= 0:
            return end + 1
    return 0


def _ends_of(
    array: _Bytes, positions: _Positions, opens: _Positions, closes: _Positions
) -> list[int]:
    """Where the records that contain these positions end; all records are whole."""
    lines = np.flatnonzero((array == ord("\n")) | (array == ord("\r")))
    ends = lines[np.searchsorted(opens, lines) == np.searchsorted(closes, lines)]
    return ends[np.unique(np.searchsorted(ends, positions[positions < len(array)]))].tolist()
