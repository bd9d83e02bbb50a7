"""How a write is laid out: the tables that rows go to by outcome, and their columns there.

This module is imported by Python workers: it needs PyArrow only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from data_platform.storage.files import Storage
from data_platform.tables.columns import ATTEMPT, TRACE
from data_platform.tables.identity import Partitioning
from data_platform.tables.outcomes import NAMED, QUARANTINE, SEPARATOR, Outcome

SourcePath = tuple[str] | tuple[str, str]  # a column, or a column and a member of its objects


@dataclass(frozen=True)
class Part:
    """One outcome of a write: the table its rows go to and their columns there.

    `sources` gives the input of each column of `schema`: a column's name, or the name and a member
    for a column of JSON objects.
    """

    directory: str
    schema: pa.Schema
    sources: tuple[SourcePath, ...]

    def select(self, batch: pa.RecordBatch, constants: Mapping[str, str | None]) -> pa.RecordBatch:
        """The batch's rows with the columns that they have in the part's table; `constants` are
        those with one value for all rows."""
        decoded = _decoded(batch, self.sources)
        columns = [
            _column(batch, decoded, source, field.type, constants)
            for source, field in zip(self.sources, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _decoded(batch: pa.RecordBatch, sources: tuple[SourcePath, ...]) -> dict[str, list[dict]]:
    """The decoded rows of JSON columns whose members are used; only rejected rows have any."""
    names = {name for name, *member in sources if member}
    return {name: [json.loads(text) for text in batch.column(name).to_pylist()] for name in names}


def _column(
    batch: pa.RecordBatch,
    decoded: dict[str, list[dict]],
    source: SourcePath,
    kind: pa.DataType,
    constants: Mapping[str, str | None],
) -> pa.Array:
    name, *members = source
    if name in constants:
        return pa.repeat(pa.scalar(constants[name], kind), batch.num_rows)
    for member in members:
        return _from_text(pa.array([row.get(member) for row in decoded[name]], pa.string()), kind)
    if name == NAMED and name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    column = batch.column(name)
    if kind.num_fields and pa.types.is_string(column.type):
        column = split(column)
    return column if column.type == kind else column.cast(kind)


def _from_text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values from text: timestamps with a zone as microseconds since 1970, others as written."""
    if pa.types.is_timestamp(kind) and kind.tz:
        return column.cast(pa.int64()).cast(kind)
    return column if column.type == kind else column.cast(kind)


def split(column: pa.Array) -> pa.Array:
    """The names in a text that has a separator between them."""
    return pc.call_function("split_pattern", [column], pc.SplitPatternOptions(SEPARATOR))


@dataclass(frozen=True)
class Layout:
    """How a write is laid out: partitions, attempt, and a part for each outcome. `origin` says in
    each file which run it is from, `trace` in each rejected row."""

    partitioning: Partitioning
    attempt: str
    parts: dict[Outcome, Part]
    storage: Storage = field(default_factory=Storage)
    origin: Mapping[str, str] = field(default_factory=dict)
    trace: str | None = None

    @property
    def constants(self) -> dict[str, str | None]:
        """The columns of rejected rows with one value for all of them."""
        return {ATTEMPT: self.attempt, TRACE: self.trace}

    @property
    def partition_by(self) -> tuple[str, ...]:
        """The names of the partition columns."""
        return self.partitioning.names

    @property
    def judged(self) -> bool:
        """Whether rows have an outcome and reasons; otherwise columns so named are the table's."""
        return QUARANTINE in self.parts
