"""Refuse an expression over declared columns before there is a server to ask."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.expressions import Expressions, within_depth
from data_platform.engine.sail.messages import copied
from data_platform.engine.sail.types import UnknownType, Variables, by_name, told


def require_expression(expression: Any, columns: T.StructType) -> None:
    """Raise EngineDifference for what Sail would compute differently from Spark in an expression
    over these columns, as far as their types tell: the whole plan is checked when it is executed.
    """
    with within_depth():
        Expressions(_Declared(columns)).replace(copied(expression), {})


class _Declared:
    """The types of expressions over declared columns."""

    def __init__(self, columns: T.StructType):
        self._columns, self._by_name = columns, by_name(columns.fields)

    def of(self, expressions: Sequence[Any], variables: Variables) -> list[T.DataType]:
        """Their types, as far as they are known here."""
        return [told(of, self._of_column) or UnknownType() for of in expressions]

    def columns(self) -> T.StructType:
        """The declared columns."""
        return self._columns

    def _of_column(self, expression: Any) -> T.DataType | None:
        return self._by_name.get(expression.unresolved_attribute.unparsed_identifier)
