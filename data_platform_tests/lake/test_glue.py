"""Tables in Glue, as Athena, EMR and Trino see them: moto's server has its API."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyspark.sql import types as T

from data_platform.lake.errors import ForeignTable, PartitionConflict
from data_platform.lake.glue import fitted
from data_platform.tables.identity import TableId
from data_platform_tests.support.cloud import REGION, Cloud
from data_platform_tests.support.lake_home import (
    MONDAY,
    SALES,
    SCHEMA,
    TUESDAY,
    GlueHome,
    LakeHome,
    days,
)

ABOUT = {"comment": "What was sold, by day.", "owner": "team:shop"}


@pytest.fixture
def home(cloud: Cloud, empty_glue: str, tmp_path: Path) -> GlueHome:
    return GlueHome(tmp_path)


@pytest.fixture
def glue(home: LakeHome) -> Any:
    return boto3.client("glue", region_name=REGION)


@dataclass
class Updates:
    """Updates of tables, as AWS takes them: of a version that is not the last none, at which moto
    does not look. `meet` lets the first two begin together."""

    meet: threading.Barrier | None = None
    refused: list[str] = field(default_factory=list)


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> Updates:
    from moto.core.exceptions import JsonRESTError
    from moto.glue.responses import GlueResponse

    lock, update, updates = threading.Lock(), GlueResponse.update_table, Updates()

    def checked(self: GlueResponse):
        if updates.meet:
            updates.meet.wait(timeout=60)
            updates.meet = None
        given = self.parameters
        with lock:
            name = given["TableInput"]["Name"]
            table = self.glue_backend.get_table(given["DatabaseName"], name)
            if table.as_dict()["VersionId"] != given["VersionId"]:
                updates.refused.append(given["VersionId"])
                raise JsonRESTError("ConcurrentModificationException", "not the last version")
            return update(self)

    monkeypatch.setattr(GlueResponse, "update_table", checked)
    return updates


def shown(glue: Any, table: TableId = SALES) -> dict[str, Any]:
    namespace, name = table.identifier
    return glue.get_table(DatabaseName=namespace, Name=name)["Table"]


def columns(table: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        column["Name"]: (column["Type"], column.get("Comment", ""))
        for column in table["StorageDescriptor"]["Columns"]
    }


DECLARED = T.StructType(
    [
        T.StructField("day", T.DateType(), False, {"comment": "day of the sale"}),
        T.StructField("n", T.LongType(), True, {"comment": "number of it"}),
        T.StructField("price", T.DecimalType(12, 2)),
        T.StructField("sold", T.TimestampType()),
        T.StructField("reasons", T.ArrayType(T.StringType())),
    ]
)


def test_a_table_is_in_glue_as_it_is_declared(home: GlueHome, glue: Any) -> None:
    made = home.make(schema=DECLARED, properties=ABOUT)
    table = shown(glue)
    assert (table["DatabaseName"], table["Name"]) == ("silver_shop", "sales")
    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["StorageDescriptor"]["Location"] == made.location()
    assert table["StorageDescriptor"]["Location"].endswith("/warehouse/silver/shop/sales")
    assert (table["Description"], table["Owner"]) == (ABOUT["comment"], ABOUT["owner"])
    assert columns(table) == {
        "day": ("date", "day of the sale"),
        "n": ("bigint", "number of it"),
        "price": ("decimal(12,2)", ""),
        "sold": ("timestamp", ""),
        "reasons": ("array<string>", ""),
    }


def test_a_publication_is_seen_at_once_by_who_follows_glue(home: GlueHome, glue: Any) -> None:
    home.make(properties=ABOUT)
    for numbers in ([1], [1, 2]):
        home.write({MONDAY: numbers, TUESDAY: [3]})
        table = shown(glue)
        metadata = json.loads(Path(metadata_file(table)).read_text())
        assert metadata["current-snapshot-id"] == home.snapshots()[-1]
        [spec] = metadata["partition-specs"]
        assert [field["name"] for field in spec["fields"]] == ["day"]
        assert table["Description"] == ABOUT["comment"]
    assert metadata_file(table, "previous_metadata_location") != metadata_file(table)


def metadata_file(table: Mapping[str, Any], parameter: str = "metadata_location") -> str:
    return table["Parameters"][parameter].removeprefix("file://")


def test_evolution_updates_columns_docs_and_words(home: GlueHome, glue: Any) -> None:
    home.make(properties=ABOUT)
    more = T.StructField("note", T.StringType(), True, {"comment": "what was said"})
    documented = T.StructField("n", T.LongType(), True, {"comment": "pieces"})
    schema = T.StructType([SCHEMA["day"], documented, more])
    home.make(schema=schema, properties={"comment": "Sales.", "owner": "team:till"})
    table = shown(glue)
    assert columns(table)["note"] == ("string", "what was said")
    assert columns(table)["n"] == ("bigint", "pieces")
    assert (table["Description"], table["Owner"]) == ("Sales.", "team:till")


def test_words_that_glue_refuses_are_made_to_fit(home: GlueHome, glue: Any) -> None:
    lines = "one line\nand another " * 20
    schema = T.StructType(
        [SCHEMA["day"], T.StructField("n", T.LongType(), True, {"comment": lines})]
    )
    home.make(schema=schema, properties={"comment": lines * 20, "owner": "team " * 80})
    table = shown(glue)
    _, comment = columns(table)["n"]
    assert comment.startswith("one line and another one line")
    assert (len(comment), len(table["Description"]), len(table["Owner"])) == (255, 2048, 255)
    assert home.lake.load(SALES).schema().find_field("n").doc == lines


def test_words_that_fit_are_left_as_they_are() -> None:
    column = {"Name": "n", "Type": "bigint", "Comment": "é" * 255}
    table = {"Name": "sales", "StorageDescriptor": {"Columns": [column], "Location": "s3://b/t"}}
    assert fitted(table) == table


def test_a_commit_that_glue_refuses_is_tried_again_and_nothing_is_lost_or_doubled(
    home: GlueHome, updates: Updates
) -> None:
    home.make()
    wanted = {MONDAY: [1, 1], TUESDAY: [2]}
    writes = [home.stage(days({day: numbers}), [day]) for day, numbers in wanted.items()]
    updates.meet = threading.Barrier(len(writes))

    with ThreadPoolExecutor(len(writes)) as pool:
        list(pool.map(lambda write: GlueHome(home.folder).publish(write), writes))

    assert len(updates.refused) == 1
    assert home.numbers() == wanted
    assert len(home.snapshots()) == len(wanted)


def test_many_writers_of_different_partitions_all_commit(home: GlueHome, updates: Updates) -> None:
    home.make()
    wanted = {f"2011-04-{n:02}": [n, n] for n in range(1, 9)}
    writes = [home.stage(days({day: numbers}), [day]) for day, numbers in wanted.items()]

    with ThreadPoolExecutor(len(writes)) as pool:
        list(pool.map(lambda write: GlueHome(home.folder).publish(write), writes))

    assert home.numbers() == wanted
    assert len(home.snapshots()) == len(wanted)


def test_of_writers_of_one_partition_one_whole_version_is_left(
    home: GlueHome, updates: Updates
) -> None:
    home.make()
    home.write({MONDAY: [0]})
    writes = [home.stage(days({MONDAY: [n] * 3}), [MONDAY]) for n in range(1, 6)]

    def publish(write) -> bool:
        try:
            GlueHome(home.folder).publish(write)
        except PartitionConflict:
            return False
        return True

    with ThreadPoolExecutor(len(writes)) as pool:
        won = list(pool.map(publish, writes))
    assert won.count(True) == 1
    assert home.numbers() == {MONDAY: [won.index(True) + 1] * 3}


def test_databases_of_no_layer_are_not_asked_for_their_tables(home: GlueHome, glue: Any) -> None:
    """Glue's databases are those of an account, and a role may see those of its tables alone."""
    home.make()
    glue.create_database(DatabaseInput={"Name": "web_logs"})
    asked: list[str] = []
    client = home.lake.catalog.glue  # type: ignore[attr-defined]
    client.meta.events.register(
        "provide-client-params.glue.GetTables",
        lambda params, **_: asked.append(params["DatabaseName"]),
    )

    assert home.lake.tables() == [SALES]
    assert asked == ["silver_shop"]


def test_tables_of_others_in_the_same_account_are_neither_listed_nor_touched(
    home: GlueHome, tmp_path: Path
) -> None:
    home.make()
    home.write({MONDAY: [1]})
    other = GlueHome(tmp_path / "other")
    other.make(TableId.parse("silver/else/sales"))
    assert home.lake.tables() == [SALES]
    assert other.lake.tables() == [TableId.parse("silver/else/sales")]
    with pytest.raises(ForeignTable, match=r"silver/shop/sales: .* not in the warehouse .*/other/"):
        other.lake.find(SALES)
    with pytest.raises(ForeignTable):
        other.make()
    assert home.numbers() == {MONDAY: [1]}
