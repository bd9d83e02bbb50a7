"""Prove from a plan that one call for many partitions gives the same rows as a call for each.

A table's function is applied to each partition's own inputs. Called once with the inputs of many
partitions, it gives the same rows if none of its operators combines rows of two partitions, which
its plan can show. Nothing is assumed without proof: an operator or expression that is not known
here mixes partitions.

If a partition holds the rows of a time, then a column with that time, its date or its month keeps
rows apart as well, unless the date or month is longer than the partition.

Rows are followed from the inputs up. They are *alike* if every partition would have the same ones,
*apart* if each comes from one partition and depends on no other, else *mixed*. Among the columns of
rows that are apart, some hold the partition, unchanged since they were read: grouping by all of
them, or joining on them, keeps rows apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pyspark.util import PythonEvalType

from data_platform.engine.logical_plan import EXPRESSIONS, Node, input_of, is_boundary
from data_platform.engine.plan_columns import KEEPS, WITHOUT_RIGHT, output

# Expressions whose value depends on other rows, on a row's position, or on chance.
_NOT_OF_THE_ROW = frozenset(
    {
        *("ScalarSubquery", "ListQuery", "Exists", "InSubquery", "LateralSubquery"),
        *("FunctionTableSubqueryArgumentExpression", "OuterReference", "DynamicPruningSubquery"),
        *("MonotonicallyIncreasingID", "SparkPartitionID", "CallMethodViaReflection"),
        *("InputFileName", "InputFileBlockStart", "InputFileBlockLength"),
        *("Rand", "Randn", "RandStr", "Uniform", "Uuid", "Shuffle"),
    }
)
# Kinds of Python functions that get one row at a time, or the rows of one group. Others get
# arbitrary batches of rows.
_OF_A_ROW = (PythonEvalType.SQL_BATCHED_UDF, PythonEvalType.SQL_ARROW_BATCHED_UDF)
_OF_A_GROUP = (
    PythonEvalType.SQL_GROUPED_MAP_PANDAS_UDF,
    PythonEvalType.SQL_GROUPED_MAP_ARROW_UDF,
    PythonEvalType.SQL_GROUPED_AGG_PANDAS_UDF,
    PythonEvalType.SQL_WINDOW_AGG_PANDAS_UDF,
)

# The field that holds an operator's grouping.
_GROUPS = {
    "Aggregate": "groupingExpressions",
    "Window": "partitionSpec",
    "Deduplicate": "keys",
    "FlatMapGroupsInPandas": "groupingAttributes",
    "FlatMapGroupsInArrow": "groupingAttributes",
}
_NO_NEW_ROWS = frozenset(
    {"Project", "Filter", "SubqueryAlias", "Repartition", "RepartitionByExpression"}
)
# Expressions whose value is another one when the plan is executed again.
_CLOCKS = frozenset({"CurrentTimestamp", "CurrentDate", "CurrentTime", "LocalTimestamp", "Now"})
# Leaves that hold their own data; others may refer to other parts of the plan, or to rows that
# were computed from an input before.
_CONSTANTS = frozenset({"LogicalRelation", "LocalRelation", "Range", "OneRowRelation"})

# The sides of a join whose unmatched rows are dropped.
_ONLY_MATCHED = {
    "Inner$": (True, True),
    "Cross$": (True, True),
    "LeftOuter$": (False, True),
    "RightOuter$": (True, False),
    "FullOuter$": (False, False),
    "LeftSemi$": (True, True),
    "LeftAnti$": (False, True),
}

Columns = tuple[frozenset[int], ...]
"""The ids of the columns that hold a partition's values, in the order of the partition columns."""


Unit = Literal["moment", "day", "month"]
_MONTH = ("month", "mon", "mm")


@dataclass(frozen=True)
class Rows:
    """What is known about a node's rows; `holding`: the columns that hold the partition.

    `times`: if the partition is the `unit` of a time in the row, the columns with this time, each
    truncated to a unit that is no longer. Any of them determines the partition.
    """

    are: Literal["alike", "apart", "mixed"]
    holding: Columns = ()
    times: Mapping[int, Unit] = field(default_factory=dict)
    unit: Unit | None = None

    @staticmethod
    def by_time(times: Mapping[int, Unit], unit: Unit) -> "Rows":
        """Rows kept apart by the time in these columns."""
        return Rows("apart", (frozenset(i for i, of in times.items() if of == unit),), times, unit)


ALIKE, MIXED = Rows("alike"), Rows("mixed")


@dataclass(frozen=True)
class Dated:
    """An input of which each partition reads the rows whose time in `column` is in the partition's
    day or month (`unit`); `dated`: the column is a date."""

    column: str
    unit: Unit
    dated: bool


Input = tuple[str, ...] | Dated | Literal["alike", "mixed"]
"""How partitions read an input: each reads its own partition, with these partition columns; each
reads the rows of its time; all read the same rows ("alike"); or any other way ("mixed")."""


@dataclass(frozen=True)
class Proof:
    """What a plan proves about its rows, and which of its columns hold their partition."""

    apart: bool
    holding: tuple[frozenset[str], ...] = ()

    def holds(self, *names: str) -> bool:
        """Whether these columns hold the values of the partition, in this order."""
        return (
            self.apart
            and len(names) == len(self.holding)
            and all(name in held for name, held in zip(names, self.holding, strict=True))
        )


def proof(plan: Node, inputs: Mapping[str, Input]) -> Proof:
    """The proof for a plan over marked inputs. Nothing is proved if its rows are alike, since each
    partition would have all of them."""
    rows = _rows(plan, inputs)
    named = {id_: name for id_, name in output(plan) or ()}
    names = tuple(frozenset(named[i] for i in ids if i in named) for ids in rows.holding)
    return Proof(rows.are == "apart", names)


def row_by_row(plan: Node) -> bool:
    """Whether each row of the input, or below the boundary, gives at most one row, whose values
    depend on it alone: they are the same each time that the plan is executed."""
    if is_boundary(plan) or input_of(plan) is not None:
        return True
    return (
        plan.kind in _NO_NEW_ROWS
        and bool(plan.children)
        and _of_the_row(plan)
        and not any(e.kind in _CLOCKS for e in plan.all_expressions)
        and all(map(row_by_row, plan.children))
    )


def _rows(node: Node, inputs: Mapping[str, Input]) -> Rows:
    if (name := input_of(node)) is not None:
        return _of_input(node, inputs[name])
    below = [_rows(child, inputs) for child in node.children]
    if any(rows.are == "mixed" for rows in below) or not _of_the_row(node):
        return MIXED
    if all(rows.are == "alike" for rows in below):
        return ALIKE if below or node.kind in _CONSTANTS else MIXED
    return _combined(node, below)


def _combined(node: Node, below: list[Rows]) -> Rows:
    """The rows of an operator whose inputs are not mixed, and at least one of them apart."""
    match node.kind:
        case "Join":
            return _joined(node, *below)
        case "Union":
            return _united(node, below)
        case "Distinct":  # by all columns, including those that hold the partition
            rows = below[0]
            return rows if rows.times or (rows.holding and all(rows.holding)) else MIXED
        case kind if kind in KEEPS:
            return _through(node, below[0])
        case kind if kind in _GROUPS:
            by, rows = node.expressions(_GROUPS[kind]), below[0]
            keys = frozenset().union(*map(_members, by))
            together = rows.holding and all(keys & ids for ids in rows.holding)
            if together or any(_cut(key, rows) for key in by):
                return _through(node, rows)
    return MIXED


def _of_input(mark: Node, reads: Input) -> Rows:
    if isinstance(reads, str):
        return Rows(reads)
    columns = output(mark) or ()
    if isinstance(reads, Dated):
        cut: Unit = "day" if reads.dated else "moment"
        times: Mapping[int, Unit] = {i: cut for i, name in columns if name == reads.column}
        return Rows.by_time(times, reads.unit) if times else MIXED
    found = tuple(frozenset(id_ for id_, name in columns if name == wanted) for wanted in reads)
    return Rows("apart", found) if found and all(found) else MIXED


def _of_the_row(node: Node) -> bool:
    """Whether each expression of an operator depends on one row, or one group of rows, only."""
    return all(
        expression.name.startswith(EXPRESSIONS)
        and expression.kind not in _NOT_OF_THE_ROW
        and (expression.kind not in ("PythonUDF", "PythonUDAF") or _is_known(expression))
        for expression in node.all_expressions
    )


def _is_known(udf: Node) -> bool:
    return udf.fields["udfDeterministic"] and udf.fields["evalType"] in (*_OF_A_ROW, *_OF_A_GROUP)


def _through(node: Node, rows: Rows) -> Rows:
    """The same rows, or groups of them, with the operator's output columns."""
    field = {"Project": "projectList", "Aggregate": "aggregateExpressions"}.get(node.kind)
    if field:
        given = [(e.id, _members(e)) for e in node.expressions(field)]
        held = (frozenset(i for i, of in given if i is not None and of & s) for s in rows.holding)
        if rows.unit is None:
            return Rows("apart", tuple(held))
        cuts: dict[int, Unit] = {}
        for e in node.expressions(field):
            if e.id is not None and (unit := _cut(e, rows)):
                cuts[e.id] = unit
        return Rows.by_time(cuts, rows.unit)
    if node.kind.startswith("FlatMapGroups"):
        return Rows("apart", tuple(frozenset() for _ in rows.holding))
    return rows


def _members(expression: Node) -> frozenset[int]:
    """The columns that the expression's value contains: a column itself, or members of a struct."""
    match expression.kind:
        case "AttributeReference" if expression.id is not None:
            return frozenset({expression.id})
        case "Alias" | "CreateNamedStruct":
            return frozenset().union(*map(_members, expression.children))
    return frozenset()


def _cut(expression: Node, rows: Rows) -> Unit | None:
    """The unit to which an expression truncates the time that determines a row's partition; None if
    it does something else, or if the unit is longer than the partition."""
    of = _cut(expression.children[0], rows) if expression.children else None
    match expression.kind:
        case "AttributeReference":
            return rows.times.get(expression.id) if expression.id is not None else None
        case "Alias":
            return of
        case "ParseToDate" if len(expression.children) > 1:  # by a format
            return None
        case "ParseToDate" | "Cast" if expression.fields.get("dataType", "date") == "date":
            return "day" if of == "moment" else of
        case "TruncDate" if of == "day" and rows.unit == "month" and _is_month(expression):
            return "month"
    return None


def _is_month(trunc: Node) -> bool:
    return str(trunc.children[1].fields.get("value", "")).lower() in _MONTH


def _joined(node: Node, left: Rows, right: Rows) -> Rows:
    kind = node.fields["joinType"].get("object", "").rpartition(".")[2]
    if kind not in _ONLY_MATCHED:
        return MIXED
    left_only_matched, right_only_matched = _ONLY_MATCHED[kind]
    if left.are == "alike":
        # An unmatched row that every partition has would appear once per partition.
        return right if left_only_matched and kind not in WITHOUT_RIGHT else MIXED
    if right.are == "alike":
        return left if right_only_matched else MIXED
    equal = [pair for e in node.expressions("condition") for pair in _equalities(e)]
    places = list(zip(left.holding, right.holding, strict=False))
    same = len(left.holding) == len(right.holding) and all(
        any((a in ls and b in rs) or (b in ls and a in rs) for a, b in equal) for ls, rs in places
    )
    times = dict(left.times) | dict(right.times) if left.unit == right.unit else {}
    sides = [pair for a, b in equal for pair in ((a, b), (b, a))]
    timed = any(a in left.times and left.times[a] == right.times.get(b) for a, b in sides)
    if not ((same and places) or (times and timed)):
        return MIXED
    match kind:
        case "Inner$" if times and left.unit:
            return Rows.by_time(times, left.unit)
        case "Inner$":
            return Rows("apart", tuple(ls | rs for ls, rs in places))
        case "RightOuter$":
            return right
        case "FullOuter$":  # either side's columns are null where it has no row
            return Rows("apart", tuple(frozenset() for _ in places))
    return left


def _equalities(condition: Node) -> Iterable[tuple[int, int]]:
    """The pairs of columns that are equal if the condition holds."""
    if condition.kind == "And":
        for part in condition.children:
            yield from _equalities(part)
    elif condition.kind in ("EqualTo", "EqualNullSafe"):
        one, other = condition.children
        if one.kind == other.kind == "AttributeReference" and one.id and other.id:
            yield one.id, other.id


def _united(node: Node, below: list[Rows]) -> Rows:
    """The rows of a union: columns match by position and have the names of the first child."""
    outputs = [output(child) for child in node.children]
    first = outputs[0]
    if first is None or any(rows.are == "alike" for rows in below):
        return MIXED  # rows that every partition has would appear once per partition
    places = range(len(below[0].holding))
    held = [
        frozenset(
            id_
            for position, (id_, _) in enumerate(first)
            if all(
                columns is not None and columns[position][0] in rows.holding[place]
                for columns, rows in zip(outputs, below, strict=True)
            )
        )
        for place in places
        if all(len(rows.holding) == len(places) for rows in below)
    ]
    return Rows("apart", tuple(held))
