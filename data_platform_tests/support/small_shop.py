"""A small shop without Spark: files land, bronze and silver are built as the platform does it.

Bronze is the platform's own step. Silver is judged here in plain Python, then staged, audited and
published by the lake: table, quarantine and duplicates.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pandera.pyspark as pandera
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.assets import BronzeTable, JudgedTable, bronze, silver
from data_platform.build.audit import held_back
from data_platform.build.bronze import build_bronze
from data_platform.build.planning import Plan, plan
from data_platform.build.platform import Platform
from data_platform.build.result import publish_step
from data_platform.build.tables import ensure_tables
from data_platform.contracts.columns import column
from data_platform.contracts.contract import Retention
from data_platform.contracts.declare import contract
from data_platform.lake.catalog import Lake
from data_platform.lake.files import files_by_partition
from data_platform.lake.writing.layout import Layout
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.lake.writing.staging import new_attempt, part, stage_arrow, with_empty_partitions
from data_platform.landing.formats.csv import Csv
from data_platform.landing.source import Source
from data_platform.quality.findings import conservation_finding, rules_finding
from data_platform.runs.arrivals import due_of_bronze, record_arrivals
from data_platform.settings.environment import settings_at
from data_platform.storage.files import Storage, filesystem
from data_platform.tables.identity import TableId, TableSlice
from data_platform.tables.outcomes import DATA, DUPLICATES, OUTCOME, QUARANTINE, REASONS
from data_platform_tests.support.faults import Faults
from data_platform_tests.support.faulty_platform import FaultyPlatform, FaultyStorage
from data_platform_tests.support.local_spark import LocalSpark
from data_platform_tests.support.places import Place

# pandera reads a type from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAYS = dg.DailyPartitionsDefinition("2011-03-01", end_date="2011-04-01")
SHOP = Source(
    name="shop",
    prefix="shop/",
    pattern=r"shop/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv",
    table="bronze/shop/sales",
    format=Csv(columns=("sku", "amount")),
)
RECEIVED = bronze(
    source=SHOP,
    partitions=DAYS,
    owner="team:shop",
    description="Sales as received.",
    retention=Retention(snapshots=3),
)


@contract(
    table="silver/shop/sales",
    partition_by="day",
    key=("sku",),
    quarantine_threshold=0.5,
    retention=Retention(snapshots=3),
    owner="team:shop",
    version="1",
)
class Sale(pandera.DataFrameModel):
    """One row for each article sold on a day."""

    day: T.DateType = column(description="the day")
    sku: T.StringType = column(description="the article")
    amount: T.LongType = column(source="amount", description="how many")


@silver(contract=cast(Any, Sale), partitions=DAYS)
def sales(bronze: DataFrame) -> DataFrame:
    """One row for each article sold on a day."""
    return bronze


TABLES = tuple(
    TableId.parse(name)
    for name in (
        "bronze/shop/sales",
        "silver/shop/sales",
        "quarantine/shop/sales",
        "duplicates/shop/sales",
    )
)
_NOTHING: dict[str, pa.Array] = {
    "day": pa.array([], pa.date32()),
    "sku": pa.array([], pa.string()),
    "amount": pa.array([], pa.string()),
    "_source_object": pa.array([], pa.string()),
    "_row_number": pa.array([], pa.int64()),
}
# What differs between two runs of the same work.
_OF_THE_RUN = {"_attempt", "_ingested_at", "_trace"}

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class SmallShop:
    """A home with a landing directory, and what is done there; its metadata is in files, or in
    the `database` of a server; `others` are settings that differ."""

    home: Path
    place: Place
    database: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    received: BronzeTable = RECEIVED
    sold: JudgedTable = sales
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)

    def land(self, day: str, lines: Iterable[str], suffix: str = "") -> None:
        key = f"{self.place.root}/landing/shop/{day}{suffix}.csv"
        self.place.write(key, "\n".join(["sku,amount", *lines, ""]).encode())

    def platform(self, faults: Faults | None = None) -> FaultyPlatform:
        faults = faults or Faults()
        metadata = ("catalog_uri", "ledger_uri", "dagster_database") if self.database else ()
        places = {**self.place.settings, **dict.fromkeys(metadata, self.database)}
        settings = settings_at(self.home, **{**places, **self.others})
        storage = FaultyStorage(faults, store=self.place.store)
        return FaultyPlatform(settings, storage, self.clock, faults)

    def run(self, faults: Faults | None = None, run_id: str = "run00001") -> set[str]:
        """What the sensors would ask for, then what it makes stale; gives what was built."""
        faults = faults or Faults()
        opened = self.platform(faults)
        record_arrivals(opened, [self.received], self.clock(), redeclared=True)
        return _received(self.received, opened, faults, run_id) | _sold(self, opened, run_id)

    def rows(self, table: TableId, lake: Lake | None = None) -> Rows:
        """The rows that any reader sees, in a fixed order."""
        loaded = (lake or self.platform().lake).find(table)
        if not loaded:
            return []
        found = loaded.scan().to_arrow()
        kept = [name for name in found.schema.names if name not in _OF_THE_RUN]
        return sorted((tuple(row.values()) for row in found.select(kept).to_pylist()), key=repr)

    def everything(self) -> dict[TableId, Rows]:
        lake = self.platform().lake
        return {table: self.rows(table, lake) for table in TABLES}


def _received(table: BronzeTable, opened: Platform, faults: Faults, run_id: str) -> set[str]:
    planned = due_of_bronze(table, opened)
    if not planned.keys:
        return set()
    spark = cast(SparkSession, LocalSpark(faults))
    result = build_bronze(table, planned, opened, spark, run_id)
    publish_step(opened.lake, opened.builds, opened.ledger, result)
    return {f"bronze {key}" for key in planned.keys}


def _sold(shop: SmallShop, opened: Platform, run_id: str) -> set[str]:
    if not opened.lake.exists(RECEIVED.id):
        return set()
    keys = sorted(files_by_partition(opened.lake.load(RECEIVED.id)))
    planned = plan(shop.sold, opened, keys, only_stale=True)
    if not planned.keys:
        return set()
    publish(opened.lake, opened.builds, _staged(planned, opened, run_id))
    return {f"silver {key}" for key in planned.keys}


def _staged(planned: Plan, opened: Platform, run_id: str) -> StagedWrite:
    tables, attempt = ensure_tables(planned.table, opened.lake), new_attempt(run_id)
    parts = {
        outcome: part(table, attempt, {"amount": ("_amount",)} if outcome == DATA else None)
        for outcome, table in tables.items()
    }
    layout = Layout(sales.partitioning, attempt, parts, opened.storage)
    found = planned.inputs["bronze"].files
    paths = [f.file_path for key in planned.keys for f in found[key] if f.record_count]
    staged = stage_arrow(_judged(paths, opened.storage), layout)
    staged = with_empty_partitions(staged, tables[DATA], layout, planned.keys)
    rows, bad, repeats = (staged.rows(o) for o in (DATA, QUARANTINE, DUPLICATES))
    findings = []
    for key in planned.keys:
        received = planned.rows_of("bronze", key)
        counts = {"published": rows[key], "quarantined": bad[key], "duplicates": repeats[key]}
        findings += [
            conservation_finding(key, received=received, source="bronze", **counts),
            rules_finding(
                cast(JudgedTable, planned.table).contract,
                key,
                received=received,
                quarantined=bad[key],
                broken=staged.rules[key] if key in staged.rules else type(bad)(),
            ),
        ]
    return StagedWrite(
        TableSlice(sales.id, planned.keys, planned.base),
        attempt,
        run_id,
        staged,
        held_back=held_back(findings),
        inputs=planned.digests,
        contract=planned.table.version,
    )


def _judged(paths: list[str], storage: Storage) -> pa.Table:
    files = [_read(path, storage) for path in paths]
    received = pa.concat_tables(files) if files else pa.table(_NOTHING)
    seen: dict[tuple, dict] = {}
    rows = []
    for row in sorted(
        received.to_pylist(), key=lambda r: (r["day"], r["_source_object"], r["_row_number"])
    ):
        typed = row["amount"] if row["amount"] and row["amount"].isdigit() else None
        first = seen.setdefault((row["day"], row["sku"]), row) if typed else row
        outcome = DATA if typed and first is row else DUPLICATES if typed else QUARANTINE
        rows.append(
            row
            | {
                "_amount": int(typed or 0),
                OUTCOME: outcome,
                REASONS: None if typed else "amount.typed",
                "_repeats_object": first["_source_object"],
                "_repeats_row": first["_row_number"],
            }
        )
    extra = [
        ("_amount", pa.int64()),
        (OUTCOME, pa.int32()),
        (REASONS, pa.string()),
        ("_repeats_object", pa.string()),
        ("_repeats_row", pa.int64()),
    ]
    plain = pa.schema([*received.schema, *(pa.field(name, kind) for name, kind in extra)])
    return pa.Table.from_pylist(rows, plain.remove_metadata())


def _read(path: str, storage: Storage) -> pa.Table:
    files, name = filesystem(path, storage.store)
    with files.open_input_file(name) as stream:
        return pq.ParquetFile(stream).read()
