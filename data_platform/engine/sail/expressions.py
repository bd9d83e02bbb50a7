"""Write the expressions of a relation for Sail, or refuse them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from google.protobuf.message import DecodeError
from pyspark.sql import types as T

from data_platform.engine.sail.arithmetic import arithmetic, leaves_of, operands_of
from data_platform.engine.sail.calls import Call, OfCall
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.functions import (
    CALLS,
    WINDOWS,
    has_doubles,
    is_of_types,
    written_cast,
)
from data_platform.engine.sail.lambdas import variables_of
from data_platform.engine.sail.literals import require_literal, require_plain_text
from data_platform.engine.sail.messages import copied, parts
from data_platform.engine.sail.text import require_text
from data_platform.engine.sail.types import Unknown, Variables

_MOST_BYTES = 64 << 10  # of an expression: each check repeats what it is about


class KnownTypes(Protocol):
    """Tells the types of expressions; raises Unknown if it cannot."""

    def of(self, expressions: Sequence[Any], variables: Variables) -> list[T.DataType]:
        """The types of expressions within lambdas of these variables."""
        ...

    def columns(self) -> T.StructType:
        """The columns that the expressions may use."""
        ...


@contextmanager
def within_depth() -> Iterator[None]:
    """Raises EngineDifference where an expression becomes too deep for a message."""
    try:
        yield
    except DecodeError as error:  # messages are at most 100 levels deep
        raise EngineDifference(
            "an expression that is nested too deep; split it with withColumn"
        ) from error


class Expressions:
    """The expressions of one relation."""

    def __init__(self, types: KnownTypes):
        self._types = types

    def replace(self, expression: Any, variables: Variables) -> None:
        """Write an expression and all within it, in place; `variables`: those of the lambdas
        around it."""
        before = expression.ByteSize()
        self._replace(expression, variables)
        if expression.ByteSize() > max(_MOST_BYTES, 2 * before):
            raise EngineDifference(
                "an expression that is nested too much; split it with withColumn"
            )

    def require_order(self, order: Any) -> None:
        """Raise EngineDifference for a place of NULLs that Sail also gives those within structs."""
        if order.direction == order.null_ordering:  # ascending and first, descending and last
            return
        (found,) = self._of("a sort", [order.child], {})
        if isinstance(found, T.StructType | T.ArrayType):
            raise EngineDifference(
                f"a sort of {found.simpleString()} with NULLs first or last: Sail has those within "
                "there, too; sort by its parts"
            )

    def _replace(self, expression: Any, variables: Variables) -> None:
        kind = expression.WhichOneof("expr_type")
        if kind == "call_function":  # the same as an unresolved one
            called = copied(expression.call_function)
            expression.unresolved_function.function_name = called.function_name
            expression.unresolved_function.arguments.extend(called.arguments)
            kind = "unresolved_function"
        if operands_of(expression) is not None:
            for leaf in leaves_of(expression):
                self.replace(leaf, variables)
            name = expression.unresolved_function.function_name
            made = arithmetic(expression, lambda of: self._of(name, of, variables))
            expression.CopyFrom(made)
            return
        match kind:
            case "window":
                self._replace_window(expression, variables)
            case "unresolved_function":
                self._replace_call(expression, variables)
            case "expression_string":
                require_text(expression.expression_string.expression, self._has_doubles)
            case "cast":
                self._replace_cast(expression, variables)
            case "update_fields":
                self._replace_field(expression.update_fields, variables)
            case "literal":
                require_literal(expression.literal)
            case str():
                for part in parts(getattr(expression, kind), "Expression"):
                    self.replace(part, variables)

    def _replace_cast(self, expression: Any, variables: Variables) -> None:
        self.replace(expression.cast.expr, variables)
        require_plain_text(expression.cast.type)
        if is_of_types(expression.cast):
            (found,) = self._of("a cast", [expression.cast.expr], variables)
            if (made := written_cast(expression, found)) is not None:
                expression.CopyFrom(made)

    def _replace_field(self, message: Any, variables: Variables) -> None:
        """Sail finds a struct's field to replace or drop by its name in the same case alone."""
        for part in parts(message, "Expression"):
            self.replace(part, variables)
        (found,) = self._of("withField or dropFields", [message.struct_expression], variables)
        names = found.names if isinstance(found, T.StructType) else []
        name = message.field_name
        if name not in names and name.lower() in (each.lower() for each in names):
            raise EngineDifference(
                f"a struct's field {name}: Sail finds it by its exact name only; the fields are "
                f"{', '.join(names)}"
            )

    def _replace_call(self, expression: Any, variables: Variables) -> None:
        function = expression.unresolved_function
        values = [of for of in function.arguments if _lambda(of) is None]
        for value in values:
            self.replace(value, variables)
        name = function.function_name.lower()
        if len(values) < len(function.arguments):
            try:
                known = self._types.of(values, variables)
            except Unknown:
                known = []
            for of in filter(None, map(_lambda, function.arguments)):
                self.replace(of.function, {**variables, **variables_of(name, of, known)})
        self._apply(expression, expression, variables, CALLS.get(name))

    def _replace_window(self, expression: Any, variables: Variables) -> None:
        window = expression.window  # whose function stays one
        orders = [order.child for order in window.order_spec]
        arguments = list(parts(window.window_function, "Expression"))
        for part in [*arguments, *window.partition_spec, *orders]:
            self.replace(part, variables)
        name = window.window_function.unresolved_function.function_name.lower()
        self._apply(expression, window.window_function, variables, WINDOWS.get(name))

    def _apply(self, expression: Any, called: Any, variables: Variables, of: OfCall | None) -> None:
        if of is None:
            return
        name = called.unresolved_function.function_name
        arguments = list(called.unresolved_function.arguments)
        types = self._of(name, arguments, variables) if of.needs_types else []
        made = of.write(Call(name, arguments, types, called, expression))
        if made is not None:
            expression.CopyFrom(made)

    def _has_doubles(self) -> bool:
        try:
            return has_doubles(self._types.columns())
        except Unknown:
            return True

    def _of(self, name: str, of: Sequence[Any], variables: Variables) -> list[T.DataType]:
        try:
            return self._types.of(of, variables) if of else []
        except Unknown:
            raise EngineDifference(
                f"{name} of values whose types are not known here, and Sail's result depends on "
                "them; split the expression with withColumn"
            ) from None


def _lambda(expression: Any) -> Any | None:
    is_one = expression.WhichOneof("expr_type") == "lambda_function"
    return expression.lambda_function if is_one else None
