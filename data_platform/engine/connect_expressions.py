"""Expressions of a Spark Connect plan as nodes, named as Catalyst names what it makes of them.

An expression of which it is not certain that it depends on one row alone, or on one group of rows
where rows are grouped, becomes `unknown`: a node that is none of Catalyst's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pyspark.util import PythonEvalType

from data_platform.engine.connect_names import (
    Plan,
    aliased,
    attribute,
    columns_of,
    of_the_row,
    parts_of,
    resolved,
    same,
    type_of,
)
from data_platform.engine.function_names import (
    AGGREGATES,
    CLOCKS,
    GENERATORS,
    OF_A_ROW,
    OF_A_WINDOW,
)
from data_platform.engine.logical_plan import Node
from data_platform.engine.sql_text import read_text

# What Catalyst makes of functions whose meaning a proof uses.
_KINDS = {
    "==": "EqualTo",
    "<=>": "EqualNullSafe",
    "and": "And",
    "struct": "CreateNamedStruct",
    "to_date": "ParseToDate",
    "trunc": "TruncDate",
}
_UDFS_OF_A_ROW = frozenset(
    {
        *(PythonEvalType.SQL_BATCHED_UDF, PythonEvalType.SQL_ARROW_BATCHED_UDF),
        *(PythonEvalType.SQL_SCALAR_PANDAS_UDF, PythonEvalType.SQL_SCALAR_PANDAS_ITER_UDF),
        *(PythonEvalType.SQL_SCALAR_ARROW_UDF, PythonEvalType.SQL_SCALAR_ARROW_ITER_UDF),
    }
)
_UDFS_OF_A_GROUP = frozenset({PythonEvalType.SQL_GROUPED_AGG_PANDAS_UDF})
_AGGREGATE = "AggregateExpression"
_CLOCK = "CurrentTimestamp"
_MANY = "Columns"  # stands for columns whose number the server tells
_NO_AGGREGATES: frozenset[str] = frozenset()

Names = Callable[[], Sequence[str] | None]
"""The names of an operator's output columns, asked of the server; None if it does not tell."""


def unknown(what: str | None) -> Node:
    """A relation or an expression of which nothing is known."""
    return Node(f"spark.connect.Unknown{what}", {}, ())


class Expressions:
    """The expressions of one operator, whose inputs are these.

    `windows`, `generators`: the window functions and generators that were found in them, which
    Catalyst makes operators below a projection; None where there may be none.
    """

    def __init__(self, inputs: Sequence[Plan], ids: Iterator[int], *, projects: bool = False):
        self._inputs, self._ids = inputs, ids
        self.windows: list[Node] | None = [] if projects else None
        self.generators: list[Node] | None = [] if projects else None

    def outputs(
        self,
        expressions: Iterable[Any],
        names: Names,
        aggregates: frozenset[str] = _NO_AGGREGATES,
    ) -> list[Node] | None:
        """The columns that expressions give, each with an id and a name; None if unknown.

        `names`: asked if a column has no name of its own, or if their number depends on a type.
        """
        found = [node for e in expressions for node in self._columns(e, aggregates)]
        if all(node.fields.get("name") for node in found):
            return found
        told = names()
        many = sum(node.kind == _MANY for node in found)
        if told is None or many > 1:
            return None
        more = len(told) - len(found) + many
        if many and more < 1:
            return None
        whole = [
            node
            for of in found
            for node in ([self._new(of, "") for _ in range(more)] if of.kind == _MANY else [of])
        ]
        return _with_names(whole, told) if len(whole) == len(told) else None

    def node(self, expression: Any, aggregates: frozenset[str] = _NO_AGGREGATES) -> Node:
        """An expression as a node; `aggregates`: the names of aggregate functions it may call."""
        kind = expression.WhichOneof("expr_type")
        message: Any = getattr(expression, kind or "", None)
        match kind:
            case "literal":
                return of_the_row("Literal", value=message.string)
            case "unresolved_attribute":
                plan_id = message.plan_id if message.HasField("plan_id") else None
                return self._named(message.unparsed_identifier, plan_id)
            case "unresolved_function" if not message.is_user_defined_function:
                return self._function(message, aggregates)
            case "call_function":
                return self._function(message, aggregates)
            case "expression_string":
                return self._text(message.expression, bool(aggregates))
            case "alias":
                return aliased(self.node(message.expr, aggregates), message.name[0], self._ids)
            case "cast":
                type_ = _type(message)
                return of_the_row("Cast", self.node(message.expr, aggregates), dataType=type_)
            case "sort_order":
                return of_the_row("SortOrder", self.node(message.child, aggregates))
            case "window" if self.windows is not None:
                return self._window(message)
            case "common_inline_user_defined_function":
                return self._python(message, aggregates)
            case "named_argument_expression":
                return self.node(message.value, aggregates)
            case "lambda_function":
                return of_the_row("LambdaFunction", self.node(message.function))
            case "unresolved_named_lambda_variable":
                return of_the_row("NamedLambdaVariable")
            case "unresolved_extract_value":
                of = (message.child, message.extraction)
                return of_the_row("ExtractValue", *(self.node(e, aggregates) for e in of))
            case "update_fields":
                of = [message.struct_expression]
                if message.HasField("value_expression"):
                    of.append(message.value_expression)
                return of_the_row("UpdateFields", *(self.node(e, aggregates) for e in of))
        return unknown(kind)

    def _columns(self, expression: Any, aggregates: frozenset[str]) -> list[Node]:
        """The columns that one expression gives; nameless if the server names them."""
        kind = expression.WhichOneof("expr_type")
        if (target := _star_of(expression)) is not None:
            return self._star(target)
        if kind == "alias" and len(names := expression.alias.name) > 1:
            node = self.node(expression.alias.expr, aggregates)
            return [self._new(node, name) for name in names]
        before = len(self.generators or ())
        node = self.node(expression, aggregates)
        if node.kind == "Alias" or (node.kind == "AttributeReference" and node.fields["name"]):
            return [node]
        generates = len(self.generators or ()) > before
        return [of_the_row(_MANY, node) if generates else self._new(node, "")]

    def _star(self, target: str) -> list[Node]:
        """The columns that a star stands for: of all inputs, of an alias, or the fields of a
        struct."""
        columns = columns_of(self._inputs)
        if columns is None:
            return [of_the_row(_MANY)]
        if not target:
            return [attribute(column) for column in columns]
        qualifier, *rest = parts_of(target) or ("",)
        chosen = [c for c in columns if c.qualifier is not None and same(c.qualifier, qualifier)]
        structs = [c for c in columns if any(map(c.is_named, (qualifier, *rest[:1])))]
        if rest or structs or not chosen:
            return [of_the_row(_MANY, *map(attribute, structs))]
        return [attribute(c) for c in chosen]

    def _new(self, node: Node, name: str) -> Node:
        return aliased(node, name, self._ids)

    def _named(self, name: str, plan_id: int | None) -> Node:
        """A reference by name: to a column, to a field in one, or to nothing that is known."""
        match resolved(name, plan_id, self._inputs):
            case (column, 0):
                return attribute(column, parts_of(name)[-1])
            case (column, _):
                return of_the_row("ExtractValue", attribute(column))
        return of_the_row("AttributeReference", exprId={"id": next(self._ids)}, name="", type=None)

    def _function(self, message: Any, aggregates: frozenset[str]) -> Node:
        name = message.function_name.lower()
        if name in aggregates:
            return of_the_row(_AGGREGATE, *self._arguments(message, _NO_AGGREGATES))
        if name in GENERATORS and self.generators is not None:
            node = of_the_row("Generator", *self._arguments(message, _NO_AGGREGATES))
            self.generators.append(node)
            return node
        if name not in OF_A_ROW:
            return unknown(name)
        children = self._arguments(message, aggregates)
        if name == "trunc" and children:  # takes a date, into which it casts
            children[0] = of_the_row("Cast", children[0], dataType="date")
        if name in CLOCKS and not children:
            return of_the_row(_CLOCK)
        if name in ("==", "<=>") and len(children) == 2:
            return equal(*children, kind=_KINDS[name])
        return of_the_row(_KINDS.get(name, "Function"), *children)

    def _arguments(self, message: Any, aggregates: frozenset[str]) -> list[Node]:
        found = []
        for argument in message.arguments:
            if (target := _star_of(argument)) is not None:
                found.extend(self._star(target))
            else:
                found.append(self.node(argument, aggregates))
        return found

    def _text(self, text: str, aggregates: bool) -> Node:
        read = read_text(text, aggregates=aggregates)
        if read is None or (read.generates and self.generators is None):
            return unknown("Text")
        if read.column is not None:
            node = self._named(read.column, None)
            return node if read.alias is None else aliased(node, read.alias, self._ids)
        node = of_the_row(_AGGREGATE if read.aggregates else _CLOCK if read.clock else "Text")
        if read.generates and self.generators is not None:
            self.generators.append(node)
        return node

    def _python(self, message: Any, aggregates: frozenset[str]) -> Node:
        """A Python function, of which the proof decides by its kind."""
        if message.WhichOneof("function") != "python_udf":
            return unknown("Function")
        kind = message.python_udf.eval_type
        if aggregates and kind in _UDFS_OF_A_GROUP:
            return of_the_row(_AGGREGATE, python(message, self._arguments(message, _NO_AGGREGATES)))
        if kind not in _UDFS_OF_A_ROW:
            return unknown("Function")
        return python(message, self._arguments(message, aggregates))

    def _window(self, message: Any) -> Node:
        """A reference to the value of a window function, computed by a `Window` below."""
        assert self.windows is not None
        found, self.windows = self.windows, None  # none within another
        generators, self.generators = self.generators, None
        by = tuple(map(self.node, message.partition_spec))
        order = tuple(self.node(sort.child) for sort in message.order_spec)
        function = self._window_function(message.window_function)
        value = aliased(function, "window", self._ids)
        fields = {"partitionSpec": by, "orderSpec": order, "windowExpressions": (value,)}
        self.windows, self.generators = [*found, Node("Window", fields, ())], generators
        return of_the_row("AttributeReference", exprId={"id": value.id}, name="", type=None)

    def _window_function(self, expression: Any) -> Node:
        """A function over a window, whose arguments are of the row."""
        kind = expression.WhichOneof("expr_type")
        if kind in ("unresolved_function", "common_inline_user_defined_function"):
            message = getattr(expression, kind)
            if kind == "common_inline_user_defined_function":
                arguments = self._arguments(message, _NO_AGGREGATES)
                known = message.python_udf.eval_type in _UDFS_OF_A_GROUP
                return python(message, arguments) if known else unknown("Function")
            name = message.function_name.lower()
            if name in AGGREGATES | OF_A_WINDOW and not message.is_user_defined_function:
                return of_the_row("WindowFunction", *self._arguments(message, _NO_AGGREGATES))
        return unknown(kind)


def aggregates_in(node: Node) -> bool:
    """Whether an expression calls an aggregate function, which makes one row of many."""
    return any(part.kind == _AGGREGATE for part in node.walk())


def equal(one: Node, other: Node, kind: str = "EqualTo") -> Node:
    """A comparison, of which a side is cast unless the types are known to be equal."""
    if type_of(one) is None or type_of(one) != type_of(other):
        one = of_the_row("Cast", one, dataType=None)
    return of_the_row(kind, one, other)


def python(message: Any, arguments: Iterable[Node] = ()) -> Node:
    """A call of a Python function."""
    fields = {"evalType": message.python_udf.eval_type, "udfDeterministic": message.deterministic}
    return of_the_row("PythonUDF", *arguments, **fields)


def _with_names(columns: Sequence[Node], names: Sequence[str]) -> list[Node]:
    """The columns, those without a name with the one at their position."""
    return [
        replace(column, fields={**column.fields, "name": column.fields["name"] or name})
        for column, name in zip(columns, names, strict=True)
    ]


def _star_of(expression: Any) -> str | None:
    """The alias of a star, empty if it stands for all columns; None if it is no such star."""
    match expression.WhichOneof("expr_type"):
        case "unresolved_star" if not expression.unresolved_star.HasField("plan_id"):
            text = expression.unresolved_star.unparsed_target or "*"
        case "expression_string":
            text = expression.expression_string.expression.strip()
        case _:
            return None
    if text == "*":
        return ""
    target = text.removesuffix(".*")
    return target if target != text and parts_of(target) else None


def _type(cast: Any) -> str | None:
    """The type of a cast's value, if it is one whose meaning a proof uses."""
    is_date = cast.type_str.strip().lower() == "date" or cast.type.WhichOneof("kind") == "date"
    return "date" if is_date else None
