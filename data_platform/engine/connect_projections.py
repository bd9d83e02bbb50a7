"""Relations of a Spark Connect plan that give each row new columns: all are projections.

Each function takes the relation's message, its input's plan, and what else it needs.
"""

from collections.abc import Callable, Sequence
from typing import Any

from data_platform.engine.connect_expressions import Expressions, aggregates_in, unknown
from data_platform.engine.connect_names import (
    Asked,
    Column,
    Columns,
    Plan,
    aliased,
    attribute,
    column_of,
    found_in,
    of_the_row,
    projected,
    resolved,
    same,
)
from data_platform.engine.function_names import AGGREGATES
from data_platform.engine.logical_plan import Node

# Types of which no value is replaced by `fillna` and `replace`.
_NEVER_FILLED = ("date", "timestamp", "timestamp_ntz", "binary")


def selected(message: Any, below: Plan, asked: Asked) -> Plan:
    """`select`, which makes one row of all if an aggregate function is in it."""
    of = Expressions([below], asked.ids, projects=True)
    return _project(below, of.outputs(message.expressions, asked.names, AGGREGATES), of)


def with_columns(message: Any, below: Plan, asked: Asked) -> Plan:
    """`withColumns`: columns of the same name are replaced where they are."""
    of = Expressions([below], asked.ids, projects=True)
    names = [alias.name[0] for alias in message.aliases]
    values = [of.node(alias.expr) for alias in message.aliases]
    columns = below.columns or ()
    kept = [
        next(
            (
                aliased(value, name, asked.ids)
                for name, value in zip(names, values, strict=True)
                if column.is_named(name)
            ),
            attribute(column),
        )
        for column in columns
    ]
    new = [
        aliased(value, name, asked.ids)
        for name, value in zip(names, values, strict=True)
        if not any(column.is_named(name) for column in columns)
    ]
    return _project(below, None if below.columns is None else [*kept, *new], of)


def renamed(message: Any, below: Plan, asked: Asked) -> Plan:
    """`withColumnsRenamed`; unknown if the order of the renames matters."""
    renames = {rename.col_name: rename.new_col_name for rename in message.renames}
    chained = any(same(new, old) for new in renames.values() for old in renames)
    if chained or message.rename_columns_map:
        return Plan(unknown("Renames"))

    def change(column: Column) -> Node | None:
        new = [name for old, name in renames.items() if column.is_named(old)]
        return aliased(attribute(column), new[0], asked.ids) if new else None

    return _changed(below, change)


def to_df(message: Any, below: Plan, asked: Asked) -> Plan:
    """`toDF`: new names, by position."""
    names: Sequence[str] = message.column_names
    if below.columns is None or len(below.columns) != len(names):
        return Plan(unknown("Columns"))
    pairs = zip(below.columns, names, strict=True)
    return _project(below, [aliased(attribute(of), name, asked.ids) for of, name in pairs])


def to_schema(_: Any, below: Plan, asked: Asked) -> Plan:
    """`to`: columns by name, cast where they have another type."""
    told = asked.columns()
    if told is None or below.columns is None:
        return Plan(unknown("Columns"))
    columns = []
    for name, type_ in told:
        match found_in(below.columns, (name,)):
            case (column, 0) if column.type == type_:
                columns.append(aliased(attribute(column), name, asked.ids))
            case _:
                columns.append(aliased(of_the_row("Converted"), name, asked.ids))
    return _project(below, columns)


def dropped(message: Any, below: Plan, asked: Asked) -> Plan:
    """`drop`: all columns of a name; a column that is not there is ignored."""
    if below.columns is None:
        return Plan(unknown("Columns"))
    ids, uncertain = set(), False
    for expression in message.columns:
        column = _only_column(expression, below)
        ids |= {column.id} if column else set()
        uncertain |= column is None
    left = [
        column
        for column in below.columns
        if column.id not in ids and not any(map(column.is_named, message.column_names))
    ]
    if uncertain and asked.names() != [column.name for column in left]:
        return Plan(unknown("Columns"))
    return _project(below, list(map(attribute, left)))


def _only_column(expression: Any, below: Plan) -> Column | None:
    if expression.WhichOneof("expr_type") != "unresolved_attribute":
        return None
    of = expression.unresolved_attribute
    plan_id = of.plan_id if of.HasField("plan_id") else None
    match resolved(of.unparsed_identifier, plan_id, [below]):
        case (column, 0):
            return column
    return None


def filled(message: Any, below: Plan, asked: Asked) -> Plan:
    """`fillna` and `replace`: new values in the chosen columns, or in all."""

    def change(column: Column) -> Node | None:
        chosen = not message.cols or any(map(column.is_named, message.cols))
        if not chosen or column.type in _NEVER_FILLED:
            return None
        return aliased(of_the_row("Coalesce", attribute(column)), column.name, asked.ids)

    return _changed(below, change)


def _changed(below: Plan, change: Callable[[Column], Node | None]) -> Plan:
    """A projection of each column, or of what it becomes."""
    if below.columns is None:
        return Plan(unknown("Columns"))
    return _project(below, [change(column) or attribute(column) for column in below.columns])


def _project(below: Plan, columns: Sequence[Node] | None, of: Expressions | None = None) -> Plan:
    """A projection, above the operators for the generators and window functions in it.

    It is unknown if a function in it is: it may be an aggregate or a generator.
    """
    if columns is None:
        return Plan(unknown("Columns"))
    output: Columns = tuple(map(column_of, columns))
    if any(part.kind.startswith("Unknown") for column in columns for part in column.walk()):
        return Plan(unknown("Projection"), output)
    node = below.node
    if of and of.generators:
        node = Node("Generate", {"generator": tuple(of.generators)}, (node,))
    for window in (of and of.windows) or ():
        node = Node("Window", window.fields, (node,))
    if any(map(aggregates_in, columns)):
        fields = {"groupingExpressions": (), "aggregateExpressions": tuple(columns)}
        return Plan(Node("Aggregate", fields, (node,)), output)
    return projected(node, columns)
