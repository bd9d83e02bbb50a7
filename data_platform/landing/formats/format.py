"""The protocol of a format of landed objects: its columns, and how bytes become rows.

A format is one module here with a class like `csv.Csv`; its helper modules are beside it.
`data_platform_tests/landing/formats/test_format.py` has the tests that every format must pass.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar, Protocol

import pyarrow as pa

from data_platform.contracts.names import indistinct
from data_platform.tables.columns import RESCUED, ROW_NUMBER


class UnreadableObject(ValueError):
    """The object is not a table in the declared format; trying again cannot help."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(key, message)
        self.key = key
        self.message = message

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class Format(Protocol):
    """A frozen dataclass of plain values, declared in a `Source` and pickled to Spark's workers.

    Its fields are its fingerprint: partitions that were read with other values are read again. So
    whatever changes the rows of an object must be a field. The code of `read` is not included: if a
    change to it gives other rows, raise `Source.version` of the sources that use the format.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def schema(self) -> pa.Schema:
        """The columns as received, in bronze's order; all of them nullable."""
        ...

    def read(self, stream: BinaryIO, *, key: str) -> Iterator[pa.RecordBatch]:
        """The object's rows in order, in batches of the schema `rows_schema(self.schema)`.

        `_row_number` counts rows from 1. A row that does not fit the columns keeps the values that
        can be read, and its `_rescued` is a JSON object whose "text" is the raw row; `_rescued` is
        null in every other row.

        `stream` is seekable. Memory is bounded where the format allows it: an object may be larger
        than a worker's memory. Raises UnreadableObject, possibly after some batches, if the bytes
        are not in this format: the message says what they are instead, or where they become
        invalid, and what to do; `key` names the object in it. OSErrors of the stream propagate.
        """
        ...


def rows_schema(columns: pa.Schema) -> pa.Schema:
    """The schema of the batches that `Format.read` yields: columns, `_row_number`, `_rescued`."""
    own = [pa.field(ROW_NUMBER, pa.int64()), pa.field(RESCUED, pa.string())]
    return pa.schema([*columns, *own])


def refuse_columns(declared: str, columns: tuple[str, ...]) -> None:
    """Raise ValueError for names that a table cannot have; `declared` is how the user wrote them,
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
