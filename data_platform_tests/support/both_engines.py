"""The same DataFrame on Sail and on Spark."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from pyspark.sql import DataFrame, SparkSession

from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference

Made = Callable[[SparkSession], DataFrame]


class OnBoth(Protocol):
    """The rows that both engines have."""

    def __call__(self, make: Made, *, any_order: bool = False) -> list[tuple[Any, ...]]: ...


@pytest.fixture
def on_both(spark: SparkSession, spark_of_java: SparkSession) -> OnBoth:
    """The rows that both engines have, whose names and types are the same too; case aside."""

    def rows(make: Made, *, any_order: bool = False) -> list[tuple[Any, ...]]:
        on_sail, on_spark = agreed(make(spark)), make(spark_of_java)
        fields = [
            [(field.name.lower(), field.dataType.simpleString().lower()) for field in of.schema]
            for of in (on_sail, on_spark)
        ]
        assert fields[0] == fields[1]
        values = [[tuple(row) for row in of.collect()] for of in (on_sail, on_spark)]
        if any_order:
            values = [sorted(of, key=str) for of in values]
        assert values[0] == values[1]
        return values[0]

    return rows


def refusal(frame: DataFrame) -> str:
    """Why the frame is refused."""
    with pytest.raises(EngineDifference) as refused:
        agreed(frame)
    assert str(refused.value).endswith("or set DATA_PLATFORM_SPARK to local[*]")
    return str(refused.value)
