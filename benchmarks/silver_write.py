"""The cost of rules: a silver table with 10 and 40 rules against the same rows without rules."""

import uuid
from collections.abc import Iterator
from functools import partial
from statistics import median

import pandera.pyspark as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.plain import LEVEL
from benchmarks.workload import Workload, remove
from data_platform.assets import BronzeTable, JudgedTable, silver
from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.platform import Platform
from data_platform.build.result import publish_step
from data_platform.build.steps import build
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Contract, Rule
from data_platform.contracts.declare import contract
from data_platform.contracts.schema import schema_of
from data_platform.definitions import declared
from data_platform.domains.retail import silver as retail
from data_platform.domains.retail.landing import COLUMNS
from data_platform.domains.retail.partitions import daily
from data_platform.engine.session import start_session
from data_platform.lake.writing.publish import publish
from data_platform.landing.arrivals.listing import OVERLAP_DAYS, tick

# pyright: reportInvalidTypeForm=false

_PAIRS = 3
_SOURCE = "bronze/retail/order_lines"


class Lines(pa.DataFrameModel):
    """The order lines' columns, with one check: a partition column is never null."""

    day: T.DateType = column()
    invoice_no: T.StringType = column(nullable=True)
    stock_code: T.StringType = column(nullable=True)
    description: T.StringType = column(nullable=True)
    quantity: T.IntegerType = column(nullable=True)
    invoiced_at: T.TimestampNTZType = column(nullable=True)
    unit_price: T.DecimalType(12, 3) = column(nullable=True)
    customer_id: T.IntegerType = column(nullable=True)
    country: T.StringType = column(nullable=True)
    line_type: T.StringType = column(nullable=True)
    is_product: T.BooleanType = column(nullable=True)


def silver_write(load: Workload) -> list[Measurement]:
    """Both read published bronze; ours includes quarantine, duplicates and commits."""
    platform, spark = _with_bronze(load)
    found = []
    for count in (10, 40):
        table = table_with_rules(count)
        pairs = interleaved(
            lambda table=table: seconds(lambda: write(table, platform, spark)),
            lambda: _without_rules(load, platform, spark),
            pairs=load.pairs(_PAIRS),
            warm=True,
        )
        name = f"silver write with {count} rules / the same rows in plain PySpark, no rules"
        found.append(
            of_pairs("silver_write", name, pairs, bound="at most", goal=1.1, note=load.text)
        )
    bare = table_with_rules(1)
    for count in (10, 40):
        table = table_with_rules(count)
        pairs = interleaved(
            lambda table=table: seconds(lambda: write(table, platform, spark)),
            lambda: seconds(lambda: write(bare, platform, spark)),
            pairs=load.pairs(_PAIRS),
        )
        name = f"silver write with {count} rules / with one, through the same writer"
        more = median(own - base for own, base in pairs) / (count - 1)
        note = f"{more * 1e3:.0f} ms for each additional rule; the jobs, the columns read and the "
        note += "files written are the same"
        found.append(of_pairs("silver_write", name, pairs, bound="at most", goal=1.1, note=note))
    found.append(_jobs(platform, spark))
    remove(platform.settings.home)
    return found


def _jobs(platform: Platform, spark: SparkSession) -> Measurement:
    counts = {count: _jobs_of(table_with_rules(count), platform, spark) for count in (1, 10, 40)}
    note = ", ".join(f"{jobs} for {count} rules" for count, jobs in counts.items())
    pair = (float(counts[40]), float(counts[1]))
    name = "Spark jobs of a silver step with 40 rules / with one"
    return of_pairs("silver_write", name, [pair], bound="at most", goal=1.0, unit="jobs", note=note)


def _jobs_of(table: JudgedTable, platform: Platform, spark: SparkSession) -> int:
    group = uuid.uuid4().hex
    spark.sparkContext.setJobGroup(group, "counted")
    write(table, platform, spark)
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))


def _with_bronze(load: Workload) -> tuple[Platform, SparkSession]:
    """A home with published bronze, built by the steps without Dagster."""
    import datetime as dt

    settings = load.home()
    platform, spark = Platform(settings), start_session(settings)
    (bronze,) = (table for table in declared().tables if isinstance(table, BronzeTable))
    assert bronze.partitions is not None
    now = dt.datetime.now(dt.UTC)
    tick(platform.bucket, [bronze.source], platform.ledger, now, overlap_days=OVERLAP_DAYS)
    keys = bronze.partitions.get_partition_keys()
    planned = plan(bronze, platform, keys, only_stale=True)
    result = build_bronze(bronze, planned, platform, spark, uuid.uuid4().hex)
    publish_step(platform.lake, platform.builds, platform.ledger, result)
    return platform, spark


def write(table: JudgedTable, platform: Platform, spark: SparkSession) -> None:
    """Plan, build and publish the whole table again."""
    planned = plan(table, platform, daily.get_partition_keys(), only_stale=False)
    result = build(table, planned, platform, spark, uuid.uuid4().hex)
    publish(platform.lake, platform.builds, result.write)


def _without_rules(load: Workload, platform: Platform, spark: SparkSession) -> float:
    """Spark's own writer, without duplicates: the rows that the platform publishes."""
    target = load.folder()
    planned = plan(table_with_rules(1), platform, daily.get_partition_keys(), only_stale=False)
    (name,) = planned.inputs
    names = schema_of(table_with_rules(1).contract).names

    def work() -> None:
        plan = planned.read_plan(platform, name)
        bronze = plan.dataframe(spark, platform.storage).repartition("day")
        keys = {f"_key{n}": F.col(column) for n, column in enumerate(COLUMNS)}
        typed = retail.order_lines(bronze.withColumns(keys))
        rows = typed.dropDuplicates(["day", *keys]).select(*names)
        rows.write.options(**LEVEL).parquet(str(target), mode="overwrite", partitionBy="day")

    total = seconds(work)
    remove(target)
    return total


def table_with_rules(count: int) -> JudgedTable:
    """The retail transformation under a contract with this many rules (at least one)."""

    @silver(contract=_contract(count), partitions=daily, source=_SOURCE)
    def order_lines(bronze):
        """Order lines, for measuring."""
        return retail.order_lines(bronze)

    return order_lines


def _contract(count: int) -> Contract:
    declare = contract(
        table=f"silver/bench/order_lines_{count}",
        owner="team:retail",
        version="1",
        partition_by="day",
        key=COLUMNS,
        key_as_received=True,
        rules=tuple(rule for _, rule in zip(range(count - 1), _rules(), strict=False)),
    )
    return declare(Lines)


def _rules() -> Iterator[Rule]:
    """Distinct rules of the usual kinds (ranges, patterns, members, lengths, two columns)."""
    number = 0
    while True:
        for kind in (_range, _pattern, _member, _length, _price, _before, _product, _present):
            yield Rule(f"rule_{number}", partial(kind, number))
            number += 1


def _range(n: int) -> Column:
    return F.col("quantity").between(-1_000_000 - n, 1_000_000 + n)


def _pattern(n: int) -> Column:
    return F.col("invoice_no").rlike(f"^[A-Z]?[0-9]{{6,{7 + n}}}$")


def _member(n: int) -> Column:
    return F.col("line_type").isin("sale", "cancellation", "adjustment", f"other {n}")


def _length(n: int) -> Column:
    return F.length("description") <= 200 + n


def _price(n: int) -> Column:
    return F.col("unit_price") > -100_000 - n


def _before(n: int) -> Column:
    return F.col("invoiced_at") < F.lit(f"{2020 + n}-01-01").cast("timestamp_ntz")


def _product(n: int) -> Column:
    return ~F.col("is_product") | (F.length("stock_code") <= 12 + n)


def _present(n: int) -> Column:
    return F.col("country").isNotNull() & (F.length("country") < 100 + n)
