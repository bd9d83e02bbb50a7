"""The CSV format."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from data_platform.landing.formats.csv_dialect import Dialect
from data_platform.landing.formats.csv_reader import read_csv


@dataclass(frozen=True)
class Csv(Dialect):
    """A `Format`: every field is text; an unquoted empty one is null, a quoted one is ""."""

    def read(self, stream: BinaryIO, *, key: str) -> Iterator[pa.RecordBatch]:
        """The object's rows, see `Format.read`."""
        return read_csv(stream, self, key=key)
