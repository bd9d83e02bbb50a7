"""A second format, as small as one can be: an object in JSON on each line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa

from data_platform.landing.formats.format import UnreadableObject, refuse_columns, rows_schema
from data_platform.tables.columns import RESCUED, ROW_NUMBER

_AT_ONCE = 1000  # rows


@dataclass(frozen=True)
class JsonLines:
    """`numbers` are the columns that hold whole numbers; all others hold text."""

    columns: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_columns(f"JsonLines(columns={self.columns})", self.columns)

    @property
    def schema(self) -> pa.Schema:
        types = (pa.int64() if name in self.numbers else pa.string() for name in self.columns)
        return pa.schema(list(zip(self.columns, types, strict=True)))

    def read(self, stream: BinaryIO, *, key: str) -> Iterator[pa.RecordBatch]:
        stream.seek(0)
        numbered = enumerate(stream, start=1)
        while rows := [self._row(*each, key) for each in islice(numbered, _AT_ONCE)]:
            yield pa.RecordBatch.from_pylist(rows, schema=rows_schema(self.schema))

    def _row(self, number: int, line: bytes, key: str) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise UnreadableObject(key, f"line {number} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise UnreadableObject(key, f"line {number} is not an object in JSON")
        fits = found.keys() == set(self.columns)
        rescued = None if fits else json.dumps({"text": line.decode().rstrip("\n")})
        known = {name: found.get(name) for name in self.columns}
        return {**known, ROW_NUMBER: number, RESCUED: rescued}
