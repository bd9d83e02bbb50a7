"""Frames as the framework hands them to the retail transformations, and rows as it takes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import spark_type
from data_platform.quality.judge import with_received
from data_platform_tests.support.retail.oracle import COLUMNS, Line, Received

INGESTED_AT = datetime(2012, 1, 1, tzinfo=UTC)


def bronze(spark: SparkSession, rows: Iterable[Received]) -> DataFrame:
    """What a silver function gets: the bronze columns, and all of them once more as received."""
    rows = list(rows)
    table = pa.table(
        {
            **{
                name: pa.array([row.fields[position] for row in rows], pa.string())
                for position, name in enumerate(COLUMNS)
            },
            "day": pa.array([row.day for row in rows], pa.date32()),
            "_source_object": pa.array([row.object for row in rows], pa.string()),
            "_row_number": pa.array([row.number for row in rows], pa.int64()),
            "_ingested_at": pa.array([INGESTED_AT] * len(rows), pa.timestamp("us", "UTC")),
            "_rescued": pa.array(["{}" if row.rescued else None for row in rows], pa.string()),
        }
    )
    return with_received(spark.createDataFrame(table))


def silver(spark: SparkSession, lines: Iterable[Line]) -> DataFrame:
    """The published order lines, as a gold function gets them."""
    lines = list(lines)
    types = {
        "day": pa.date32(),
        "quantity": pa.int32(),
        "invoiced_at": pa.timestamp("us"),
        "unit_price": pa.decimal128(12, 3),
        "customer_id": pa.int32(),
        "is_product": pa.bool_(),
    }
    columns = {
        name: pa.array([getattr(line, name) for line in lines], types.get(name, pa.string()))
        for name in Line._fields
    }
    return spark.createDataFrame(pa.table(columns))


def line(day: date | str, code: str = "22423", **changed: Any) -> Line:
    """An order line of one unit at a pound, but for what is changed."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    at = datetime.combine(day, datetime.min.time())
    usual = Line(
        day,
        "536365",
        code,
        None,
        1,
        at,
        Decimal("1.000"),
        17850,
        "EIRE",
        "sale",
        code[:5].isdigit(),
    )
    return usual._replace(**changed)


def rows(frame: DataFrame, contract: Contract) -> list[tuple]:
    """The contract's columns of a frame, which must have the contract's types."""
    names = [column.name for column in contract.columns]
    frame = frame.select(*names)
    assert [f.dataType for f in frame.schema] == [spark_type(c.type) for c in contract.columns]
    return [tuple(row) for row in frame.collect()]
