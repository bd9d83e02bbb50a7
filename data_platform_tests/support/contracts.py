"""A model of sales and one of a single column, and contracts of them."""

from typing import Any

import pandera.pyspark as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract
from data_platform.contracts.declare import contract


class Sale(pa.DataFrameModel):
    """A sale.

    One row per line.
    """

    day: T.DateType
    line: T.IntegerType = column(source="Line", ge=1, description="from 1")
    paid: T.DecimalType(12, 3) = column(ge=0, le=1000)  # pyright: ignore
    buyer: T.StringType = column(nullable=True, sensitivity="personal", isin=["b", "a"])
    at: T.TimestampNTZType = column()


def declare(model: Any = Sale, **settings: Any) -> Contract:
    """The contract of a model, with the settings that every contract must have."""
    known = {"table": "silver/shop/sales", "owner": "team:shop", "version": "1"}
    return contract(**{**known, **settings})(model)


def model(annotation: Any = T.IntegerType, field: Any = None, name: str = "v", **more: Any) -> Any:
    """A model of one column, and of what else a class may have."""
    field = column() if field is None else field
    return type(
        "Model", (pa.DataFrameModel,), {"__annotations__": {name: annotation}, name: field, **more}
    )


def always() -> Any:
    """What every row keeps."""
    return F.lit(True)
