"""A store that is slow, cuts connections or refuses: a real one behind a proxy that breaks it."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyspark.sql import SparkSession

from data_platform.build.failures import failures_explained
from data_platform.cli.main import main
from data_platform.lake.file_io import forget
from data_platform.lake.files import files_by_partition
from data_platform.lake.reads import ReadPlan
from data_platform.lake.refusals import passing_over
from data_platform.lake.upkeep.clean import clean
from data_platform.lake.writing.publish import publish
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.storage.object_store import ObjectStore, split
from data_platform.storage.s3_errors import StoreError
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, LakeHome, days
from data_platform_tests.support.places import Place
from tools.faulty import ACCESS_DENIED, SLOW_DOWN, Cut, Effect, FaultyStore, Rule, faulty
from tools.servers import S3Server


@dataclass(frozen=True)
class World:
    """A lake with one published day, on a bucket behind the proxy."""

    home: LakeHome
    proxy: FaultyStore

    @property
    def bucket(self) -> str:
        return split(self.home.place.root)[0]

    def broken(self, effect: Effect, **rule) -> Rule:
        return self.proxy.add(Rule(effect=effect, bucket=self.bucket, **rule))


@pytest.fixture
def world(tmp_path: Path, versitygw: S3Server) -> Iterator[World]:
    root = Place.bucket(versitygw).root
    with faulty(versitygw.endpoint) as proxy:
        home = LakeHome(tmp_path, Place(root, ObjectStore(versitygw.region, proxy.endpoint)))
        home.make()
        home.write({MONDAY: [1]})
        yield World(home, proxy)
        proxy.clear()


HARMLESS = {
    "slow down": SLOW_DOWN,
    "cut before the answer": Cut("answer", after=0),
    "cut in the answer": Cut("answer", after=20),
    "cut in the request": Cut("request", after=100),
}


@pytest.mark.parametrize("effect", HARMLESS.values(), ids=list(HARMLESS))
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_a_store_that_fails_now_and_then_is_asked_again(world: World, method: str, effect: Effect):
    if method == "HEAD" and isinstance(effect, Cut) and (effect.of == "request" or effect.after):
        pytest.skip("has no body to cut")
    if method == "GET" and isinstance(effect, Cut) and effect.of == "request":
        pytest.skip("has no body to cut")
    rule = world.broken(effect, method=method, times=3)
    world.home.write({MONDAY: [2, 3]})
    assert world.home.numbers() == {MONDAY: [2, 3]}
    assert rule.hits == 3
    assert len(world.home.snapshots()) == 2  # an answer that was lost publishes nothing twice


def test_a_large_file_survives_a_cut_in_one_of_its_parts(world: World):
    rule = world.broken(Cut("request", after=1 << 20), method="PUT", query="partNumber", times=2)
    many = list(range(3_000_000))  # uploaded in parts
    loaded = world.home.lake.load(SALES)
    target = f"{loaded.location()}/data/large"
    content = pa.array(many).buffers()[1]
    assert content
    with world.home.storage.open_output(target) as sink:
        sink.write(content)
    assert rule.hits == 2
    assert world.home.place.read(target) == content.to_pybytes()


@pytest.mark.parametrize(
    ("rule", "permission"),
    [
        ({"method": "PUT"}, "s3:PutObject"),
        ({"method": "HEAD"}, "s3:GetObject"),
        ({"method": "GET", "key": ".*/metadata/.*"}, "s3:GetObject"),
    ],
)
def test_a_permission_that_is_missing_is_named_and_not_asked_for_again(
    world: World, rule: dict, permission: str
):
    write = world.home.stage(days({MONDAY: [2]}), [MONDAY])
    refused = world.broken(ACCESS_DENIED, **rule)
    forget()
    home = world.home.again()
    with pytest.raises(dg.Failure) as failed, failures_explained():
        if rule["method"] == "PUT":
            home.stage(days({MONDAY: [2]}), [MONDAY])
        publish(home.lake, home.builds, write)
    assert f"s3://{world.bucket}/warehouse/silver/shop/sales/" in str(failed.value.description)
    assert "access denied" in str(failed.value.description)
    assert permission in str(failed.value.description)
    assert refused.hits == 1 and not failed.value.allow_retries
    world.proxy.clear()
    assert world.home.numbers() == {MONDAY: [1]}


@pytest.mark.parametrize("command", ["tables", "expire", "clean"])
def test_a_table_that_may_not_be_read_does_not_keep_the_others_from_being_seen_to(
    world: World, command: str
):
    """As one that the code declares no more; it is the first of the catalog."""
    former = TableId.parse("bronze/shop/former")
    world.home.make(former)
    for number in range(2):
        world.home.make(properties={"data_platform.retention.snapshots": "1"})
        world.home.write({MONDAY: [number]})
    world.home.stage(days({MONDAY: [9]}), [MONDAY])  # never published: an orphan
    world.broken(ACCESS_DENIED, method="GET", key=f".*/{former}/metadata/.*")
    forget()

    options = ("--json", *(("--grace-hours", "0") if command == "clean" else ()))
    result = _command(world, command, *options)

    assert result.exit_code == 1
    assert {row["table"] for row in json.loads(result.stdout)} == {str(SALES)}
    assert f"{former}: s3://{world.bucket}/warehouse/{former}/metadata/" in result.stderr
    assert "access denied" in result.stderr and str(SALES) not in result.stderr


def test_an_error_that_is_no_refusal_passes_nothing_over(world: World):
    with pytest.raises(ZeroDivisionError), passing_over() as guard, guard(SALES):
        raise ZeroDivisionError


def _command(world: World, *arguments: str) -> Result:
    settings = {
        "ENV": "test",
        "HOME": str(world.home.folder),
        "WAREHOUSE": f"{world.home.place.root}/warehouse",
        "AWS_REGION": world.home.place.store.region,
        "AWS_ENDPOINT": world.proxy.endpoint,
    }
    env = {f"DATA_PLATFORM_{name}": value for name, value in settings.items()}
    return CliRunner().invoke(main, arguments, env=env)


def test_a_store_that_stays_away_is_asked_again_by_the_step_and_loses_nothing(
    world: World,
):
    impatient = ObjectStore(world.home.place.store.region, world.proxy.endpoint, attempts=2)
    home = LakeHome(world.home.folder, Place(world.home.place.root, impatient))
    world.broken(SLOW_DOWN, method="PUT")
    with pytest.raises(dg.RetryRequested), failures_explained():
        home.stage(days({MONDAY: [2]}), [MONDAY])
    world.proxy.clear()
    assert world.home.numbers() == {MONDAY: [1]}


def test_a_bucket_that_may_not_be_listed_or_is_not_there_is_named(world: World):
    landing = S3Bucket(world.home.place.root, world.home.place.store)
    world.broken(ACCESS_DENIED, query="list-type=2")
    with pytest.raises(StoreError, match=rf"s3://{world.bucket}/: access denied.*s3:ListBucket"):
        list(landing.list())
    nowhere = S3Bucket("s3://no-such-bucket-here", world.home.place.store)
    with pytest.raises(StoreError, match="s3://no-such-bucket-here: there is no such bucket"):
        list(nowhere.list())


def test_an_object_that_may_not_be_looked_at_is_named(world: World):
    world.broken(ACCESS_DENIED, method="HEAD")
    landing = S3Bucket(world.home.place.root, world.home.place.store)
    with pytest.raises(StoreError, match=rf"s3://{world.bucket}/a\.csv: access denied.*GetObject"):
        landing.head("a.csv")


# --- Spark -------------------------------------------------------------------------------------


def frame(world: World, spark: SparkSession):
    table = world.home.lake.load(SALES)
    found = (file for group in files_by_partition(table).values() for file in group)
    world.home.place.tell(spark)
    return ReadPlan.of(table, found).dataframe(spark, world.home.storage)


@pytest.mark.spark_only("about Spark's s3a")
@pytest.mark.parametrize("effect", [SLOW_DOWN, Cut("answer", after=20)], ids=["slow", "cut"])
def test_spark_asks_again(world: World, spark: SparkSession, effect: Effect):
    rows = frame(world, spark)
    rule = world.broken(effect, method="GET", key=".*/data/.*", times=2)
    assert [row.n for row in rows.collect()] == [1]
    assert rule.hits == 2


@pytest.mark.spark_only("about Spark's s3a")
def test_spark_names_what_it_may_not_read(world: World, spark: SparkSession):
    rows = frame(world, spark)
    world.broken(ACCESS_DENIED, method="GET", key=".*/data/.*")
    with pytest.raises(dg.Failure) as failed, failures_explained():
        rows.collect()
    described = str(failed.value.description)
    assert f"s3://{world.bucket}/warehouse/silver/shop/sales/data/" in described
    assert "s3:GetObject" in described


@pytest.mark.spark_only("about Spark's s3a")
def test_the_magic_committer_publishes_what_spark_itself_writes(place: Place, spark: SparkSession):
    """Silently the classic one without its jar, or for a scheme that it is not configured for."""
    if not place.root.startswith("s3://"):
        pytest.skip("directories have the classic one")
    target = f"{place.root}/own"
    rows = spark.range(1000).withColumnRenamed("id", "n")
    marked = rows.write.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "true")
    marked.parquet(target)
    assert json.loads(place.read(f"{target}/_SUCCESS"))["committer"] == "magic"
    assert sorted(row.n for row in spark.read.parquet(target).collect()) == list(range(1000))


# --- what a killed upload leaves ---------------------------------------------------------------


def _later() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)


def test_clean_aborts_uploads_that_nobody_completed(tmp_path: Path, versitygw: S3Server):
    """(MinIO lists the uploads of one whole key only, and gives old ones up by itself.)"""
    home = LakeHome(tmp_path, Place.bucket(versitygw))
    home.make()
    home.write({MONDAY: [1]})
    bucket, key = split(f"{home.lake.load(SALES).location()}/data/killed/a.parquet")
    client = home.place.store.client()
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"half")

    assert clean(home.lake, home.storage, dt.datetime.now(dt.UTC)) == []  # it may be under way
    assert list(home.storage.uploads(home.lake.load(SALES).location()))
    deleted = clean(home.lake, home.storage, _later(), dt.timedelta(0))

    assert [file.upload for _, file in deleted if file.upload] == [upload]
    assert not list(home.storage.uploads(home.lake.load(SALES).location()))
    assert home.numbers() == {MONDAY: [1]}
