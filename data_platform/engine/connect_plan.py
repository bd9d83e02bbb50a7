"""A Spark Connect plan as a tree of nodes, named as Catalyst names its operators.

The plan is unresolved: names are resolved here (`connect_names`), the columns of what is read come
from the server. A relation that is not known here becomes a leaf of which nothing is known, so what
is proved of a plan may be less than of Catalyst's plan of the same query, and never more.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from data_platform.engine.connect_expressions import Expressions, unknown
from data_platform.engine.connect_groups import aggregated, distinct, grouped, joined, united
from data_platform.engine.connect_names import Asked, Column, Columns, Plan, Told, attribute
from data_platform.engine.connect_projections import (
    dropped,
    filled,
    renamed,
    selected,
    to_df,
    to_schema,
    with_columns,
)
from data_platform.engine.logical_plan import Node, input_of

# Files hold the same rows whoever reads them; a named table may be a view of an input.
_FILES = frozenset({"", "parquet", "csv", "json", "orc", "text", "avro", "binaryfile"})
_LEAVES = {
    "local_relation": "LocalRelation",
    "cached_local_relation": "LocalRelation",
    "chunked_cached_local_relation": "LocalRelation",
    "range": "Range",
}
_OF_ONE: Mapping[str, Callable[[Any, Plan, Asked], Plan]] = {
    "project": selected,
    "with_columns": with_columns,
    "with_columns_renamed": renamed,
    "to_df": to_df,
    "to_schema": to_schema,
    "drop": dropped,
    "fill_na": filled,
    "replace": filled,
    "deduplicate": distinct,
    "aggregate": aggregated,
    "group_map": grouped,
}
# Relations that pass their input's columns on: what Catalyst calls them, and their expressions. Of
# the last four nothing is proved, unless every partition reads the same rows.
_SAME_COLUMNS: Mapping[str, tuple[str, Callable[[Any], list[Any]]]] = {
    "filter": ("Filter", lambda message: [message.condition]),
    "drop_na": ("Filter", lambda _: []),
    "sort": ("Sort", lambda message: [order.child for order in message.order]),
    "repartition": ("Repartition", lambda _: []),
    "repartition_by_expression": ("RepartitionByExpression", lambda m: list(m.partition_exprs)),
    "hint": ("ResolvedHint", lambda message: list(message.parameters)),
    "limit": ("Limit", lambda _: []),
    "offset": ("Offset", lambda _: []),
    "tail": ("Tail", lambda _: []),
    "sample": ("Sample", lambda _: []),
}


def plan_of(relation: Any, told: Callable[[Any], Told | None]) -> Node:
    """The tree for a relation, a message of Spark Connect's protocol.

    `told`: the names and types of a relation's columns, from the server; None if it refuses.
    """
    found = _Relations(told).plan(relation)
    if found.columns is None:
        return found.node
    columns = told(relation) or []
    agreed = len(columns) == len(found.columns) and all(
        column.is_named(name) for column, (name, _) in zip(found.columns, columns, strict=True)
    )
    return found.node if agreed else unknown("Columns")


class _Relations:
    """Relations as plans, whose columns have ids that are unique among them."""

    def __init__(self, told: Callable[[Any], Told | None]):
        self._told, self._ids = told, count(1)

    def plan(self, relation: Any) -> Plan:
        """A relation and all below it."""
        kind = relation.WhichOneof("rel_type") or ""
        message = getattr(relation, kind, None)
        inputs: list[Plan] = []
        found = self._made(relation, kind, message, inputs)
        parts: dict[int, tuple[Columns | None, ...]] = defaultdict(tuple)
        for plan in inputs:
            for plan_id, outputs in plan.parts.items():
                parts[plan_id] += outputs
        if relation.common.HasField("plan_id"):
            parts[relation.common.plan_id] += (found.columns,)
        return Plan(found.node, found.columns, parts)

    def _made(self, relation: Any, kind: str, message: Any, inputs: list[Plan]) -> Plan:
        """A relation whose inputs' plans are put into `inputs`."""

        def below(of: Any) -> Plan:
            inputs.append(self.plan(of))
            return inputs[-1]

        asked = Asked(self._ids, lambda: self._told(relation))
        if kind in _LEAVES or (kind == "read" and _is_files(message)):
            return self._leaf(asked, _LEAVES.get(kind, "LogicalRelation"))
        if kind in _OF_ONE:
            return _OF_ONE[kind](message, below(message.input), asked)
        if kind in _SAME_COLUMNS:
            return self._same_columns(kind, message, below(message.input))
        match kind:
            case "subquery_alias" if _is_input(message):
                return self._alias(message, self._leaf(asked, "LogicalRelation"))
            case "subquery_alias":
                return self._alias(message, below(message.input))
            case "join":
                return joined(message, below(message.left), below(message.right), asked)
            case "set_op":
                return united(message, below(message.left_input), below(message.right_input), asked)
            case "unpivot":
                return _unpivoted(message, below(message.input), asked)
        return Plan(unknown(kind))

    def _leaf(self, asked: Asked, kind: str) -> Plan:
        told = asked.columns()
        if told is None:
            return Plan(unknown(kind))
        columns = tuple(Column(next(self._ids), name, type_) for name, type_ in told)
        return Plan(Node(kind, {"output": tuple(map(attribute, columns))}, ()), columns)

    def _alias(self, message: Any, below: Plan) -> Plan:
        columns = below.columns and tuple(
            Column(of.id, of.name, of.type, message.alias) for of in below.columns
        )
        return Plan(Node("SubqueryAlias", _identifier(message), (below.node,)), columns)

    def _same_columns(self, kind: str, message: Any, below: Plan) -> Plan:
        name, expressions = _SAME_COLUMNS[kind]
        of = Expressions([below], self._ids)
        nodes = tuple(map(of.node, expressions(message)))
        return Plan(Node(name, {"expressions": nodes}, (below.node,)), below.columns)


def _unpivoted(message: Any, below: Plan, asked: Asked) -> Plan:
    """`unpivot`, of which nothing is proved unless every partition reads the same rows."""
    of, told = Expressions([below], asked.ids), asked.columns()
    nodes = tuple(map(of.node, [*message.ids, *message.values.values]))
    columns = tuple(Column(next(asked.ids), name, type_) for name, type_ in told or ())
    return Plan(Node("Unpivot", {"expressions": nodes}, (below.node,)), columns or None)


def _is_files(read: Any) -> bool:
    source = read.data_source
    return (
        read.HasField("data_source") and source.format.lower() in _FILES and not read.is_streaming
    )


def _identifier(alias: Any) -> dict[str, Any]:
    return {"identifier": {"name": alias.alias}}


def _is_input(alias: Any) -> bool:
    return input_of(Node("SubqueryAlias", _identifier(alias), ())) is not None
