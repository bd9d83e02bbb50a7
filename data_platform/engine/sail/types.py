"""The types of expressions that stand in a relation, as Sail tells them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import types as T

from data_platform.engine.sail.messages import aliased, cast, copied, null, parts

Schema = Callable[[Any], T.StructType]
"""The columns of a relation, as the server tells them; raises what it refuses."""

Variables = Mapping[str, T.DataType]
"""The types of the variables of the lambdas around an expression."""

_CROSS = 7  # `JOIN_TYPE_CROSS`: it has the columns of both sides, without a condition


class Unknown(Exception):
    """The types cannot be told."""


class Types:
    """The types of the expressions of one relation; `references`: the subqueries of its plan."""

    def __init__(self, relation: Any, schema: Schema, references: Sequence[Any]):
        self._relation, self._schema, self._references = relation, schema, references
        self._kind = relation.WhichOneof("rel_type")
        self._message: Any = getattr(relation, self._kind)

    def of(self, expressions: Sequence[Any], variables: Variables) -> list[T.DataType]:
        """Their types; raises Unknown, or what Sail refuses of the relation itself."""
        bound = [_bound(of, variables) for of in expressions]
        named = [aliased(of, f"_{at}") for at, of in enumerate(bound)]
        return [of.dataType for of in self._fields(named)]

    def columns(self) -> T.StructType:
        """The columns of the relation's input, or of both inputs of a join."""
        asked = next(self._asked([]), None)
        if asked is None:
            raise Unknown
        return self._told(asked.project.input)

    def name(self, expression: Any) -> str:
        """The name of the column that an expression without an alias gives."""
        return self._fields([expression])[-1].name

    def _fields(self, expressions: Sequence[Any]) -> list[T.StructField]:
        for asked in self._asked(expressions):
            with suppress(PySparkException):
                return self._told(asked).fields[-len(expressions) :]
        self._told(self._relation)  # raises what is wrong with it
        raise Unknown

    def _told(self, relation: Any) -> T.StructType:
        if not self._references:
            return self._schema(relation)
        whole = type(relation)()
        whole.with_relations.root.CopyFrom(relation)
        whole.with_relations.references.extend(self._references)
        return self._schema(whole)

    def _asked(self, expressions: Sequence[Any]) -> Iterator[Any]:
        """Relations whose last columns may be the expressions."""
        if self._kind == "join":
            joined = type(self._relation)()
            joined.join.CopyFrom(self._message)
            joined.join.ClearField("join_condition")
            joined.join.ClearField("using_columns")
            joined.join.join_type = _CROSS
            yield _projected(joined, expressions)
            return
        if "input" not in self._message.DESCRIPTOR.fields_by_name:
            return
        below = self._message.input
        yield _projected(below, expressions)
        if self._kind == "aggregate":
            asked = type(self._relation)()
            asked.aggregate.CopyFrom(self._message)
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
