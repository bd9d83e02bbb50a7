"""Arithmetic of which Sail does not notice what Spark does: overflow, and how many digits a decimal
has.

A tree of operators is written as a whole, since every operator within adds to the depth of the
message, which is limited: checks stand at its top.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.decimals import as_decimal, decimal_operation, is_exact
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.messages import call, cast, double, is_literal, text

OPERATORS = frozenset("+-*/%")

Typed = Callable[[Sequence[Any]], list[T.DataType]]
"""The types of expressions."""

_CHECKED = {"+": "try_add", "-": "try_subtract", "*": "try_multiply"}  # NULL if it overflows
_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)


@dataclass
class _Operand:
    expression: Any
    type: T.DataType


@dataclass
class _Tree:
    """A tree of operators while it is written."""

    types: Typed
    leaves: list[_Operand] = field(default_factory=list)
    checked: bool = False


def operands_of(expression: Any) -> list[Any] | None:
    """The two operands of an arithmetic operator; None for any other expression."""
    if expression.WhichOneof("expr_type") != "unresolved_function":
        return None
    function = expression.unresolved_function
    two = function.function_name in OPERATORS and len(function.arguments) == 2
    return list(function.arguments) if two else None


def leaves_of(expression: Any) -> list[Any]:
    """The expressions that a tree of operators computes with, from left to right."""
    operands = operands_of(expression)
    return [expression] if operands is None else [e for o in operands for e in leaves_of(o)]


def arithmetic(expression: Any, types: Typed) -> Any:
    """A tree of operators, whose leaves are written for Sail, as one that Sail computes as Spark.

    Raises EngineDifference.
    """
    leaves = leaves_of(expression)
    operands = [_Operand(e, of) for e, of in zip(leaves, types(leaves), strict=True)]
    tree = _Tree(types, operands)
    remaining = iter(operands)
    made = _written(expression, tree, remaining)
    result = made.expression
    if isinstance(made.type, T.DoubleType | T.FloatType):
        result = with_one_nan(result, made.type)
    return _failing(result, tree) if tree.checked else result


def with_one_nan(expression: Any, of: T.DataType) -> Any:
    """NaN without a sign: one with a sign, as processors give it, is the least of all on Sail."""
    nan = double(expression, math.nan)
    return call(expression, "nanvl", expression, cast(nan, of.simpleString()))


def _written(expression: Any, tree: _Tree, leaves: Any) -> _Operand:
    operands = operands_of(expression)
    if operands is None:
        return next(leaves)
    left, right = (_written(of, tree, leaves) for of in operands)
    return _operation(expression.unresolved_function.function_name, left, right, tree)


def _operation(operator: str, left: _Operand, right: _Operand, tree: _Tree) -> _Operand:
    types = (left.type, right.type)
    plain = call(left.expression, operator, left.expression, right.expression)
    if any(isinstance(of, T.StringType) for of in types):
        raise EngineDifference(f"{operator} of text; cast the text to a number first")
    if all(isinstance(of, T.DateType) for of in types):
        raise EngineDifference("the difference of two dates is a number on Sail; use F.datediff")
    if all(isinstance(of, T.IntegralType) for of in types):
        if operator == "/":
            return _Operand(plain, T.DoubleType())
        return _of_integers(operator, left, right, tree)
    if all(map(is_exact, types)):
        if operator == "/":
            raise EngineDifference(
                "a quotient of decimals: Sail cuts it off where Spark rounds it; cast one side to "
                "a double"
            )
        a, b = (as_decimal(of.expression, of.type) for of in (left, right))
        return _Operand(*decimal_operation(operator, a, b))
    if any(isinstance(of, T.DoubleType) for of in types):
        return _Operand(plain, T.DoubleType())
    return _Operand(plain, tree.types([plain])[0])  # floats, dates, intervals


def _of_integers(operator: str, left: _Operand, right: _Operand, tree: _Tree) -> _Operand:
    result = max((left.type, right.type), key=lambda of: _INTEGERS.index(type(of)))
    if isinstance(result, T.ByteType | T.ShortType):
        # Of these there is nothing checked; their results fit into an int, and perhaps not back.
        wide = call(
            left.expression, operator, *(cast(of.expression, "int") for of in (left, right))
        )
        return _Operand(cast(wide, result.simpleString()), result)
    alike = [
        of.expression if of.type == result else cast(of.expression, result.simpleString())
        for of in (left, right)
    ]
    tree.checked |= operator in _CHECKED
    return _Operand(call(alike[0], _CHECKED.get(operator, operator), *alike), result)


def _failing(result: Any, tree: _Tree) -> Any:
    """The result, and an error if it is NULL though no leaf is."""
    message = text(result, "[ARITHMETIC_OVERFLOW] an integer is too large for its type")
    given = [of.expression for of in tree.leaves if not is_literal(of.expression)]
    known = [call(of, "isNotNull", of) for of in given]
    overflown = _all([call(result, "isNull", result), *known])
    return call(result, "when", overflown, call(result, "raise_error", message), result)


def _all(conditions: list[Any]) -> Any:
    """That all hold, as a balanced tree."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return call(conditions[0], "and", _all(conditions[:middle]), _all(conditions[middle:]))
