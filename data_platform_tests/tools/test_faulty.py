"""The faulty store in front of versitygw, which checks every request's signature."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow.fs
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from urllib3.exceptions import HTTPError

from tools.faulty import ACCESS_DENIED, SLOW_DOWN, Cut, Delayed, FaultyStore, Request, Rule, faulty
from tools.servers import S3Server

BUCKET = "faulty"
ONCE = Config(retries={"total_max_attempts": 1})
LARGE = bytes(range(256)) * 40_000  # 10 MB: a multipart upload of two parts


@pytest.fixture(scope="module")
def store(versitygw: S3Server) -> S3Server:
    versitygw.client().create_bucket(Bucket=BUCKET)
    return versitygw


@pytest.fixture
def proxy(store: S3Server) -> Iterator[FaultyStore]:
    with faulty(store.endpoint) as proxy:
        yield proxy


@pytest.fixture
def client(store: S3Server, proxy: FaultyStore) -> Any:
    return store.client(endpoint_url=proxy.endpoint, config=ONCE)


def test_without_rules_it_is_the_store(client: Any, store: S3Server) -> None:
    key = "a b/ä+%2F&=.csv"

    client.put_object(Bucket=BUCKET, Key=key, Body=b"some")
    client.upload_fileobj(io.BytesIO(LARGE), BUCKET, "large")

    direct = store.client()
    assert direct.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"some"
    assert direct.head_object(Bucket=BUCKET, Key="large")["ETag"].endswith('-2"')
    assert client.get_object(Bucket=BUCKET, Key="large")["Body"].read() == LARGE
    part = client.get_object(Bucket=BUCKET, Key="large", Range="bytes=10-19")
    assert part["Body"].read() == LARGE[10:20]
    assert client.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 4
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="a ")["Contents"]
    assert [each["Key"] for each in listed] == [key]
    client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=BUCKET, Key=key)


def test_pyarrow_reads_and_writes_through_it(store: S3Server, proxy: FaultyStore) -> None:
    system = pyarrow.fs.S3FileSystem(
        access_key=store.key.id,
        secret_key=store.key.secret,
        endpoint_override=proxy.endpoint,
        region=store.region,
    )
    with system.open_output_stream(f"{BUCKET}/arrow") as stream:
        stream.write(LARGE)

    with system.open_input_file(f"{BUCKET}/arrow") as file:
        assert file.read() == LARGE
    assert {each.method for each in proxy.requests} >= {"PUT", "GET"}


def test_it_slows_down_and_who_tries_again_gets_through(
    store: S3Server, proxy: FaultyStore
) -> None:
    rule = proxy.add(Rule(effect=SLOW_DOWN, method="PUT", key="day/.*", times=2))
    patient = store.client(
        endpoint_url=proxy.endpoint,
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )

    patient.put_object(Bucket=BUCKET, Key="day/1", Body=b"x")

    assert rule.hits == 2
    assert proxy.requests == [Request("PUT", BUCKET, "day/1", "")] * 3


def test_it_denies_what_the_rule_names(client: Any, proxy: FaultyStore) -> None:
    rule = proxy.add(Rule(effect=ACCESS_DENIED, method="PUT|POST", bucket=BUCKET, key="secret/.*"))

    client.put_object(Bucket=BUCKET, Key="open/1", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=BUCKET, Key="secret/1", Body=b"x")
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=BUCKET, Key="secret/1")
    assert rule.hits == 1


def test_a_rule_may_begin_late_end_early_and_name_an_operation(
    client: Any, proxy: FaultyStore
) -> None:
    proxy.add(Rule(effect=SLOW_DOWN, query="list-type=2", first=2, times=1))
    client.put_object(Bucket=BUCKET, Key="listed", Body=b"x")

    client.list_objects_v2(Bucket=BUCKET)
    with pytest.raises(ClientError, match="SlowDown"):
        client.list_objects_v2(Bucket=BUCKET)
    client.list_objects_v2(Bucket=BUCKET)
    client.get_object(Bucket=BUCKET, Key="listed")


def test_without_its_rules_it_is_the_store_again(client: Any, proxy: FaultyStore) -> None:
    proxy.add(Rule(effect=SLOW_DOWN))
    with pytest.raises(ClientError, match="SlowDown"):
        client.list_buckets()

    proxy.clear()

    client.list_buckets()
    assert proxy.requests == [Request("GET", "", "", "")]


def test_an_answer_ends_in_its_middle(client: Any, proxy: FaultyStore) -> None:
    client.put_object(Bucket=BUCKET, Key="cut", Body=b"x" * 5000)
    rule = proxy.add(Rule(effect=Cut("answer", after=1000), method="GET", key="cut", times=1))

    body = client.get_object(Bucket=BUCKET, Key="cut")["Body"]
    with pytest.raises((BotoCoreError, HTTPError)):
        body.read()

    assert rule.hits == 1
    assert client.get_object(Bucket=BUCKET, Key="cut")["Body"].read() == b"x" * 5000


def test_a_request_ends_in_its_middle_and_the_store_keeps_nothing_of_it(
    client: Any, proxy: FaultyStore
) -> None:
    proxy.add(Rule(effect=Cut("request", after=1000), method="PUT", times=1))

    with pytest.raises(BotoCoreError):
        client.put_object(Bucket=BUCKET, Key="half", Body=LARGE)

    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=BUCKET, Key="half")


def test_an_answer_is_lost_after_the_store_did_what_it_was_asked(
    client: Any, proxy: FaultyStore
) -> None:
    proxy.add(Rule(effect=Cut("answer"), method="PUT", key="done", times=1))

    with pytest.raises(BotoCoreError):
        client.put_object(Bucket=BUCKET, Key="done", Body=b"x")

    assert client.get_object(Bucket=BUCKET, Key="done")["Body"].read() == b"x"


def test_a_delay_outlasts_who_does_not_wait(store: S3Server, proxy: FaultyStore) -> None:
    proxy.add(Rule(effect=Delayed(3600), key="slow"))
    hasty = store.client(endpoint_url=proxy.endpoint, config=ONCE.merge(Config(read_timeout=0.1)))

    with pytest.raises(ReadTimeoutError):
        hasty.get_object(Bucket=BUCKET, Key="slow")


def test_after_a_delay_the_store_answers(client: Any, proxy: FaultyStore) -> None:
    rule = proxy.add(Rule(effect=Delayed(0.01), method="PUT"))

    client.put_object(Bucket=BUCKET, Key="late", Body=b"x")

    assert rule.hits == 1
    assert client.get_object(Bucket=BUCKET, Key="late")["Body"].read() == b"x"
