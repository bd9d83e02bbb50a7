"""The landing bucket of two real stores."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.landing.arrivals.listing import inspect
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.parse import StoredObject, parse_partition
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.storage.files import Storage, filesystem
from data_platform.storage.object_store import AmbiguousKey, ObjectStore
from data_platform_tests.support.cloud import Cloud
from data_platform_tests.support.landed_partition import Partition
from data_platform_tests.support.memory_bucket import NOW, SHOP
from data_platform_tests.support.places import Place, place_of
from tools.faulty import ACCESS_DENIED, SLOW_DOWN, FaultyStore, Refused, Rule, faulty
from tools.servers import S3Server


@pytest.fixture(params=["versitygw", "minio"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request, request.param, tmp_path)


@pytest.fixture
def bucket(place: Place) -> S3Bucket:
    """Below a prefix, beside somebody else's object."""
    place.write(f"{place.root}/landing-of-others/x.csv", b"theirs")
    return S3Bucket(f"{place.root}/landing", place.store)


def land(place: Place, *keys: str, content: bytes = b"a,b\n") -> None:
    for key in keys:
        place.write(f"{place.root}/landing/{key}", content)


def test_keys_come_below_the_prefix_and_in_the_order_of_their_bytes(
    place: Place, bucket: S3Bucket
) -> None:
    land(place, "a/b.csv", "a.csv", "a-1.csv", "é.csv", "z/1.csv", "Z.csv")

    keys = [landed.key for landed in bucket.list()]

    assert keys == sorted(keys, key=str.encode)
    assert set(keys) == {"a/b.csv", "a.csv", "a-1.csv", "é.csv", "z/1.csv", "Z.csv"}


def test_a_listing_takes_a_prefix_and_a_key_to_start_after(place: Place, bucket: S3Bucket) -> None:
    land(place, "a1", "a2", "a3", "b1")

    assert [landed.key for landed in bucket.list("a", start_after="a1")] == ["a2", "a3"]


def test_a_listing_goes_on_over_its_pages(
    place: Place, bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"{number:04}.csv" for number in range(1005)]  # a page has a thousand
    land(place, *keys)

    assert [landed.key for landed in bucket.list()] == keys


def test_the_listing_and_a_look_at_the_object_say_the_same(place: Place, bucket: S3Bucket) -> None:
    land(place, "a.csv", content=b"x,y\n")

    [listed] = bucket.list()

    assert listed == bucket.head("a.csv")
    assert (listed.size, listed.unusable) == (4, None)
    assert listed.etag and '"' not in listed.etag
    assert bucket.head("b.csv") is None


def test_folders_of_consoles_are_no_objects(place: Place, bucket: S3Bucket) -> None:
    land(place, "folder/", content=b"")
    land(place, "folder/a.csv")

    assert [landed.key for landed in bucket.list()] == ["folder/a.csv"]
    assert bucket.head("folder/") is None


@pytest.mark.parametrize("name", ["plain.csv", "a b.csv", "50%25 +é&=.csv", "deep/er/x.csv"])
def test_a_uri_opens_the_object_it_names(place: Place, bucket: S3Bucket, name: str) -> None:
    land(place, name, content=b"x")

    [listed] = bucket.list()
    files, path = filesystem(bucket.uri(listed.key), place.store)

    assert listed.key == name
    with files.open_input_stream(path) as stream:
        assert stream.read() == b"x"


def test_a_file_lands_once_and_again_when_it_changed(
    place: Place, bucket: S3Bucket, tmp_path: Path
) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"one")
    bucket.put("a.csv", source)
    first = bucket.head("a.csv")
    bucket.put("a.csv", source)
    source.write_bytes(b"two")
    bucket.put("a.csv", source)

    second = bucket.head("a.csv")
    assert first and second and first.etag != second.etag
    assert place.read(bucket.uri("a.csv")) == b"two"


def test_the_hash_is_that_of_the_content(place: Place, bucket: S3Bucket) -> None:
    land(place, "a", "b", content=b"x")
    land(place, "c", content=b"y")

    a, b, c = (bucket.content_hash(key) for key in "abc")

    assert a == b != c
    with pytest.raises(FileNotFoundError, match="landing/d"):
        bucket.content_hash("d")


# --- refused, or not there for a moment ---------------------------------------------------------


@pytest.fixture
def broken(versitygw: S3Server) -> Iterator[tuple[FaultyStore, Place]]:
    root = Place.bucket(versitygw).root
    with faulty(versitygw.endpoint) as proxy:
        yield proxy, Place(root, ObjectStore(versitygw.region, proxy.endpoint))


def test_an_object_that_may_not_be_looked_at_delays_no_other(
    broken: tuple[FaultyStore, Place], tmp_path: Path
) -> None:
    proxy, place = broken
    land(place, "shop/2011-03-04.csv", "shop/2011-03-05.csv")
    proxy.add(Rule(effect=ACCESS_DENIED, method="HEAD", key=".*2011-03-05.csv"))
    ledger, bucket = (
        Ledger(f"sqlite:///{tmp_path}/ledger.db"),
        S3Bucket(f"{place.root}/landing", place.store),
    )

    looked = inspect(bucket, {"shop/2011-03-04.csv", "shop/2011-03-05.csv"}, [SHOP], ledger, NOW)

    assert looked.recorded.new == ("shop/2011-03-04.csv",)
    assert list(looked.failed) == ["shop/2011-03-05.csv"]
    assert "s3:GetObject" in str(looked.failed["shop/2011-03-05.csv"])


def test_of_a_store_that_is_away_not_every_key_is_waited_for(
    broken: tuple[FaultyStore, Place], tmp_path: Path
) -> None:
    proxy, place = broken
    impatient = ObjectStore(place.store.region, place.store.endpoint, attempts=2)
    keys = {f"shop/2011-03-{day:02}.csv" for day in range(1, 31)}
    proxy.add(Rule(effect=SLOW_DOWN))

    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    looked = inspect(S3Bucket(f"{place.root}/landing", impatient), keys, [SHOP], ledger, NOW)

    assert set(looked.failed) == keys
    assert len(proxy.requests) < len(keys) * 2


@pytest.mark.parametrize("effect", [ACCESS_DENIED, SLOW_DOWN], ids=["denied", "away"])
def test_rows_to_carry_that_cannot_be_read_now_are_not_said_to_be_lost(
    broken: tuple[FaultyStore, Place], effect: Refused
) -> None:
    proxy, place = broken
    impatient = Place(place.root, ObjectStore(place.store.region, place.store.endpoint, attempts=2))
    partition = Partition(impatient)
    partition.land(a=b"a,b\n1,2\n", b=b"a,b\n3,4\n")
    [file] = parse_partition(partition.work()).files
    partition.unland("b")
    work = partition.work(carry=(StoredObject(9, "b.csv", 1),), present=(file.uri,))
    proxy.add(Rule(effect=effect, key=".*parquet"))

    if effect is SLOW_DOWN:
        with pytest.raises(OSError, match=r"503|SLOW_DOWN"):
            parse_partition(work)
    else:
        refused = str(parse_partition(work).refused)
        assert "s3:GetObject" in refused and "land it again" not in refused


EXACT = ("a/b", "a/.b", "..a/b", "a/...", "a%2Fb", "a b", "a+b", "a?x", "a#y", "a\\b", "~")
AMBIGUOUS = ("a/./b", "a/../b", "a//b", "a/b/", "/a", "./a", "a/.", "a/..")


def test_each_key_gives_its_own_bytes_or_is_listed_as_unusable(cloud: Cloud) -> None:
    store = ObjectStore(
        "us-east-1", cloud.settings.aws_endpoint
    )  # moto takes a key as it stands, as AWS does
    store.client().create_bucket(Bucket="keys")
    for key in (*EXACT, *AMBIGUOUS):
        store.client().put_object(Bucket="keys", Key=f"in/{key}", Body=key.encode())
    bucket = S3Bucket("s3://keys/in", store)

    listed = {landed.key: landed for landed in bucket.list()}

    assert {key for key, landed in listed.items() if landed.unusable} == {*AMBIGUOUS}
    assert {key for key, landed in listed.items() if not landed.unusable} == {*EXACT}
    for key in EXACT:
        files, path = filesystem(bucket.uri(key), store)
        with files.open_input_stream(path) as stream:
            assert stream.read() == key.encode()
    for key in AMBIGUOUS:
        assert bucket.head(key) == listed[key]
        for opens in (lambda uri: filesystem(uri, store), Storage(store=store).open_output):
            with pytest.raises(AmbiguousKey, match="copy it to a key without"):
                opens(bucket.uri(key))


def test_an_ambiguous_key_in_the_ledger_fails_alone(cloud: Cloud) -> None:
    store = ObjectStore("us-east-1", cloud.settings.aws_endpoint)
    store.client().create_bucket(Bucket="keys")
    partition = Partition(Place("s3://keys", store))
    partition.land(a=b"a,b\n1,2\n", b=b"a,b\n3,4\n")
    first, second = partition.work().objects
    work = partition.work(objects=(replace(first, uri="s3://keys/landing/./a.csv"), second))

    refused, read = parse_partition(work).objects

    assert refused.error and refused.error.kind == "unreadable"
    assert "'landing/./a.csv' has a part between slashes" in refused.error.message
    assert read.rows == 1
