"""Gold tables from order lines: sales per day, customers per month, demand per product.

`docs/domains/retail.md` describes the rules. Sums are exact (integers and decimals); only means
and standard deviations are doubles, computed in the last step from exact sums.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_platform.assets import gold
from data_platform.domains.retail.contracts import CustomerSegment, DailySales, ProductDemand
from data_platform.domains.retail.partitions import daily, monthly
from data_platform.quality.mapping import trailing

TRADING_DAYS, CALENDAR_DAYS = 28, 90
MONTHS = 12
MONEY = "decimal(18,3)"  # try_cast: a sum beyond it is null, and holds back its own day alone


@gold(contract=DailySales, partitions=daily)
def daily_sales(order_lines: DataFrame) -> DataFrame:
    """One row per day and country with any order line: what was sold, cancelled and charged."""
    sale, cancellation = _is_product("sale"), _is_product("cancellation")
    return (
        order_lines.groupBy("day", "country")
        .agg(
            _distinct(F.when(sale, F.col("invoice_no"))).alias("orders"),
            _distinct(F.when(sale, F.col("customer_id"))).alias("customers"),
            _total(sale, F.col("quantity")).alias("units"),
            _total(sale, _amount()).try_cast(MONEY).alias("gross_sales"),
            _total(cancellation, _amount()).try_cast(MONEY).alias("cancelled"),
            _total(~F.col("is_product"), _amount()).try_cast(MONEY).alias("charges"),
        )
        .withColumn("net_sales", (F.col("gross_sales") + F.col("cancelled")).try_cast(MONEY))
    )


@gold(
    contract=CustomerSegment,
    partitions=monthly,
    ins={"order_lines": trailing(months=MONTHS - 1)},
    whole_range=True,
)
def customer_segments(order_lines: DataFrame, partitions: tuple[date, ...]) -> DataFrame:
    """One row per month and customer who bought in the 12 months that end with it, by RFM."""
    return (
        order_lines.transform(_purchases)
        .transform(_counted_in_months, partitions)
        .transform(_recency_frequency_monetary)
        .transform(_with_quintiles)
        .transform(_with_segment)
    )


@gold(
    contract=ProductDemand,
    partitions=daily,
    ins={"order_lines": trailing(days=CALENDAR_DAYS)},
    whole_range=True,
)
def product_demand(order_lines: DataFrame, partitions: tuple[date, ...]) -> DataFrame:
    """One row per day and product sold on it, against the 28 trading days before."""
    return (
        order_lines.transform(_units_sold)
        .transform(_on_trading_days, order_lines)
        .transform(_entering_and_leaving)
        .transform(_with_sums_before)
        .where(F.col("day").isin(*partitions))
        .transform(_with_statistics)
        .transform(_with_spike)
    )


def _is_product(line_type: str) -> Column:
    return (F.col("line_type") == line_type) & F.col("is_product")


def _amount() -> Column:
    return F.col("quantity") * F.col("unit_price")


def _total(condition: Column, value: Column) -> Column:
    """The sum of the value where the condition holds; an empty sum is 0, never null."""
    return F.sum(F.when(condition, value).otherwise(0))


def _distinct(value: Column) -> Column:
    """Distinct values that are not null. A group's few hundred fit in a set, in one shuffle;
    `count_distinct` of two columns repeats every row for each and shuffles three times."""
    return F.size(F.collect_set(value)).cast("bigint")


def _purchases(lines: DataFrame) -> DataFrame:
    """Product sales of known customers, one row per customer, invoice and calendar month."""
    return (
        lines.where(_is_product("sale") & F.col("customer_id").isNotNull())
        # One shuffle by customer serves this grouping and both that follow.
        .repartition("customer_id")
        .groupBy("customer_id", "invoice_no", F.trunc("day", "month").alias("bought_in"))
        .agg(F.max("day").alias("last_day"), F.sum(_amount()).alias("spent"))
    )


def _counted_in_months(purchases: DataFrame, partitions: tuple[date, ...]) -> DataFrame:
    """Each purchase once for every month to build whose 12 months hold it."""
    months = F.array(*(F.lit(month) for month in partitions))
    return purchases.withColumn("month", F.explode(months)).where(
        (F.col("bought_in") <= F.col("month"))
        & (F.col("bought_in") > F.add_months("month", -MONTHS))
    )


def _recency_frequency_monetary(purchases: DataFrame) -> DataFrame:
    return purchases.groupBy("month", "customer_id").agg(
        F.datediff(F.last_day("month"), F.max("last_day")).cast("int").alias("recency_days"),
        F.count_distinct("invoice_no").alias("frequency"),
        F.sum("spent").try_cast(MONEY).alias("monetary"),
    )


def _with_quintiles(customers: DataFrame) -> DataFrame:
    def quintile(*order: Column) -> Column:
        return F.ntile(5).over(Window.partitionBy("month").orderBy(*order, F.asc("customer_id")))

    return customers.withColumns(
        {
            "r": quintile(F.desc("recency_days")),
            "f": quintile(F.asc("frequency")),
            "m": quintile(F.asc("monetary")),
        }
    )


def _with_segment(customers: DataFrame) -> DataFrame:
    r, f = F.col("r"), F.col("f")
    return customers.withColumn(
        "segment",
        F.when((r >= 4) & (f >= 4), "champion")
        .when(f >= 4, "loyal")
        .when((r >= 4) & (f <= 2), "new")
        .when((r <= 2) & (f >= 3), "at_risk")
        .when((r <= 2) & (f <= 2), "lost")
        .otherwise("regular"),
    )


def _units_sold(lines: DataFrame) -> DataFrame:
    """Units per product and day with a product sale."""
    return (
        lines.where(_is_product("sale"))
        # One shuffle by product serves this grouping and the running sums.
        .repartition("stock_code")
        .groupBy("stock_code", "day")
        .agg(F.sum("quantity").alias("units"))
    )


def _on_trading_days(sold: DataFrame, lines: DataFrame) -> DataFrame:
    """Adds the day's number among the trading days, how many of them count for it, and for how
    many following ones it counts: at most 28, and not across more than 90 calendar days."""
    in_order = Window.orderBy("day")
    by_date = Window.orderBy(F.unix_date("day"))

    def at_most_28(first: int, last: int) -> Column:
        return F.least(F.count("*").over(by_date.rangeBetween(first, last)), F.lit(TRADING_DAYS))

    calendar = (
        lines.select("day")
        .distinct()
        .withColumns(
            {
                "day_number": F.row_number().over(in_order),
                "trading_days": at_most_28(-CALENDAR_DAYS, -1),
                "days_counted_in": at_most_28(1, CALENDAR_DAYS),
            }
        )
    )
    return sold.join(F.broadcast(calendar), "day")


def _entering_and_leaving(sold: DataFrame) -> DataFrame:
    """Two rows per product and day: its units enter the sums, and leave them again by their minus.

    A running sum costs the same for each row; a sliding one adds 28 rows up for each.
    """
    day_after_last = F.col("day_number") + F.col("days_counted_in") + 1
    change = F.explode(
        F.array(
            F.struct(
                F.col("day_number").cast("bigint").alias("at"), F.col("units").alias("change")
            ),
            F.struct(day_after_last.alias("at"), (-F.col("units")).alias("change")),
        )
    )
    return sold.select("stock_code", "day", "units", "trading_days", change.alias("event")).select(
        "*", "event.*"
    )


def _with_sums_before(events: DataFrame) -> DataFrame:
    """Sum and sum of squares of the units in the window, at the row where a day's units enter."""
    # Ordered by the change: what leaves the window on a day is subtracted before that day's row.
    before = (
        Window.partitionBy("stock_code")
        .orderBy("at", "change")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    change = F.col("change").cast("decimal(19,0)")
    return events.withColumns(
        {
            "units_before": F.coalesce(F.sum("change").over(before), F.lit(0)),
            "squares_before": F.coalesce(
                F.sum(change * F.abs(change)).over(before), F.lit(0).cast("decimal(38,0)")
            ),
        }
    ).where("change > 0")


def _with_statistics(demand: DataFrame) -> DataFrame:
    n, squares = F.col("trading_days"), F.col("squares_before")
    total = F.col("units_before").cast("decimal(19,0)")
    # n * sum(x^2) - sum(x)^2 is exact here, where a difference of doubles cancels to noise.
    deviation = (n * squares - total * total).cast("double")
    return demand.withColumns(
        {
            "mean_units": F.when(n > 0, F.col("units_before") / n),
            "sd_units": F.when(n > 1, F.sqrt(deviation / (n * (n - 1)))),
        }
    )


def _with_spike(demand: DataFrame) -> DataFrame:
    return demand.withColumn(
        "spike",
        (F.col("trading_days") >= 7)
        & (F.col("units") >= 50)
        & (F.col("units") > F.col("mean_units") + 3 * F.col("sd_units")),
    )
