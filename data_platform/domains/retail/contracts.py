"""The contracts of the retail tables; `docs/domains/retail.md` describes the rules."""

from datetime import timedelta

import pandera.pyspark as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts.checks import whole
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Rule
from data_platform.contracts.declare import contract
from data_platform.contracts.freshness import FreshWithin
from data_platform.contracts.winner import least
from data_platform.domains.retail.landing import COLUMNS
from data_platform.tables.columns import ROW_NUMBER, SOURCE_OBJECT
from data_platform.tables.expected_days import ExpectedDays

# pandera reads a type and its arguments from the annotation, which type checkers do not accept.
# pyright: reportInvalidTypeForm=false

TEAM = "team:retail"
NOT_EMPTY = {"min_value": 1}
LINE_TYPES = ["sale", "cancellation", "adjustment"]
SEGMENTS = ["champion", "loyal", "new", "at_risk", "lost", "regular"]


@contract(
    table="silver/retail/order_lines",
    partition_by="day",
    key=COLUMNS,
    key_as_received=True,
    # Rows with the same key are exact duplicates: any could be published, the first is.
    winner=(least(SOURCE_OBJECT), least(ROW_NUMBER)),
    rules=(
        Rule(
            "invoiced_on_day",
            lambda: F.col("invoiced_at").cast("date") == F.col("day"),
            "the date of the invoice is the day whose file holds it",
        ),
    ),
    quarantine_threshold=0.01,
    # A day's lines by the evening of the next one. The shop did not trade on Saturdays.
    freshness=FreshWithin(
        warn=timedelta(hours=18),
        error=timedelta(days=2),
        days=ExpectedDays(closed=("saturday",)),
    ),
    owner=TEAM,
    version="1.0.0",
)
class OrderLine(pa.DataFrameModel):
    """One row per line of an invoice of the gift shop; exact repeats count once."""

    day: T.DateType = column(description="trading day whose file held the line; the partition")
    invoice_no: T.StringType = column(
        source="InvoiceNo",
        str_matches=whole("C?[0-9]{6}"),
        description="invoice number, six digits; a leading C cancels",
    )
    stock_code: T.StringType = column(
        source="StockCode",
        str_length=NOT_EMPTY,
        sensitivity="public",
        description="product code in upper case, or a code for other lines (POST, M)",
    )
    description: T.StringType = column(
        source="Description",
        nullable=True,
        sensitivity="public",
        description="name of the product as typed in the shop",
    )
    quantity: T.IntegerType = column(
        source="Quantity",
        ne=0,
        description="units; negative if they are returned or written off",
    )
    invoiced_at: T.TimestampNTZType = column(
        source="InvoiceDate", description="date and time on the invoice, in no stated zone"
    )
    unit_price: T.DecimalType(12, 3) = column(
        source="UnitPrice", ge=0, description="price of one unit, in pounds sterling"
    )
    customer_id: T.IntegerType = column(
        source="CustomerID",
        nullable=True,
        sensitivity="personal",
        description="number of the customer; null if unknown",
    )
    country: T.StringType = column(
        source="Country", str_length=NOT_EMPTY, description="country of the customer"
    )
    line_type: T.StringType = column(
        isin=LINE_TYPES,
        description="cancellation (invoice C...), sale (quantity above 0), else adjustment",
    )
    is_product: T.BooleanType = column(
        description="whether the code is a product's: it starts with five digits"
    )


@contract(
    table="gold/retail/daily_sales",
    partition_by="day",
    key=("day", "country"),
    rules=(
        Rule(
            "net_is_gross_and_cancelled",
            lambda: F.col("net_sales") == F.col("gross_sales") + F.col("cancelled"),
            "net_sales = gross_sales + cancelled",
        ),
    ),
    # A cancellation written with a positive quantity is valid silver: it is reported, and does not
    # hold back a country's day.
    warn=("cancelled.less_than_or_equal_to",),
    quarantine_threshold=0.0,
    owner=TEAM,
    version="1.0.0",
)
class DailySales(pa.DataFrameModel):
    """One row per day and country with any order line: what was sold, cancelled and charged."""

    day: T.DateType = column(description="trading day")
    country: T.StringType = column(str_length=NOT_EMPTY, description="country of the customers")
    orders: T.LongType = column(ge=0, description="distinct invoices with a product sale")
    customers: T.LongType = column(ge=0, description="distinct known customers in product sales")
    units: T.LongType = column(ge=0, description="units of product sales")
    gross_sales: T.DecimalType(18, 3) = column(
        ge=0, description="quantity * unit_price over product sales, in pounds"
    )
    cancelled: T.DecimalType(18, 3) = column(
        le=0, description="quantity * unit_price over product cancellations, in pounds"
    )
    net_sales: T.DecimalType(18, 3) = column(description="gross_sales + cancelled, in pounds")
    charges: T.DecimalType(18, 3) = column(
        description="quantity * unit_price over lines that are not products, in pounds"
    )


@contract(
    table="gold/retail/customer_segments",
    partition_by="month",
    key=("month", "customer_id"),
    quarantine_threshold=0.0,
    owner=TEAM,
    version="1.0.0",
)
class CustomerSegment(pa.DataFrameModel):
    """One row per month and customer who bought in the 12 months that end with it, by RFM."""

    month: T.DateType = column(description="first day of the month that the 12 months end with")
    customer_id: T.IntegerType = column(sensitivity="personal", description="number of a customer")
    recency_days: T.IntegerType = column(
        ge=0, description="days from the last purchase to the end of the month"
    )
    frequency: T.LongType = column(ge=1, description="distinct invoices")
    monetary: T.DecimalType(18, 3) = column(
        ge=0, description="quantity * unit_price over the purchases, in pounds"
    )
    r: T.IntegerType = column(isin=[1, 2, 3, 4, 5], description="quintile of recency; 5 is best")
    f: T.IntegerType = column(isin=[1, 2, 3, 4, 5], description="quintile of frequency; 5 is best")
    m: T.IntegerType = column(isin=[1, 2, 3, 4, 5], description="quintile of monetary; 5 is best")
    segment: T.StringType = column(isin=SEGMENTS, description="customer segment, from r and f")


@contract(
    table="gold/retail/product_demand",
    partition_by="day",
    key=("day", "stock_code"),
    rules=(
        Rule(
            "mean_where_there_are_days",
            lambda: F.col("mean_units").isNull() == (F.col("trading_days") == 0),
            "mean_units is null exactly without trading days",
        ),
        Rule(
            "deviation_where_there_are_two_days",
            lambda: F.col("sd_units").isNull() == (F.col("trading_days") < 2),
            "sd_units is null exactly with fewer than two trading days",
        ),
    ),
    quarantine_threshold=0.0,
    owner=TEAM,
    version="1.0.0",
)
class ProductDemand(pa.DataFrameModel):
    """One row per day and product sold on it, against the 28 trading days before."""

    day: T.DateType = column(description="day of the sale")
    stock_code: T.StringType = column(
        str_length=NOT_EMPTY, sensitivity="public", description="product code in upper case"
    )
    units: T.LongType = column(ge=1, description="units sold on the day")
    trading_days: T.LongType = column(
        in_range={"min_value": 0, "max_value": 28},
        description="trading days found in the 90 calendar days before; at most 28",
    )
    mean_units: T.DoubleType = column(
        nullable=True, description="mean of the units sold on those days, counting 0 if none were"
    )
    sd_units: T.DoubleType = column(
        nullable=True, description="sample standard deviation of the same"
    )
    spike: T.BooleanType = column(
        description="at least 7 trading days and 50 units, and more than mean + 3 deviations"
    )
