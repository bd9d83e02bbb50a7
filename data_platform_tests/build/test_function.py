from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.build.function import call_function
from data_platform.storage.errors import LakeError
from data_platform_tests.support.days_of_sales import table_of


def _mistyped(sales: DataFrame) -> DataFrame:
    return sales.withColumn("total", F.col("untis") + 1)


def _of_a_struct(sales: DataFrame) -> DataFrame:
    return sales.withColumn("total", F.col("shop.till") + 1)


def _refused(sales: DataFrame) -> DataFrame:
    return sales.withColumn("total", F.col("day") + F.lit(True))


@pytest.mark.connect_only
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_mistyped, "there is no column 'untis'; did you mean units?"),
        (_of_a_struct, "there is no column 'shop.till'; there are: day, units"),
        (_refused, ""),
    ],
)
def test_what_sail_refuses_of_a_function_is_told_with_the_functions_line(
    spark: SparkSession, function: Callable[[DataFrame], DataFrame], why: str
) -> None:
    table = table_of(function)
    frames = {name: spark.createDataFrame([], "day date, units bigint") for name in table.inputs}

    with pytest.raises(LakeError) as refused:
        call_function(table, ("2026-01-01",), frames)

    said = f"{__file__}:{function.__code__.co_firstlineno}: the function of {table.id}: "
    assert str(refused.value).startswith(f"{said}{why}")
    assert "Identifier" not in str(refused.value)
