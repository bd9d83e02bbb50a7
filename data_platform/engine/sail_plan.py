"""Write a plan for Sail so that it computes what Spark would, or refuse it.

Sail and Spark differ in some functions (`sail_functions`, `sail_patterns`): an integer that
overflows is an error on Spark and wraps around on Sail. What a client sends is a message of Spark
Connect's protocol; here its calls are replaced, with the types of their arguments as Sail tells
them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import types as T

from data_platform.engine.sail_functions import CALLS, OTHERWISE, OfCall, cast_problem, window_of
from data_platform.engine.sail_messages import aliased
from data_platform.engine.sail_text import text_problem

Typed = Callable[[Sequence[Any]], list[T.DataType] | None]
"""The types of expressions; None if they cannot be told."""

Schema = Callable[[Any], T.StructType]
"""The columns of a relation, as the server tells them; raises what it refuses."""


class EngineDifference(ValueError):
    """An expression that would give another result on Sail than on Spark."""


def written_for_sail(relation: Any, schema: Schema, *, only_top: bool = False) -> Any:
    """A copy of a relation with the same results on Sail as the relation has on Spark.

    `only_top`: its inputs are written so already. Raises EngineDifference.
    """
    found = type(relation)()
    found.CopyFrom(relation)
    _rewrite(found, schema, only_top)
    return found


def _rewrite(relation: Any, schema: Schema, only_top: bool = False) -> None:
    if not only_top:
        for below in _parts(relation, "Relation"):
            _rewrite(below, schema)
    kind = relation.WhichOneof("rel_type")
    message = getattr(relation, kind or "", None)
    if message is None:
        return
    if kind == "sql" and (problem := text_problem(message.query)):
        raise EngineDifference(problem)
    types = _Types(relation, kind, message, schema)
    names = kind in ("project", "aggregate")  # a column without an alias is named by its expression
    for expression in _parts(message, "Expression"):
        before = type(expression)()
        before.CopyFrom(expression)
        _replace(expression, types)
        if names and expression != before and expression.WhichOneof("expr_type") != "alias":
            expression.CopyFrom(aliased(expression, types.name(before)))


class _Types:
    """The types of expressions that stand in a relation."""

    def __init__(self, relation: Any, kind: str, message: Any, schema: Schema):
        self._relation, self._kind, self._message, self._schema = relation, kind, message, schema

    def name(self, expression: Any) -> str:
        """The name of the column that an expression without an alias gives."""
        return self._fields([expression])[-1].name

    def __call__(self, expressions: Sequence[Any]) -> list[T.DataType] | None:
        """Their types."""
        if self._kind not in ("aggregate", "join") and not self._has_input():
            return None
        named = [aliased(of, f"_{at}") for at, of in enumerate(expressions)]
        return [of.dataType for of in self._fields(named)]

    def _fields(self, expressions: Sequence[Any]) -> list[T.StructField]:
        if self._kind == "aggregate":  # arguments are mostly values of the input
            with suppress(PySparkException):
                return self._schema(self._projected(expressions)).fields
        return self._schema(self._asked(expressions)).fields[-len(expressions) :]

    def _has_input(self) -> bool:
        return "input" in self._message.DESCRIPTOR.fields_by_name

    def _asked(self, expressions: Sequence[Any]) -> Any:
        """A relation whose last columns are the expressions."""
        asked = type(self._relation)()
        match self._kind:
            case "aggregate":
                asked.aggregate.CopyFrom(self._message)
                asked.aggregate.ClearField("pivot")
                asked.aggregate.ClearField("aggregate_expressions")
                asked.aggregate.aggregate_expressions.extend(expressions)
                return asked
            case "join":
                asked.project.input.join.CopyFrom(self._message)
                asked.project.input.join.ClearField("join_condition")
                asked.project.input.join.ClearField("using_columns")
                asked.project.input.join.join_type = _CROSS
                asked.project.expressions.extend(expressions)
                return asked
        return self._projected(expressions)

    def _projected(self, expressions: Sequence[Any]) -> Any:
        asked = type(self._relation)()
        asked.project.input.CopyFrom(self._message.input)
        asked.project.expressions.extend(expressions)
        return asked


_CROSS = 7  # `JOIN_TYPE_CROSS`: it has the columns of both sides, without a condition


def _replace(expression: Any, types: Typed, *, in_lambda: bool = False) -> None:
    """Write an expression, and all within it, for Sail."""
    kind = expression.WhichOneof("expr_type")
    message = getattr(expression, kind or "", None)
    if message is None:
        return
    inside = in_lambda or kind == "lambda_function"
    if kind == "window":  # a window's function stays one
        for part in _parts(message.window_function, "Expression"):
            _replace(part, types, in_lambda=inside)
        for part in [*message.partition_spec, *(each.child for each in message.order_spec)]:
            _replace(part, types, in_lambda=inside)
        _apply(expression, message.window_function, types, inside, window_of)
        return
    for part in _parts(message, "Expression"):
        _replace(part, types, in_lambda=inside)
    match kind:
        case "expression_string":
            if problem := text_problem(message.expression):
                raise EngineDifference(problem)
        case "cast":
            if found := None if inside else types([message.expr]):
                _refuse(cast_problem(found[0], message))
        case "unresolved_function" | "call_function":
            _apply(expression, expression, types, inside, CALLS.get)


def _apply(
    expression: Any,
    called: Any,
    types: Typed,
    in_lambda: bool,
    calls: Callable[[str], OfCall | None],
) -> None:
    kind = called.WhichOneof("expr_type")
    if kind not in ("unresolved_function", "call_function"):
        return
    message = getattr(called, kind)
    name = message.function_name.lower()
    if (of := calls(name)) is None:
        return
    arguments = list(message.arguments)
    found = None if in_lambda or not of.needs_types else types(arguments)
    if of.needs_types and found is None:
        where = " within a lambda" if in_lambda else ""
        raise EngineDifference(
            f"{name}{where}: the types of its arguments are not known, and it depends on them "
            f"whether Sail computes what Spark does, {OTHERWISE}"
        )
    made = of.write(expression, called, found or [])
    if isinstance(made, str):
        raise EngineDifference(made)
    if made is not None:
        expression.CopyFrom(made)


def _refuse(problem: str | None) -> None:
    if problem:
        raise EngineDifference(problem)


def _parts(message: Any, name: str) -> Iterator[Any]:
    """The nearest messages of this type within a message: relations, or expressions that are in no
    relation below."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in _values(field, value):
            if part.DESCRIPTOR.name == name:
                yield part
            elif part.DESCRIPTOR.name != "Relation":
                yield from _parts(part, name)


def _values(field: Any, value: Any) -> Iterable[Any]:
    if field.message_type.GetOptions().map_entry:
        of = field.message_type.fields_by_name["value"].message_type
        return [] if of is None else list(value.values())
    return list(value) if field.is_repeated else [value]
