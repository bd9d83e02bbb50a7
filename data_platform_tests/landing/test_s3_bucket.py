"""The landing bucket of two real stores."""

from pathlib import Path

import pytest

from data_platform.landing.objects import filesystem
from data_platform.landing.s3_bucket import S3Bucket
from data_platform_tests.places import Place, place_of


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
