"""Expressions of Spark Connect's protocol, made from one of them."""

from collections.abc import Sequence
from typing import Any

_CHECKED = {"+": "try_add", "-": "try_subtract", "*": "try_multiply"}


def call(like: Any, name: str, *arguments: Any) -> Any:
    """A call of a function; `like`: any expression, whose class it has."""
    made = type(like)()
    made.unresolved_function.function_name = name
    made.unresolved_function.arguments.extend(arguments)
    return made


def with_argument(called: Any, at: int, argument: Any) -> Any:
    """The same call with another argument."""
    made = type(called)()
    made.CopyFrom(called)
    getattr(made, made.WhichOneof("expr_type")).arguments[at].CopyFrom(argument)
    return made


def cast(expression: Any, to: str) -> Any:
    """A cast, to a type as Spark writes it in short."""
    made = type(expression)()
    made.cast.expr.CopyFrom(expression)
    made.cast.type_str = to
    return made


def aliased(expression: Any, name: str) -> Any:
    """An expression with a name."""
    made = type(expression)()
    made.alias.expr.CopyFrom(expression)
    made.alias.name.append(name)
    return made


def is_null(expression: Any) -> Any:
    """Whether an expression is NULL."""
    return call(expression, "isNull", expression)


def integer(like: Any, value: int) -> Any:
    """An integer."""
    made = type(like)()
    made.literal.integer = value
    return made


def literal_text(expression: Any) -> str | None:
    """The text if the expression is one; None if it is anything else."""
    if expression.WhichOneof("expr_type") != "literal":
        return None
    literal = expression.literal
    return literal.string if literal.WhichOneof("literal_type") == "string" else None


def literal_integer(expression: Any) -> int | None:
    """The number if the expression is an integer; None if it is anything else."""
    if expression.WhichOneof("expr_type") != "literal":
        return None
    kind = expression.literal.WhichOneof("literal_type")
    return getattr(expression.literal, kind) if kind in _INTEGERS else None


_INTEGERS = ("byte", "short", "integer", "long")


def checked(operator: str, arguments: Sequence[Any]) -> Any:
    """Arithmetic of integers that fails if it overflows, as Spark's does."""
    left, right = arguments
    tried = call(left, _CHECKED[operator], left, right)
    known = call(left, "and", *(call(left, "isNotNull", of) for of in arguments))
    overflown = call(left, "and", is_null(tried), known)
    message = type(left)()
    message.literal.string = f"[ARITHMETIC_OVERFLOW] integer overflow in {operator}"
    return call(left, "when", overflown, call(left, "raise_error", message), tried)
