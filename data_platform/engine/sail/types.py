"""The types of expressions that stand in a relation, as Sail tells them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import types as T

from data_platform.engine.sail.columns import Columns, Server, over_empty, point_at
from data_platform.engine.sail.messages import aliased, branches, cast, copied, null, parts

Variables = Mapping[str, T.DataType]
"""The types of the variables of the lambdas around an expression."""


class UnknownType(T.DataType):
    """The type of an expression that only a server could tell; it is no other type."""


_CROSS = 7  # `JOIN_TYPE_CROSS`: it has the columns of both sides, without a condition
_LITERALS: Mapping[str, T.DataType] = {
    "null": T.NullType(),
    "boolean": T.BooleanType(),
    "byte": T.ByteType(),
    "short": T.ShortType(),
    "integer": T.IntegerType(),
    "long": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
}
_CASTS: Mapping[str, T.DataType] = {
    **{of.simpleString(): of for of in _LITERALS.values() if not isinstance(of, T.NullType)},
    **{of.simpleString(): of for of in (T.DateType(), T.TimestampType())},
}
_PREDICATES = frozenset(
    ("==", "<=>", "<", "<=", ">", ">=", "and", "or", "not", "in", "isNull", "isNotNull", "rlike")
)
_PARTS = re.compile("[.`]")  # of a name that is read as the path to a field
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


class Unknown(Exception):
    """The types cannot be told."""


def told(expression: Any, of_column: Callable[[Any], T.DataType | None]) -> T.DataType | None:
    """The type of an expression if it need not be asked; `of_column` tells that of a column."""
    match expression.WhichOneof("expr_type"):
        case "literal":
            return _LITERALS.get(expression.literal.WhichOneof("literal_type"))
        case "cast":
            to = expression.cast.type_str
            digits = _DECIMAL.fullmatch(to)
            return T.DecimalType(*map(int, digits.groups())) if digits else _CASTS.get(to)
        case "unresolved_attribute":
            return of_column(expression)
        case "unresolved_function":
            return _of_call(expression.unresolved_function, of_column)
    return None


def _of_call(function: Any, of_column: Callable[[Any], T.DataType | None]) -> T.DataType | None:
    if function.function_name in _PREDICATES:
        return T.BooleanType()
    if function.function_name != "when":
        return None
    values = [function.arguments[at] for at in branches(len(function.arguments))]
    types = [told(of, of_column) for of in values]
    same = all(of == types[0] for of in types)
    return types[0] if same else None


def by_name(fields: Sequence[T.StructField]) -> dict[str, T.DataType]:
    """The types of the columns whose names are those of no other."""
    names = [field.name.lower() for field in fields]
    plain = [field for field in fields if not _PARTS.search(field.name)]
    return {f.name: f.dataType for f in plain if names.count(f.name.lower()) == 1}


def within(of: T.DataType) -> Iterator[T.DataType]:
    """A type and all that it is made of."""
    yield of
    match of:
        case T.ArrayType():
            yield from within(of.elementType)
        case T.MapType():
            yield from within(of.keyType)
            yield from within(of.valueType)
        case T.StructType():
            for part in of.fields:
                yield from within(part.dataType)


class Types:
    """The types of the expressions of one relation, which does not change any more."""

    def __init__(self, relation: Any, inputs: Sequence[Columns], server: Server):
        self._relation, self._inputs, self._server = relation, inputs, server

    def of(self, expressions: Sequence[Any], variables: Variables) -> list[T.DataType]:
        """Their types; raises Unknown, or what Sail refuses of the relation itself."""
        bound = [_bound(of, variables) for of in expressions]
        found = [self._known(of) for of in bound]
        asked = [of for of, known in zip(bound, found, strict=True) if known is None]
        named = [aliased(of, f"_{at}") for at, of in enumerate(asked)]
        told = iter(self._fields(named) if named else [])
        return [next(told).dataType if known is None else known for known in found]

    def columns(self) -> T.StructType:
        """The columns of the relation's input, or of both inputs of a join."""
        schemas = [of.schema for of in self._inputs]
        if not schemas:
            raise Unknown
        fields: list[T.StructField] = []
        for schema in schemas:
            if schema is None:
                self._server.columns(self._relation)  # raises what is wrong with it
                raise Unknown
            fields.extend(schema.fields)
        return T.StructType(fields)

    def name(self, expression: Any) -> str:
        """The name of the column that an expression without an alias gives."""
        return self._fields([expression])[-1].name

    def _known(self, expression: Any) -> T.DataType | None:
        """The type of an expression that need not be asked."""

        def of_column(expression: Any) -> T.DataType | None:
            if not point_at(copied(expression), self._inputs):
                return None
            return self._by_name.get(expression.unresolved_attribute.unparsed_identifier)

        return told(expression, of_column)

    @cached_property
    def _by_name(self) -> dict[str, T.DataType]:
        """The types of the columns whose names are those of no other."""
        return by_name([field for of in self._inputs if of.schema for field in of.schema.fields])

    @cached_property
    def _narrow(self) -> Any | None:
        return over_empty(self._relation, self._inputs, self._server)

    def _fields(self, expressions: Sequence[Any]) -> list[T.StructField]:
        for asked in self._all_asked(expressions):
            with suppress(PySparkException):
                return self._server.columns(asked).fields[-len(expressions) :]
        self._server.columns(self._relation)  # raises what is wrong with it
        raise Unknown

    def _all_asked(self, expressions: Sequence[Any]) -> Iterator[Any]:
        """Relations whose last columns may be the expressions: first those that are small."""
        pointed = [copied(of) for of in expressions]
        if self._narrow is not None and all([point_at(of, self._inputs) for of in pointed]):
            yield from _asked(self._narrow, pointed)
        yield from _asked(self._relation, expressions)


def _asked(relation: Any, expressions: Sequence[Any]) -> Iterator[Any]:
    """Relations whose last columns may be the expressions of a relation."""
    kind = relation.WhichOneof("rel_type")
    message = getattr(relation, kind)
    if kind == "join":
        joined = type(relation)()
        joined.join.CopyFrom(message)
        joined.join.ClearField("join_condition")
        joined.join.ClearField("using_columns")
        joined.join.join_type = _CROSS
        yield _projected(joined, expressions)
        return
    if "input" not in message.DESCRIPTOR.fields_by_name:
        return
    below = message.input
    yield _projected(below, expressions)
    if kind == "aggregate":
        asked = type(relation)()
        asked.aggregate.CopyFrom(message)
        asked.aggregate.ClearField("pivot")
        asked.aggregate.ClearField("aggregate_expressions")
        asked.aggregate.aggregate_expressions.extend(expressions)
        yield asked
    while below.WhichOneof("rel_type") == "project":  # a filter may use what it leaves out
        below = below.project.input
        yield _projected(below, expressions)


def _projected(below: Any, expressions: Sequence[Any]) -> Any:
    asked = type(below)()
    asked.project.input.CopyFrom(below)
    asked.project.expressions.extend(expressions)
    return asked


def _bound(expression: Any, variables: Variables, own: frozenset[str] = frozenset()) -> Any:
    """The expression with a NULL of its type for each variable of a lambda around it; `own`: those
    of the lambdas within it."""
    made = copied(expression)
    kind = made.WhichOneof("expr_type")
    if kind == "unresolved_named_lambda_variable":
        name = made.unresolved_named_lambda_variable.name_parts[0]
        if name in own:
            return made
        if name not in variables:
            raise Unknown
        return cast(null(made), variables[name].simpleString())
    if kind == "lambda_function":
        own |= {variable.name_parts[0] for variable in made.lambda_function.arguments}
    for part in parts(made, "Expression"):
        part.CopyFrom(_bound(part, variables, own))
    return made
