"""From which columns of its inputs each column of a DataFrame is made, told by its plan.

Columns are followed from the marked inputs up. Nothing is guessed: where an operator or expression
is not known here, the columns above it are `unknown`, with what hides them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from data_platform.engine.logical_plan import EXPRESSIONS, Node, input_of, is_boundary
from data_platform.engine.plan_columns import KEEPS, WITHOUT_RIGHT, output


class How(StrEnum):
    """How a column is made from another: as OpenLineage names it."""

    IDENTITY = "identity"
    TRANSFORMATION = "transformation"
    AGGREGATION = "aggregation"


class Why(StrEnum):
    """Why a column decides which rows there are, or into what groups they go."""

    FILTER = "filter"
    JOIN = "join"
    GROUP_BY = "group_by"
    SORT = "sort"
    WINDOW = "window"


class InputColumn(NamedTuple):
    """A column of an input, by the name of the input's mark."""

    input: str
    column: str


@dataclass(frozen=True)
class MadeFrom:
    """What a column is made from, and how; `unknown` says what hides the rest."""

    columns: Mapping[InputColumn, How] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True)
class ColumnLineage:
    """What each column is made from, by its name, and the columns that decide about rows."""

    columns: Mapping[str, MadeFrom]
    deciding: Mapping[InputColumn, frozenset[Why]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """The columns of an operator's output, by their ids. `hidden`: what hides all others."""

    columns: Mapping[int, MadeFrom]
    deciding: Mapping[InputColumn, frozenset[Why]] = field(default_factory=dict)
    hidden: str = ""

    def made(self, id_: int | None) -> MadeFrom:
        """What a column is made from."""
        known = self.columns.get(id_) if id_ is not None else None
        return known or MadeFrom(unknown=self.hidden or "a column that is not resolved")

    def decided(self, why: Why, expressions: Iterable[Node]) -> "_Known":
        """The same, with the columns of these expressions deciding about rows."""
        found = dict(self.deciding)
        for expression in expressions:
            for column in _made(expression, self).columns:
                found[column] = found.get(column, frozenset()) | {why}
        return replace(self, deciding=found)


# Fields that decide about the rows of an operator or its groups; the plans of Spark Connect have
# `expressions` where Catalyst's have another name.
_DECIDING: Mapping[str, tuple[tuple[str, Why], ...]] = {
    "Filter": (("condition", Why.FILTER), ("expressions", Why.FILTER)),
    "Join": (("condition", Why.JOIN),),
    "Aggregate": (("groupingExpressions", Why.GROUP_BY),),
    "Deduplicate": (("keys", Why.GROUP_BY),),
    "Sort": (("order", Why.SORT), ("expressions", Why.SORT)),
    "Window": (("partitionSpec", Why.WINDOW), ("orderSpec", Why.WINDOW)),
}
_SAME = KEEPS - {"Project", "Generate"} | {"Limit", "Offset", "Tail", "Sample", "Distinct"}
_SAME |= {"Deduplicate", "GlobalLimit", "LocalLimit"}
_ADDED = {
    "Project": "projectList",
    "Aggregate": "aggregateExpressions",
    "Window": "windowExpressions",
}
_CONSTANTS = frozenset({"LogicalRelation", "LocalRelation", "Range", "OneRowRelation"})
_PYTHON = ("MapInPandas", "MapInArrow", "FlatMapGroups", "FlatMapCoGroups", "ArrowEvalPython")
# Expressions without children that may read columns all the same.
_SQL = "an expression in SQL text"
_OPAQUE = {
    **dict.fromkeys(("Text", "AggregateExpression", "Generator"), _SQL),
    "Pivot": "a pivot",
    "Columns": "a star whose columns are not known",
}
_SUBQUERIES = ("ScalarSubquery", "ListQuery", "Exists", "InSubquery", "LateralSubquery")


def column_lineage(plan: Node) -> ColumnLineage:
    """The lineage of a plan's columns over marked inputs."""
    found, columns = _known(plan), output(plan)
    if columns is None:
        return ColumnLineage({}, found.deciding)
    return ColumnLineage({name: found.made(id_) for id_, name in columns}, found.deciding)


def _known(node: Node) -> _Known:
    if (name := input_of(node)) is not None:
        columns = output(node) or ()
        of = {i: MadeFrom({InputColumn(name, column): How.IDENTITY}) for i, column in columns}
        return _Known(of)
    below = [_known(child) for child in node.children]
    return _decided(node, below, _combined(node, below))


def _combined(node: Node, below: Sequence[_Known]) -> _Known:
    """The columns of an operator, before its own expressions decide about its rows."""
    if node.kind in _SAME or is_boundary(node):
        return below[0]
    match node.kind:
        case "Join":
            semi = node.fields["joinType"].get("object", "").endswith(WITHOUT_RIGHT)
            both = _merged(below)
            return replace(both, columns=below[0].columns) if semi else both
        case "Union":
            return _united(node, below)
        case "Generate":
            return _generated(node, below[0])
        case kind if kind in _ADDED:
            made = {
                e.id: _made(e, below[0]) for e in node.expressions(_ADDED[kind]) if e.id is not None
            }
            kept = below[0].columns if kind == "Window" else {}
            return replace(below[0], columns={**kept, **made})
        case kind if kind in _CONSTANTS and not below:
            return _Known({i: MadeFrom() for i, _ in output(node) or ()})
    of_python = node.kind.startswith(_PYTHON)
    hidden = f"a Python function ({node.kind})" if of_python else f"the operator {node.kind}"
    return _Known({}, _merged(below).deciding, hidden)


def _decided(node: Node, below: Sequence[_Known], found: _Known) -> _Known:
    """The columns of an operator, with those of its inputs that decide about its rows."""
    if node.kind not in _DECIDING:
        return found
    inputs = replace(_merged(below), deciding=found.deciding)
    for name, why in _DECIDING[node.kind]:
        inputs = inputs.decided(why, node.expressions(name))
    return replace(found, deciding=inputs.deciding)


def _merged(below: Sequence[_Known]) -> _Known:
    columns: dict[int, MadeFrom] = {}
    deciding: dict[InputColumn, frozenset[Why]] = {}
    for each in below:
        columns |= each.columns
        for column, whys in each.deciding.items():
            deciding[column] = deciding.get(column, frozenset()) | whys
    return _Known(columns, deciding, next((each.hidden for each in below if each.hidden), ""))


def _united(node: Node, below: Sequence[_Known]) -> _Known:
    """The columns of a union, which match by position and have the ids of the first side."""
    outputs = [output(child) for child in node.children]
    merged = _merged(below)
    if any(columns is None for columns in outputs):
        return replace(merged, columns={}, hidden=merged.hidden or "a side of a union")
    sides = [columns or [] for columns in outputs]
    made = {
        id_: _together(
            [of.made(side[at][0]) for of, side in zip(below, sides, strict=True)], How.IDENTITY
        )
        for at, (id_, _) in enumerate(sides[0])
    }
    return replace(merged, columns=made)


def _generated(node: Node, below: _Known) -> _Known:
    of = _together([_made(e, below) for e in node.expressions("generator")], How.TRANSFORMATION)
    added = {e.id: of for e in node.expressions("generatorOutput") if e.id is not None}
    return replace(below, columns={**below.columns, **added})


def _made(expression: Node, known: _Known) -> MadeFrom:
    """What an expression is made from."""
    match expression.kind:
        case "AttributeReference":
            return known.made(expression.id)
        case "Alias":
            return _made(expression.children[0], known)
        case kind if kind in _SUBQUERIES:
            return MadeFrom(unknown=f"a subquery ({kind})")
        case kind if kind in _OPAQUE and not expression.children:
            return MadeFrom(unknown=_OPAQUE[kind])
        case kind if not expression.name.startswith(EXPRESSIONS):
            return MadeFrom(unknown=f"the expression {kind}")
    aggregates = expression.kind == "AggregateExpression" or ".aggregate." in expression.name
    how = How.AGGREGATION if aggregates else How.TRANSFORMATION
    return _together([_made(child, known) for child in expression.children], how)


def _together(parts: Iterable[MadeFrom], how: How) -> MadeFrom:
    """What something is made from that is made of these in this way."""
    found: dict[InputColumn, How] = {}
    unknown = ""
    for part in parts:
        unknown = unknown or part.unknown
        for column, was in part.columns.items():
            found[column] = max(how, was, found.get(column, how), key=_ORDER.index)
    return MadeFrom(found, unknown)


_ORDER = (How.IDENTITY, How.TRANSFORMATION, How.AGGREGATION)
