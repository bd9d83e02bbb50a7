"""The functions of structs, arrays and JSON that Sail computes differently from Spark."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import types as T

from data_platform.engine.sail.calls import Call, OfCall, refused
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.messages import call
from data_platform.engine.sail.types import within


def _greatest(of: Call) -> Any:
    """`max_by`, which sorts, does order structs that have NULLs as Spark does."""
    if isinstance(of.types[0], T.StructType):
        return call(of.called, "max_by", of.arguments[0], of.arguments[0])
    return not_of_nested(of)


def not_of_nested(of: Call) -> None:
    """Raise EngineDifference for a comparison of structs or arrays."""
    if any(isinstance(part, T.StructType | T.ArrayType) for part in of.types):
        raise EngineDifference(
            f"{of.name} of structs or arrays: Sail orders values that contain a NULL differently "
            "from Spark; use F.sort_array(F.collect_list(...))[0], or a sort"
        )


def _not_of_elements(of: Call) -> None:
    (array,) = of.types
    if isinstance(array, T.ArrayType) and isinstance(array.elementType, T.StructType | T.ArrayType):
        raise EngineDifference(
            f"{of.name} of structs or arrays: Sail orders values that contain a NULL differently "
            "from Spark; use F.sort_array(...)[0]"
        )


def _as_json(of: Call) -> None:
    if len(of.arguments) > 1:
        raise EngineDifference(f"{of.name} with options, which Sail ignores; leave them out")
    for part in (part for of_one in of.types for part in within(of_one)):
        if isinstance(part, T.TimestampType | T.TimestampNTZType | T.DecimalType):
            raise EngineDifference(
                f"{of.name} of a {part.simpleString()}: Sail writes other digits; cast it to a "
                "string first"
            )
        if isinstance(part, T.DoubleType | T.FloatType):
            raise EngineDifference(
                f"{of.name} of a {part.simpleString()} as text: Sail writes 10000000.0 where Spark "
                "writes 1.0E7; cast it to a decimal, and that to a string, first"
            )


def _parsed(name: str) -> OfCall:
    return refused(
        f"{name}: Sail reads malformed texts and numbers that are too large differently from "
        "Spark; parse the text in Python (F.udf)"
    )


OF_NESTED: Mapping[str, OfCall] = {
    "max": OfCall(_greatest),
    **dict.fromkeys(("min", "min_by"), OfCall(not_of_nested)),
    **dict.fromkeys(("array_min", "array_max"), OfCall(_not_of_elements)),
    "to_json": OfCall(_as_json),
    **{
        name: _parsed(name)
        for name in (
            *("from_json", "get_json_object", "json_tuple", "from_csv"),
            *("variant_get", "try_variant_get"),
        )
    },
}
"""By the names that functions have in a client's plan."""

WINDOWS_OF_NESTED: Mapping[str, OfCall] = dict.fromkeys(
    ("min", "max", "min_by", "max_by"), OfCall(not_of_nested)
)
