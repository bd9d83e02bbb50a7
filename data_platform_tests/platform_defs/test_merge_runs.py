"""A merged table in Dagster: the sensors ask for it, and a late day or a second run do no harm."""

from pathlib import Path

import pandera.pyspark as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.assets import gold
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines as silver
from data_platform_tests.support.homes import SILVER, csv, home_at, key_of, shop_lines
from data_platform_tests.support.places import A_BUCKET, Place

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

PRODUCTS = "gold/retail/products"


@contract(
    table=PRODUCTS,
    merge_on=("stock_code",),
    latest=("invoiced_at",),
    owner="team:retail",
    version="1",
)
class Product(pa.DataFrameModel):
    """One row per product, as it was last sold."""

    stock_code: T.StringType = column(description="product code")
    invoiced_at: T.TimestampNTZType = column(description="when it was last sold")
    quantity: T.IntegerType = column(description="how many of it")


@gold(contract=Product, partitions=None, ins={"lines": SILVER})
def products(lines: DataFrame) -> DataFrame:
    """One row per product, as it was last sold."""
    return lines


@pytest.mark.parametrize("place", A_BUCKET, indirect=True)
def test_days_that_land_one_after_the_other_are_merged_as_they_land(
    spark: SparkSession, tmp_path: Path, place: Place
) -> None:
    first, second, third = "2011-03-01", "2011-03-02", "2011-03-03"
    with home_at(tmp_path, (bronze, silver, products), place) as home:

        def sold() -> dict[str, int]:
            rows = home.read(PRODUCTS).to_pylist()
            assert len(rows) == len({row["stock_code"] for row in rows})
            return {row["stock_code"]: row["quantity"] for row in rows}

        home.land(key_of(second), csv(shop_lines(second, 2, units=2)))
        assert all(ran.success for ran in home.run())
        assert sold() == {"20600": 2, "20601": 2}

        home.land(key_of(third), csv(shop_lines(third, 2, first=1, units=3)))
        home.land(key_of(first), csv(shop_lines(first, 4, units=1)))
        assert all(ran.success for ran in home.run())
        assert sold() == {"20600": 2, "20601": 3, "20602": 3, "20603": 1}
        merged = home.check(PRODUCTS, "conservation", None)
        assert merged and merged.passed and merged.blocking
        assert f"2 rows of the table and 6 of {SILVER}" in (merged.description or "")
        assert home.materialized(PRODUCTS)[""].metadata["dagster/partition_row_count"].value == 4

        assert list(home.run()) == []
        before = home.versions()
        assert home.build(products, "").success  # somebody wants it anew
        assert set(home.changed(before)) >= {PRODUCTS}
        assert sold() == {"20600": 2, "20601": 3, "20602": 3, "20603": 1}
