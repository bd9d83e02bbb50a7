"""Which columns a column is made from, and which are made from it, across all tables."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pyspark.sql import SparkSession

from data_platform.assets import Table
from data_platform.build.kinds import judged
from data_platform.build.lineage import input_schemas, lineage_of
from data_platform.build.platform import Platform
from data_platform.build.tables import schema_of_rows
from data_platform.engine.column_lineage import ColumnLineage
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId

Direction = Literal["up", "down"]


@dataclass(frozen=True, order=True)
class Column:
    """A column of a table; `name` is empty for the table as a whole."""

    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}" if self.name else self.table


@dataclass(frozen=True)
class Edge:
    """That `made` is made from `source`, and how."""

    source: Column
    made: Column
    how: str


@dataclass(frozen=True)
class Lineage:
    """The lineage of the columns of all declared tables. `unknown` says of columns, or of whole
    tables, why it is not or not all known."""

    edges: Sequence[Edge]
    unknown: Mapping[Column, str]
    columns: Mapping[str, Sequence[str]]
    inputs: Mapping[str, Collection[str]]

    @staticmethod
    def of(platform: Platform, tables: Sequence[Table], spark: SparkSession) -> "Lineage":
        """The lineage by the functions' plans; nothing is read and nothing runs."""
        declared = {table.id: table for table in tables}
        names = {str(table.id): tuple(schema_of_rows(table).names) for table in tables}
        edges: list[Edge] = []
        unknown: dict[Column, str] = {}
        for table in judged(tables):
            try:
                schemas = input_schemas(table, declared, platform.lake)
                found = lineage_of(table, schemas, spark)
            except LakeError as error:  # of this table; the others are told
                unknown[Column(str(table.id), "")] = str(error)
                continue
            stored = names[str(table.id)]  # a function's other columns are dropped
            edges += _edges(table.id, table.inputs, found, stored)
            for name, made in found.columns.items():
                if made.unknown and name in stored:
                    unknown[Column(str(table.id), name)] = f"made by {made.unknown}"
        inputs = {
            str(table.id): {str(of) for of in table.inputs.values()} for table in judged(tables)
        }
        return Lineage(edges, unknown, names, inputs)

    def walk(self, start: Column, direction: Direction) -> Iterator[tuple[int, Edge]]:
        """The edges from a column, or from all of a table, with how far they are: depth first, each
        column once. Raises LakeError for a column that there is not."""
        self._require(start)
        seen: set[Column] = set()
        for column in self._columns_of(start):
            yield from self._walk(column, direction, 1, seen)

    def unknown_along(self, start: Column, direction: Direction) -> Mapping[Column, str]:
        """What is not known of the columns that a walk meets: of themselves, of their tables, and
        downwards of tables that read a table which is met."""
        met = {start}
        for _, edge in self.walk(start, direction):
            met |= {edge.source, edge.made}
        tables = {column.table for column in met}
        if direction == "down":
            tables |= {table for table, read in self.inputs.items() if not tables.isdisjoint(read)}
        whole = {column for column in self.unknown if not column.name and column.table in tables}
        return {of: why for of, why in self.unknown.items() if of in met or of in whole}

    def _walk(
        self, column: Column, direction: Direction, depth: int, seen: set[Column]
    ) -> Iterator[tuple[int, Edge]]:
        if column in seen:
            return
        seen.add(column)
        for edge in self._by[direction].get(column, ()):
            yield depth, edge
            following = edge.source if direction == "up" else edge.made
            yield from self._walk(following, direction, depth + 1, seen)

    @cached_property
    def _by(self) -> Mapping[str, Mapping[Column, Sequence[Edge]]]:
        up: dict[Column, list[Edge]] = {}
        down: dict[Column, list[Edge]] = {}
        for edge in self.edges:
            up.setdefault(edge.made, []).append(edge)
            down.setdefault(edge.source, []).append(edge)
        return {"up": up, "down": down}

    def _columns_of(self, start: Column) -> Iterable[Column]:
        if start.name:
            return [start]
        return [start, *(Column(start.table, name) for name in self.columns[start.table])]

    def _require(self, start: Column) -> None:
        if start.table not in self.columns:
            raise LakeError(f"{start.table} is not a declared table")
        if start.name and start.name not in self.columns[start.table]:
            there = ", ".join(self.columns[start.table])
            raise LakeError(f"{start.table} has no column {start.name!r}; it has {there}")


def _edges(
    table: TableId, inputs: Mapping[str, TableId], found: ColumnLineage, stored: Collection[str]
) -> Iterator[Edge]:
    for name, made in found.columns.items():
        for source, how in made.columns.items():
            of = Column(str(inputs[source.input]), source.column)
            if name in stored:
                yield Edge(of, Column(str(table), name), str(how))
    for source, whys in found.deciding.items():
        of = Column(str(inputs[source.input]), source.column)
        yield Edge(of, Column(str(table), ""), f"decides about rows: {', '.join(sorted(whys))}")
