"""Order lines, typed and classified; the contract decides which are published.

`docs/domains/retail.md` describes the rules. A value that cannot be typed becomes null here, and
the contract distinguishes it from a missing one by the value as received. Spark's column names are
case insensitive, so `quantity` replaces the received `Quantity`.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_platform.assets import silver
from data_platform.contracts import typed
from data_platform.domains.retail.contracts import OrderLine
from data_platform.domains.retail.partitions import daily

INTEGER = "-?[0-9]+"
PRICE = r"-?[0-9]+(\.[0-9]{1,3})?"
CUSTOMER = r"[0-9]+(\.0+)?"
TIMESTAMP = "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"


@silver(contract=OrderLine, partitions=daily)
def order_lines(bronze: DataFrame) -> DataFrame:
    """One row per line of an invoice; exact repeats count once."""
    return (
        bronze.transform(_with_trimmed_text)
        .transform(_with_typed_amounts)
        .transform(_with_invoice_time_and_customer)
        .transform(_with_line_type)
    )


def _with_trimmed_text(lines: DataFrame) -> DataFrame:
    return lines.withColumns(
        {
            "invoice_no": F.trim("InvoiceNo"),
            "stock_code": F.upper(F.trim("StockCode")),
            "description": F.nullif(F.trim("Description"), F.lit("")),
            "country": F.trim("Country"),
        }
    )


def _with_typed_amounts(lines: DataFrame) -> DataFrame:
    return lines.withColumns(
        {
            "quantity": typed.integer(typed.matching("Quantity", INTEGER)),
            "unit_price": typed.decimal(typed.matching("UnitPrice", PRICE), 12, 3),
        }
    )


def _with_invoice_time_and_customer(lines: DataFrame) -> DataFrame:
    customer = typed.matching("CustomerID", CUSTOMER)
    return lines.withColumns(
        {
            "invoiced_at": typed.timestamp_ntz(typed.matching("InvoiceDate", TIMESTAMP)),
            "customer_id": typed.integer(customer, zero_fraction=True),
        }
    )


def _with_line_type(lines: DataFrame) -> DataFrame:
    # Never null, so that a broken invoice number or code is reported once, under its own name.
    return lines.withColumns(
        {
            "line_type": F.when(F.col("invoice_no").startswith("C"), "cancellation")
            .when(F.col("quantity") > 0, "sale")
            .otherwise("adjustment"),
            "is_product": F.coalesce(F.col("stock_code").rlike("^[0-9]{5}"), F.lit(False)),
        }
    )
