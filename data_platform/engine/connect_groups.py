"""Relations of a Spark Connect plan that combine rows: groups, joins and unions.

Each function takes the relation's message, its inputs' plans, and what else it needs.
"""

from typing import Any

from data_platform.engine.connect_expressions import Expressions, equal, python, unknown
from data_platform.engine.connect_names import (
    Asked,
    Column,
    Plan,
    aliased,
    attribute,
    column_of,
    found_in,
    of_the_row,
    projected,
)
from data_platform.engine.function_names import AGGREGATES
from data_platform.engine.logical_plan import Node
from data_platform.engine.plan_columns import WITHOUT_RIGHT

_JOINS = {
    "JOIN_TYPE_INNER": "Inner$",
    "JOIN_TYPE_CROSS": "Cross$",
    "JOIN_TYPE_LEFT_OUTER": "LeftOuter$",
    "JOIN_TYPE_RIGHT_OUTER": "RightOuter$",
    "JOIN_TYPE_FULL_OUTER": "FullOuter$",
    "JOIN_TYPE_LEFT_SEMI": "LeftSemi$",
    "JOIN_TYPE_LEFT_ANTI": "LeftAnti$",
}


def aggregated(message: Any, below: Plan, asked: Asked) -> Plan:
    """`groupBy` and `agg`; `rollup`, `cube` and `groupingSets`, which group by fewer columns too; a
    pivot if its values are given, since its columns depend on rows otherwise."""
    groups, values = list(message.grouping_expressions), list(message.aggregate_expressions)
    kind, pivots = _name(message, "group_type"), message.HasField("pivot")
    stars = any(by.WhichOneof("expr_type") == "unresolved_star" for by in groups)
    if stars or (pivots and not message.pivot.values):
        return Plan(unknown("Groups"))
    of = Expressions([below], asked.ids)
    if pivots:
        names = asked.names() or []
        nodes = [*(of.node(value, AGGREGATES) for value in values), of.node(message.pivot.col)]
        by = of.outputs(groups, lambda: names[: len(groups)])
        new = [aliased(of_the_row("Pivot"), name, asked.ids) for name in names[len(groups) :]]
        columns = by and [*by, *new]
    else:
        nodes, columns = [], of.outputs([*groups, *values], asked.names, AGGREGATES)
    if columns is None:
        return Plan(unknown("Columns"))
    fields = {
        "groupingExpressions": tuple(columns[: len(groups)]),
        "aggregateExpressions": tuple(columns),
        "pivoted": tuple(nodes),
    }
    by_all = kind in ("GROUP_TYPE_GROUPBY", "GROUP_TYPE_PIVOT")
    node = Node("Aggregate" if by_all else "Expand", fields, (below.node,))
    return Plan(node, tuple(map(column_of, columns)))


def grouped(message: Any, below: Plan, asked: Asked) -> Plan:
    """`applyInPandas` and `applyInArrow`."""
    plain = {"input", "grouping_expressions", "func"}  # without state, order, a second input
    told = asked.columns()
    if told is None or not {field.name for field, _ in message.ListFields()} <= plain:
        return Plan(unknown("Groups"))
    of = Expressions([below], asked.ids)
    columns = tuple(Column(next(asked.ids), name, type_) for name, type_ in told)
    fields = {
        "groupingAttributes": tuple(map(of.node, message.grouping_expressions)),
        "functionExpr": (python(message.func),),
        "output": tuple(map(attribute, columns)),
    }
    return Plan(Node("FlatMapGroupsInPandas", fields, (below.node,)), columns)


def distinct(message: Any, below: Plan, _: Asked) -> Plan:
    """`distinct` and `dropDuplicates`."""
    if message.within_watermark or below.columns is None:
        return Plan(unknown("Duplicates"))
    keys = tuple(
        attribute(column)
        for column in below.columns
        if message.all_columns_as_keys or any(map(column.is_named, message.column_names))
    )
    return Plan(Node("Deduplicate", {"keys": keys}, (below.node,)), below.columns)


def joined(message: Any, left: Plan, right: Plan, asked: Asked) -> Plan:
    """`join`, on a condition or on columns of the same names."""
    kind = _JOINS.get(_name(message, "join_type"))
    if kind is None or left.columns is None or right.columns is None:
        return Plan(unknown("Join"))
    condition: list[Node] = []
    if message.HasField("join_condition"):
        condition.append(Expressions([left, right], asked.ids).node(message.join_condition))
    pairs = []
    for name in message.using_columns:
        match found_in(left.columns, (name,)), found_in(right.columns, (name,)):
            case (one, 0), (other, 0):
                pairs.append((one, other))
                condition.append(equal(attribute(one), attribute(other)))
            case _:
                return Plan(unknown("Using"))
    fields = {"joinType": {"object": kind}, "condition": tuple(condition)}
    node = Node("Join", fields, (left.node, right.node))
    output = left.columns if kind in WITHOUT_RIGHT else (*left.columns, *right.columns)
    if not pairs:
        return Plan(node, output)
    keys = {column.id for pair in pairs for column in pair}
    columns = [
        *(_key(kind, one, other, asked) for one, other in pairs),
        *(attribute(column) for column in output if column.id not in keys),
    ]
    return projected(node, columns)


def _key(kind: str, left: Column, right: Column, asked: Asked) -> Node:
    """The one column that a join keeps of two of the same name."""
    if kind == "FullOuter$":
        both = of_the_row("Coalesce", attribute(left), attribute(right))
        return aliased(both, left.name, asked.ids)
    return attribute(right if kind == "RightOuter$" else left)


def united(message: Any, left: Plan, right: Plan, asked: Asked) -> Plan:
    """`union` and `unionByName`: the right side's columns in the order of the left side's."""
    kind = _name(message, "set_op_type")
    pairs = _pairs(message, left, right)
    if kind != "SET_OP_TYPE_UNION" or not message.is_all or pairs is None:
        return Plan(unknown("Union"))
    sides = zip(*(_both(one, other, asked) for one, other in pairs), strict=True)
    one, other = (
        projected(plan.node, columns) for plan, columns in zip((left, right), sides, strict=True)
    )
    return Plan(Node("Union", {}, (one.node, other.node)), one.columns)


def _pairs(
    message: Any, left: Plan, right: Plan
) -> list[tuple[Column | None, Column | None]] | None:
    """Which columns of a union's sides become one, None for a missing one; None if unknown."""
    if not left.columns or not right.columns:
        return None
    if not message.by_name:
        same_number = len(left.columns) == len(right.columns)
        return list(zip(left.columns, right.columns, strict=True)) if same_number else None
    names = [[column.name.casefold() for column in plan.columns or ()] for plan in (left, right)]
    if any(len(set(of)) < len(of) for of in names):
        return None
    others = dict(zip(names[1], right.columns, strict=True))
    pairs = [(of, others.pop(of.name.casefold(), None)) for of in left.columns]
    return [*pairs, *((None, other) for other in others.values())]


def _both(one: Column | None, other: Column | None, asked: Asked) -> tuple[Node, Node]:
    """A union's column on both sides: unchanged if their types are known to be equal."""
    if one and other and one.type == other.type and one.type is not None:
        return attribute(one), attribute(other)
    name = (one or other or Column(0, "")).name

    def converted(column: Column | None) -> Node:
        value = of_the_row("Cast", attribute(column), dataType=None) if column else _null()
        return aliased(value, name, asked.ids)

    return converted(one), converted(other)


def _null() -> Node:
    return of_the_row("Literal", value=None)


def _name(message: Any, field: str) -> str:
    """The name of an enumeration's value."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return values[getattr(message, field)].name
