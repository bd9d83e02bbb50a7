"""Explain why an object is not the declared CSV: what it is instead, or its first invalid byte.

Used only for objects that were refused already: a valid header may begin with any bytes.
"""

import codecs
from dataclasses import dataclass
from typing import BinaryIO

from data_platform.landing.formats.csv_dialect import Dialect

_HEAD = 4096
_CHUNK = 1 << 20

_UNPACK = "unpack it before it lands"
_EXPORT = "export it as CSV before it lands"

# The longest match counts: the byte order mark of UTF-32 begins with that of UTF-16.
_SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"\x1f\x8b": ("compressed with gzip", f"{_UNPACK} (gunzip)"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", f"{_UNPACK} (unzstd)"),
    b"BZh": ("compressed with bzip2", f"{_UNPACK} (bunzip2)"),
    b"\xfd7zXZ\0": ("compressed with xz", f"{_UNPACK} (unxz)"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", f"{_UNPACK} (unlz4)"),
    b"7z\xbc\xaf\x27\x1c": ("a 7-Zip archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    b"PK\x03\x04": ("a ZIP archive", f"{_UNPACK} (unzip)"),
    b"PK\x05\x06": ("an empty ZIP archive", "land the file that should be in it"),
    b"PAR1": ("a Parquet file", _EXPORT),
    b"ORC": ("an ORC file", _EXPORT),
    b"Obj\x01": ("an Avro file", _EXPORT),
    b"ARROW1": ("an Arrow file", _EXPORT),
    b"SQLite format 3\0": ("an SQLite database", _EXPORT),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Excel or Office file", _EXPORT),
    b"%PDF-": ("a PDF", "land the data it was made from, as CSV"),
    b"\x89PNG\r\n\x1a\n": ("a PNG image", "land the data it was made from, as CSV"),
    b"\xff\xd8\xff": ("a JPEG image", "land the data it was made from, as CSV"),
    b"<!DOCTYPE html": ("a web page", "maybe the answer of a failed download: fetch it again"),
    b"<html": ("a web page", "maybe the answer of a failed download: fetch it again"),
    b"<?xml": ("XML", _EXPORT),
    b"{": ("JSON", _EXPORT),
    b"[": ("JSON", _EXPORT),
}
_ENCODINGS: dict[bytes, str] = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
}
_XLSX = (b"[Content_Types].xml", b"xl/")
_EVERY_SECOND = {"utf-16-le": slice(1, None, 2), "utf-16-be": slice(0, None, 2)}


def kind(stream: BinaryIO, csv: Dialect) -> str | None:
    """What the object is by its first bytes, and what to do; None if they do not tell."""
    stream.seek(0)
    head = stream.read(_HEAD)
    if what := _encoded(head, csv):
        return what
    known = [mark for mark in _SIGNATURES if head[: len(mark)].lower() == mark.lower()]
    if not known:
        return None
    what, way_out = _SIGNATURES[max(known, key=len)]
    if head.startswith(b"PK") and any(name in head for name in _XLSX):
        what, way_out = "an Excel workbook (xlsx)", _EXPORT
    return f"{what}, not CSV: {way_out}"


def reason(stream: BinaryIO, csv: Dialect) -> str | None:
    """What the object is, or where its first byte is that is invalid in the declared encoding."""
    return kind(stream, csv) or _located(stream, csv)


def _encoded(head: bytes, csv: Dialect) -> str | None:
    """The actual encoding of the bytes, by byte order mark or the zero bytes between letters."""
    declared = codecs.lookup(csv.encoding).name
    for mark in sorted(_ENCODINGS, key=len, reverse=True):
        if head.startswith(mark):
            name = _ENCODINGS[mark]
            if declared.startswith(name):
                return None
            return (
                f"{name.upper()} (it begins with that encoding's mark), and {csv.encoding} is "
                f"declared: declare Csv(encoding={name!r})"
            )
    for name, zeros in _EVERY_SECOND.items():
        some = head[: len(head) // 2 * 2]
        letters = some.replace(b"\0", b"")
        mostly = some[zeros].count(0) * 10 > len(some) // 2 * 9
        if mostly and len(letters) * 10 > len(some) * 4 and declared != name:
            return (
                f"{name.upper()} (without a mark), and {csv.encoding} is declared: declare "
                f"Csv(encoding={name!r})"
            )
    return None


@dataclass
class _Place:
    """The bytes and line ends before a chunk, and the bytes of an incomplete character."""

    offset: int = 0
    line: int = 1
    pending: bytes = b""


def _located(stream: BinaryIO, csv: Dialect) -> str | None:
    """Where the first NUL or the first byte that cannot be decoded is."""
    decoder = codecs.getincrementaldecoder(csv.encoding)()
    stream.seek(0)
    at, chunk = _Place(), b"-"
    while chunk:
        chunk = stream.read(_CHUNK)
        data = at.pending + chunk
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            text = error.object[: error.start].decode(csv.encoding, "replace")
            if "\0" not in text:
                return _undecodable(csv, at, data, error.start)
        except UnicodeError as error:
            return f"not {csv.encoding}: {error}"
        if "\0" in text:
            return _nul(csv, at, data, text.index("\0"), text)
        at.pending = decoder.getstate()[0]
        at.offset += len(data) - len(at.pending)
        at.line += text.count("\n")
    return None


def _undecodable(csv: Dialect, at: _Place, data: bytes, start: int) -> str:
    found = f"byte 0x{data[start]:02x} at offset {at.offset + start}"
    line = at.line + data[:start].count(b"\n")
    if _is_binary(data[max(0, start - 100) : start + 100]):
        return f"binary, not CSV: {found}, line {line}"
    return (
        f"not {csv.encoding}: {found}, line {line}; if the file is meant to be so, declare its "
        "encoding, as in Csv(encoding='cp1252')"
    )


def _nul(csv: Dialect, at: _Place, data: bytes, index: int, text: str) -> str:
    line = at.line + text[:index].count("\n")
    wide = "a".encode(csv.encoding).count(0)
    place = f"line {line}" if wide else f"offset {at.offset + data.index(0)}, line {line}"
    return (
        f"binary, not CSV: a zero byte (NUL) at {place}; where it is text, have it written without"
    )


def _is_binary(some: bytes) -> bool:
    """Whether there are control characters that text does not contain."""
    return any(byte < 32 and byte not in b"\t\n\v\f\r\x1a" for byte in some)
