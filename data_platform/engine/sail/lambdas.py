"""The types of a lambda's variables."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import types as T

_OF_ELEMENTS = frozenset({"transform", "filter", "exists", "any", "forall", "all", "array_sort"})
_FOLDS = frozenset({"aggregate", "reduce"})


def variables_of(function: str, of: Any, arguments: Sequence[T.DataType]) -> dict[str, T.DataType]:
    """The variables of a lambda that a function is called with; only those whose types are known.

    `arguments`: the types of the function's other arguments.
    """
    names = [variable.name_parts[0] for variable in of.arguments]
    first = arguments[0] if arguments else None
    types: list[T.DataType] = []
    if isinstance(first, T.ArrayType) and function == "array_sort":
        types = [first.elementType, first.elementType]
    elif isinstance(first, T.ArrayType) and function in _OF_ELEMENTS:
        types = [first.elementType, T.IntegerType()]  # and its index
    elif isinstance(first, T.ArrayType) and function in _FOLDS and len(arguments) > 1:
        types = [arguments[1], first.elementType] if len(names) == 2 else [arguments[1]]
    elif isinstance(first, T.MapType) and len(names) == 2:
        types = [first.keyType, first.valueType]
    return dict(zip(names, types, strict=False))
