"""Expressions of Spark Connect's protocol: what they are made of, and new ones from old ones."""

from collections.abc import Iterator
from typing import Any

from data_platform.engine.pyspark_internals import messages_in


def parts(message: Any, name: str) -> Iterator[Any]:
    """The nearest messages of this type within a message: relations, or expressions that are in no
    relation below."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in messages_in(field, value):
            if part.DESCRIPTOR.name == name:
                yield part
            elif part.DESCRIPTOR.name != "Relation":
                yield from parts(part, name)


def copied(message: Any) -> Any:
    """An equal message."""
    made = type(message)()
    made.CopyFrom(message)
    return made


def call(like: Any, name: str, *arguments: Any) -> Any:
    """A call of a function; `like`: any expression, whose class it has."""
    made = type(like)()
    made.unresolved_function.function_name = name
    made.unresolved_function.arguments.extend(arguments)
    return made


def with_argument(called: Any, at: int, argument: Any) -> Any:
    """The same call with another argument."""
    made = copied(called)
    made.unresolved_function.arguments[at].CopyFrom(argument)
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


def null(like: Any) -> Any:
    """A NULL without a type."""
    made = type(like)()
    made.literal.null.null.SetInParent()
    return made


def text(like: Any, value: str) -> Any:
    """A text."""
    made = type(like)()
    made.literal.string = value
    return made


def double(like: Any, value: float) -> Any:
    """A double."""
    made = type(like)()
    made.literal.double = value
    return made


def is_literal(expression: Any) -> bool:
    """Whether an expression is a value."""
    return expression.WhichOneof("expr_type") == "literal"


_QUICK = frozenset({"when", "rlike", "isNull", "isNotNull"})


def is_quick(expression: Any) -> bool:
    """Whether an expression is made of columns, their fields, values and tests of them alone."""
    kind = expression.WhichOneof("expr_type")
    if kind == "unresolved_function":
        called = expression.unresolved_function
        return called.function_name in _QUICK and all(map(is_quick, called.arguments))
    if kind == "unresolved_extract_value":
        return is_quick(expression.unresolved_extract_value.child)
    return kind in ("unresolved_attribute", "literal")


def literal_text(expression: Any) -> str | None:
    """The text if the expression is one; None if it is anything else."""
    if not is_literal(expression):
        return None
    literal = expression.literal
    return literal.string if literal.WhichOneof("literal_type") == "string" else None


def literal_integer(expression: Any) -> int | None:
    """The number if the expression is an integer; None if it is anything else."""
    if not is_literal(expression):
        return None
    kind = expression.literal.WhichOneof("literal_type")
    return getattr(expression.literal, kind) if kind in _INTEGERS else None


_INTEGERS = ("byte", "short", "integer", "long")


def branches(arguments: int) -> list[int]:
    """Where the values are among the arguments of `when`: condition, value, condition, value,
    otherwise."""
    return [at for at in range(arguments) if at % 2 or at == arguments - 1]
