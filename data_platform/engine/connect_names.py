"""Names of columns in a Spark Connect plan, and what they refer to.

The server resolves names; here the same is done as far as it is certain. A name that may mean
several columns, or none that is known, stays without a meaning: it has an id that no column has.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data_platform.engine.logical_plan import EXPRESSIONS, Node

_PART = re.compile(r"`((?:[^`]|``)*)`|([^`.]+)")


@dataclass(frozen=True)
class Column:
    """An output column; `type`: its type as Spark writes it in short, None if unknown."""

    id: int
    name: str
    type: str | None = None
    qualifier: str | None = None

    def is_named(self, name: str) -> bool:
        """Whether the name refers to the column, as Spark compares names."""
        return same(self.name, name)


Columns = tuple[Column, ...]


Told = Sequence[tuple[str, str]]
"""The names and types of a relation's columns, as the server tells them."""


@dataclass(frozen=True)
class Asked:
    """What a relation needs beside its inputs: ids for new columns, and what the server tells of
    its own columns, None if it refuses."""

    ids: Iterator[int]
    columns: Callable[[], Told | None]

    def names(self) -> list[str] | None:
        """The names of the relation's columns; None if the server refuses."""
        told = self.columns()
        return None if told is None else [name for name, _ in told]


@dataclass(frozen=True)
class Plan:
    """A relation as a node; `columns`: its output, None if unknown; `parts`: the outputs of the
    relations that it is made of, itself included, by their plan's id."""

    node: Node
    columns: Columns | None = None
    parts: Mapping[int, tuple[Columns | None, ...]] = field(default_factory=dict)


def same(name: str, other: str) -> bool:
    """Whether two names are equal, as Spark compares them by default."""
    return name.casefold() == other.casefold()


def of_the_row(kind: str, *children: Node, **fields: Any) -> Node:
    """An expression whose value depends on its children's alone, named as one of Catalyst's."""
    return Node(EXPRESSIONS + kind, fields, children)


def attribute(column: Column, name: str | None = None) -> Node:
    """A reference to a column."""
    fields = {"exprId": {"id": column.id}, "name": name or column.name}
    return of_the_row("AttributeReference", **fields, type=column.type, qualifier=column.qualifier)


def aliased(node: Node, name: str, ids: Iterator[int]) -> Node:
    """An expression as a new column."""
    return of_the_row("Alias", node, exprId={"id": next(ids)}, name=name)


def column_of(node: Node) -> Column:
    """The column that a reference or an alias gives."""
    assert node.id is not None
    return Column(node.id, node.fields["name"], type_of(node), node.fields.get("qualifier"))


def projected(node: Node, columns: Sequence[Node]) -> Plan:
    """A projection of a node's rows to these columns, each a reference or an alias."""
    projection = Node("Project", {"projectList": tuple(columns)}, (node,))
    return Plan(projection, tuple(map(column_of, columns)))


def type_of(node: Node) -> str | None:
    """The type of an expression's value; None where it is not told."""
    match node.kind:
        case "AttributeReference":
            return node.fields["type"]
        case "Alias":
            return type_of(node.children[0])
        case "ParseToDate" | "TruncDate":
            return "date"
        case "Cast":
            return node.fields["dataType"]
        case "CreateNamedStruct":
            types = [(child.fields.get("name"), type_of(child)) for child in node.children]
            known = all(name and of for name, of in types)
            return f"struct<{','.join(f'{n}:{of}' for n, of in types)}>" if known else None
    return None


def columns_of(plans: Sequence[Plan]) -> Columns | None:
    """The columns of all plans, in order; None if any are unknown."""
    if any(plan.columns is None for plan in plans):
        return None
    return tuple(column for plan in plans for column in plan.columns or ())


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a name: `a.day` and ``a.`day` `` have two; empty if it cannot be parsed."""
    parts, at = [], 0
    while part := _PART.match(name, at):
        parts.append(part[2] if part[1] is None else part[1].replace("``", "`"))
        at = part.end()
        if at == len(name):
            return tuple(parts)
        if name[at] != ".":
            return ()
        at += 1
    return ()


def found_in(columns: Columns, parts: Sequence[str]) -> tuple[Column, int] | None:
    """The only column that a name can mean, and how many parts name a field in it."""
    found = {(column.id, depth): column for column in columns for depth in _depths(column, parts)}
    if len(found) != 1:
        return None
    [((_, depth), column)] = found.items()
    return column, depth


def _depths(column: Column, parts: Sequence[str]) -> Iterator[int]:
    """How many parts are left for fields, for each way to read the name as this column."""
    if parts and column.is_named(parts[0]):
        yield len(parts) - 1
    if len(parts) > 1 and same(column.qualifier or "", parts[0]) and column.is_named(parts[1]):
        yield len(parts) - 2


def resolved(name: str, plan_id: int | None, inputs: Sequence[Plan]) -> tuple[Column, int] | None:
    """The only column of the inputs that a name can mean, as `found_in`. With a plan's id, the
    column is looked up in that plan's output, and must be among those of the inputs still."""
    parts, columns = parts_of(name), columns_of(inputs)
    if columns is None:
        return None
    if plan_id is None:
        return found_in(columns, parts)
    outputs = [of for plan in inputs for of in plan.parts.get(plan_id, ())]
    if any(of is None for of in outputs):
        return None
    meant = [found_in(of or (), parts) for of in outputs]
    here = {column.id: column for column in columns}
    left = {(m[0].id, m[1]) for m in meant if m is not None and m[0].id in here}
    if len(left) != 1 or None in meant:
        return None
    [(id_, depth)] = left
    return here[id_], depth
