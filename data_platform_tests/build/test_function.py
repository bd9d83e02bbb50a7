import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.build.function import call_function
from data_platform.storage.errors import LakeError
from data_platform_tests.support.days_of_sales import table_of


def _total(sales: DataFrame) -> DataFrame:
    return sales.withColumn("total", F.col("nope") + 1)


@pytest.mark.connect_only
def test_what_sail_refuses_of_a_function_is_told_with_the_functions_line(
    spark: SparkSession,
) -> None:
    table = table_of(_total)
    frames = {name: spark.createDataFrame([], "day date, units bigint") for name in table.inputs}

    with pytest.raises(LakeError) as refused:
        call_function(table, ("2026-01-01",), frames)

    assert str(refused.value).startswith(
        f"{__file__}:{_total.__code__.co_firstlineno}: the function of"
    )
    assert "nope" in str(refused.value)
