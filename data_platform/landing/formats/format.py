"""What every format of landed objects is: its columns as received, and how bytes become rows.

A format is one module here that has a class like `csv.Csv`; what that needs stands beside it.
`data_platform_tests/landing/formats/test_format.py` has the tests that every format must pass.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar, Protocol

import pyarrow as pa

from data_platform.contracts.names import indistinct
from data_platform.tables.columns import RESCUED, ROW_NUMBER


class UnreadableObject(ValueError):
    """The object is not a table of the declared format, so that trying again cannot help."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(key, message)
        self.key = key
        self.message = message

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class Format(Protocol):
    """A frozen dataclass of plain values, declared in a `Source` and pickled to Spark's workers.

    Its fields are its fingerprint: partitions that were read under others are read again. So
    whatever changes the rows of an object has to be a field. The code of `read` is not in it: where
    a change of it gives other rows, raise `Source.version` of the sources that have the format.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def schema(self) -> pa.Schema:
        """The columns as received, in bronze's order; all of them nullable."""
        ...

    def read(self, stream: BinaryIO, *, key: str) -> Iterator[pa.RecordBatch]:
        """The object's rows in order, in batches of the schema `rows_schema(self.schema)`.

        `_row_number` counts rows from 1. A row that does not fit the columns is kept with what can
        be told of it, and has in `_rescued` a JSON object whose "text" is the row as it stands;
        `_rescued` is null in every other row.

        `stream` is seekable. Memory is bounded where the format allows it: an object may be larger
        than a worker's memory. UnreadableObject, possibly after some batches, where the bytes are
        not of this format: the message says what they are instead, or where they stop making
        sense, and the way out; `key` is the object's, for the error. OSErrors of the stream pass.
        """
        ...


def rows_schema(columns: pa.Schema) -> pa.Schema:
    """The schema of the batches that a format reads: its columns, `_row_number`, `_rescued`."""
    own = [pa.field(ROW_NUMBER, pa.int64()), pa.field(RESCUED, pa.string())]
    return pa.schema([*columns, *own])


def refuse_columns(declared: str, columns: tuple[str, ...]) -> None:
    """Raises ValueError for names that a table cannot have; `declared` is how they were written,
    as in `Csv(columns=...)`."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    reserved = [name for name in columns if name.startswith("_")]
    if not columns or repeated or reserved:
        raise ValueError(
            f"{declared}: name each column once; names that begin with an underscore are the "
            f"platform's own (repeated {repeated}, reserved {reserved})"
        )
    if same := indistinct(columns):
        raise ValueError(
            f"{declared}: Spark does not tell upper case from lower, nor an i from one with or "
            f"without a dot (equal: {same}); have the files name these columns otherwise"
        )
