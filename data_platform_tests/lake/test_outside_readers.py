"""Readers that know nothing of this package: Spark with Iceberg's own runtime, and DuckDB.

DuckDB's extension for Iceberg is fetched when it is first used, which tests do not do: here it
reads the files that Iceberg's metadata name.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from pyiceberg.table import StaticTable
from pyspark.sql import types as T

from data_platform.databases.urls import with_driver
from data_platform.operations.relocating import relocate
from data_platform.operations.restore import restore
from data_platform.settings.environment import environment_kept
from data_platform_tests.support.backups import backed_up, copied, loaded
from data_platform_tests.support.lake_home import (
    MONDAY,
    SALES,
    SCHEMA,
    TUESDAY,
    WEDNESDAY,
    LakeHome,
)
from data_platform_tests.support.places import Place
from data_platform_tests.support.processes import spark_reader
from data_platform_tests.support.servers import not_there
from data_platform_tests.support.small_shop import SmallShop
from tools.jars import CACHE, read_lock

pytestmark = pytest.mark.integration

ABOUT = {"comment": "What was sold, by day.", "owner": "team:shop"}


@pytest.fixture
def home(tmp_path: Path, postgres_url: str) -> LakeHome:
    """Two days published, one of them a second time after the other; then a third."""
    home = LakeHome(tmp_path, database=postgres_url)
    number = T.StructField("n", T.LongType(), True, {"comment": "number of it"})
    home.make(schema=T.StructType([SCHEMA["day"], number]), properties=ABOUT)
    home.write({MONDAY: [1, 2], TUESDAY: [3]})
    home.write({TUESDAY: [4, 5], WEDNESDAY: [6]})
    return home


def catalog(database: str, warehouse: str) -> dict[str, str]:
    """Spark's configuration of the catalog, as somebody else would write it."""
    jars = [CACHE / "readers" / jar.name for jar in read_lock()["readers"]]
    if not all(jar.exists() for jar in jars):
        not_there("Iceberg's runtime for Spark is not installed: run `make services`")
    url = sa.make_url(database)
    name = "spark.sql.catalog.data_platform"
    return {
        "spark.master": "local[1]",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",  # starts in half the time
        "spark.jars": ",".join(map(str, jars)),
        "spark.sql.session.timeZone": "UTC",
        name: "org.apache.iceberg.spark.SparkCatalog",
        f"{name}.type": "jdbc",
        f"{name}.uri": f"jdbc:postgresql://{url.host}:{url.port}/{url.database}",
        f"{name}.jdbc.user": str(url.username),
        f"{name}.jdbc.password": os.environ["PGPASSWORD"],
        f"{name}.jdbc.schema-version": "V1",
        f"{name}.io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
        f"{name}.warehouse": warehouse,
    }


def spark_reads(
    queries: Mapping[str, str], database: str, warehouse: str, folder: Path
) -> dict[str, list[dict]]:
    """The rows of each query."""
    configuration = catalog(database, warehouse)
    done = subprocess.run(
        [sys.executable, spark_reader.__file__],
        input=json.dumps({"configuration": configuration, "queries": list(queries.values())}),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(queries, json.loads(done.stdout), strict=True))


@pytest.mark.spark_only("starts a JVM")
def test_spark_reads_a_published_table_its_history_and_its_past(home: LakeHome) -> None:
    first, second = home.snapshots()
    table = "data_platform.silver_shop.sales"
    queries = {
        "now": f"SELECT * FROM {table} ORDER BY day, n",
        "one day": f"SELECT n FROM {table} WHERE day = '{TUESDAY}' ORDER BY n",
        "before": f"SELECT * FROM {table} VERSION AS OF {first} ORDER BY day, n",
        "history": f"SELECT snapshot_id, is_current_ancestor FROM {table}.history "
        "ORDER BY made_current_at",
        "snapshots": f"SELECT snapshot_id, operation, summary['data_platform.run'] AS run "
        f"FROM {table}.snapshots ORDER BY committed_at",
        "partitions": f"SELECT partition.day, record_count FROM {table}.partitions ORDER BY 1",
        "described": f"DESCRIBE TABLE EXTENDED {table}",
    }
    found = spark_reads(queries, home.database, home.lake.warehouse, home.folder)

    def rows(days: dict[str, list[int]]) -> list[dict]:
        return [{"day": day, "n": n} for day, numbers in days.items() for n in numbers]

    assert found["now"] == rows({MONDAY: [1, 2], TUESDAY: [4, 5], WEDNESDAY: [6]})
    assert found["one day"] == [{"n": 4}, {"n": 5}]
    assert found["before"] == rows({MONDAY: [1, 2], TUESDAY: [3]})
    assert [row["snapshot_id"] for row in found["history"]] == [first, second]
    assert all(row["is_current_ancestor"] for row in found["history"])
    assert [(row["operation"], row["run"]) for row in found["snapshots"]] == [
        ("append", "run00001"),
        ("overwrite", "run00001"),
    ]
    counted = {row["day"]: row["record_count"] for row in found["partitions"]}
    assert counted == {MONDAY: 2, TUESDAY: 2, WEDNESDAY: 1}
    described = [(row["col_name"], row["data_type"], row["comment"]) for row in found["described"]]
    assert ("n", "bigint", "number of it") in described
    assert ("Comment", ABOUT["comment"], "") in described
    assert ("Owner", ABOUT["owner"], "") in described


def test_duckdb_reads_the_files_that_the_metadata_name(home: LakeHome) -> None:
    found = duckdb.read_parquet(live_files(home.database)).order("day, n").project("day, n")
    assert found.fetchall() == [
        (date.fromisoformat(day), n)
        for day, n in [(MONDAY, 1), (MONDAY, 2), (TUESDAY, 4), (TUESDAY, 5), (WEDNESDAY, 6)]
    ]


def live_files(database: str) -> list[str]:
    engine = sa.create_engine(with_driver(database), poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = (
            "select metadata_location from iceberg_tables where catalog_name = 'data_platform' "
            "and table_namespace = 'silver_shop' and table_name = 'sales'"
        )
        metadata = connection.execute(sa.text(query)).scalar_one()
    tasks = StaticTable.from_metadata(metadata).scan().plan_files()
    return [task.file.file_path.removeprefix("file://") for task in tasks]


@pytest.fixture(params=["restored", "relocated"])
def moved(
    request: pytest.FixtureRequest, tmp_path: Path, new_postgres_url: Callable[[], str]
) -> Iterator[SmallShop]:
    """A shop that is in another place than it was; nothing is left where it was."""
    new, place = tmp_path / "new", Place.directory(tmp_path / "new")
    with environment_kept():
        home = tmp_path / "old"
        old = loaded(SmallShop(home, Place.directory(home), new_postgres_url()))
        if request.param == "relocated":
            home.rename(new)
            there = SmallShop(new, place, old.database)
            assert relocate(there.platform()).tables
        else:
            backed_up(old, tmp_path / "backup")
            there = SmallShop(new, place, new_postgres_url())
            copied(old, there)
            home.rename(tmp_path / "gone")
            assert restore(there.platform(), str(tmp_path / "backup")).tables
        yield there


SOLD = [("2011-03-04", "a", 1), ("2011-03-04", "c", 2)]
SOLD_LATER = [("2011-03-05", "a", 1), ("2011-03-05", "c", 3), ("2011-03-05", "d", 4)]


@pytest.mark.spark_only("starts a JVM")
def test_spark_reads_a_table_that_was_moved_its_history_and_its_past(
    moved: SmallShop, tmp_path: Path
) -> None:
    table = "data_platform.silver_shop.sales"
    first, *_ = [s.snapshot_id for s in moved.platform().lake.load(SALES).snapshots()]
    queries = {
        "now": f"SELECT day, sku, amount FROM {table} ORDER BY day, sku",
        "before": f"SELECT day, sku, amount FROM {table} VERSION AS OF {first} ORDER BY day, sku",
        "files": f"SELECT file_path FROM {table}.all_data_files",
        "manifests": f"SELECT path FROM {table}.all_manifests",
    }

    found = spark_reads(queries, moved.database, f"{moved.place.root}/warehouse", tmp_path)

    now, before = ([tuple(row.values()) for row in found[name]] for name in ("now", "before"))
    assert now == SOLD + SOLD_LATER
    assert before == SOLD + SOLD_LATER[:2]
    named = [next(iter(row.values())) for name in ("files", "manifests") for row in found[name]]
    assert named and all(path.startswith(f"{moved.place.root}/") for path in named)


def test_duckdb_reads_the_files_of_a_table_that_was_moved(moved: SmallShop) -> None:
    found = duckdb.read_parquet(live_files(moved.database)).order("day, sku")
    assert [(str(day), *rest) for day, *rest in found.project("day, sku, amount").fetchall()] == [
        *SOLD,
        *SOLD_LATER,
    ]
