"""A whole platform in a temporary directory, driven as the sensors would, in this process."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa

from data_platform.assets import BronzeTable, Table
from data_platform.build.planning import current_versions
from data_platform.build.platform import Platform
from data_platform.lake.upkeep import browse
from data_platform.landing.arrivals.listing import tick
from data_platform.operations.repair import instance_of
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import Ran, run_until_quiet
from data_platform.runs.requests import job_name, range_tags
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.storage.object_store import is_object
from data_platform.tables.identity import TableId
from data_platform.testing import TemporaryPlatform
from data_platform_tests.support.places import Place

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
Versions = dict[str, dict[str, str]]  # of every partition, by table

BRONZE = "bronze/retail/order_lines"
SILVER = "silver/retail/order_lines"
SALES = "gold/retail/daily_sales"
DEMAND = "gold/retail/product_demand"
SEGMENTS = "gold/retail/customer_segments"


def shop_lines(day: str, count: int = 3, *, first: int = 0, units: int = 6) -> list[str]:
    """Good rows of one day, all different."""
    return [
        f"5{number:05},{20600 + number},MUG,{units},{day} 10:{number % 60:02}:00,1.25,12346.0,EIRE"
        for number in range(first, first + count)
    ]


def csv(lines: Sequence[str]) -> bytes:
    return "\n".join([HEADER, *lines, ""]).encode()


def key_of(day: str, suffix: str = "") -> str:
    return f"online_retail/{day}{suffix}.csv"


@dataclass(frozen=True)
class Home(TemporaryPlatform):
    """The state in one directory, its files there or in a bucket, and the declared tables."""

    place: Place

    def declaring(self, *tables: Table) -> "Home":
        """The same state under other declarations: what a deployment of new code does."""
        replaced = {table.id: table for table in tables}
        all_tables = tuple(replaced.get(table.id, table) for table in self.tables)
        return Home(self.settings, self.instance, all_tables, self.place)

    def landed(self, key: str) -> bytes:
        return self.place.read(f"{self.settings.landing_uri}/{key}")

    def unland(self, key: str) -> None:
        self.place.delete(f"{self.settings.landing_uri}/{key}")

    def land(self, key: str, content: str | bytes) -> None:
        if is_object(self.place.root):
            assert isinstance(content, bytes)
            self.place.write(f"{self.settings.landing_uri}/{key}", content)
        else:
            super().land(key, content)

    def record(self) -> None:
        """What a sensor's tick writes down, without the run it asks for."""
        sources = [table.source for table in self.tables if isinstance(table, BronzeTable)]
        tick(self.platform.bucket, sources, self.platform.ledger, dt.datetime.now(dt.UTC), 7)

    def run(self) -> list[Ran]:
        """Everything the sensors ask for, whatever becomes of it."""
        return list(run_until_quiet(self.definitions, self.scope))

    def versions(self) -> Versions:
        return {
            str(table.id): current_versions(self.platform, table.id, None) for table in self.tables
        }

    def changed(self, before: Versions) -> dict[str, set[str]]:
        """The partitions that have another version than `before`, by table."""
        now = self.versions()
        return {
            table: {
                key
                for key in {*now[table], *before[table]}
                if now[table].get(key) != before[table].get(key)
            }
            for table in now
        }

    def counts(self, table: str) -> dict[str, int]:
        """Rows on disk by partition."""
        return browse.partition_rows(self.platform.lake, TableId.parse(table))

    def read(self, table: str, partition: str | None = None) -> pa.Table:
        loaded = self.platform.lake.load(TableId.parse(table))
        return browse.rows(loaded, partition=partition).read_all()

    def quarantined(self, partition: str) -> dict[str, list[dict]]:
        """Quarantined rows of one day by attempt."""
        found: dict[str, list[dict]] = {}
        for row in self.read("quarantine/retail/order_lines", partition).to_pylist():
            found.setdefault(row["_attempt"], []).append(row)
        return found

    def check(self, table: str, name: str, partition: str | None) -> dg.AssetCheckEvaluation | None:
        """What Dagster shows: the last evaluation of a check on a partition; None: of a run."""
        found = self._evaluations(dg.AssetCheckKey(dg.AssetKey(table.split("/")), name))
        return next((each for each in found if each.partition == partition), None)

    def build(self, table: Table, *days: str) -> dg.ExecuteInProcessResult:
        """The table alone in the range of these days, whether it is stale or not."""
        job = self.definitions.resolve_job_def(job_name(table))
        return job.execute_in_process(
            instance=self.instance,
            tags=range_tags(list(days), table.partitions),
            asset_selection=[table.key],
            raise_on_error=False,
        )

    def materialized(self, table: str) -> Mapping[str, dg.AssetMaterialization]:
        """The last materialization of each partition that Dagster has one of."""
        found: dict[str, dg.AssetMaterialization] = {}
        key = dg.AssetKey(table.split("/"))
        for record in self.instance.fetch_materializations(key, limit=5000).records:
            event = record.asset_materialization
            assert event is not None
            found.setdefault(event.partition or "", event)
        return found


@contextmanager
def home_at(
    directory: Path,
    tables: Sequence[Table],
    place: Place | None = None,
    database: str = "",
    *,
    catalog: str = "",
) -> Iterator[Home]:
    """A new home, its files in `place`, all its metadata in the database of a server where one is
    named, except for its tables if `catalog` is Glue; what Dagster is told through the environment
    is put back afterwards."""
    place = place or Place.directory(directory)
    metadata = ("catalog_uri", "ledger_uri", "dagster_database") if database else ()
    given = dict.fromkeys(metadata, database) | ({"catalog_uri": catalog} if catalog else {})
    settings = settings_at(directory, **place.settings, **given)
    prepare_home(settings)
    with environment_kept(), instance_of(Platform(settings)) as instance:
        yield Home(settings, instance, tuple(tables), place)


def rows_of_a_load(table: pa.Table) -> list[dict]:
    """A table's rows in an order of their own, without what differs between two loads."""
    of_the_load = [n for n in ("_ingested_at", "_attempt", "_trace") if n in table.column_names]
    return sorted(table.drop_columns(of_the_load).to_pylist(), key=repr)
