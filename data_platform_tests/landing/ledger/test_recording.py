"""What a listing adds to the ledger."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from data_platform.databases.chunks import CHUNK
from data_platform.landing.arrivals.listing import reconcile
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.ledger.recording import Recorded
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.source import OutsideTable, day
from data_platform_tests.support.memory_bucket import (
    DAY,
    KEY,
    NOW,
    SHOP,
    MemoryBucket,
    load,
    record,
)


def test_a_new_object_waits_and_says_where_it_belongs(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    assert record(ledger, bucket) == Recorded(new=(KEY,))
    [entry] = ledger.pending("shop")
    assert (entry.bucket, entry.key, entry.partition, entry.attempts) == ("memory", KEY, DAY, 0)
    assert (entry.first_seen, entry.modified, entry.available) == (NOW, NOW, True)


def test_what_is_known_is_unchanged(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    assert record(ledger, bucket) == Recorded(unchanged=1)


def test_two_objects_of_the_same_moment_are_two(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    bucket.land(f"shop/{DAY}-b.csv")
    assert record(ledger, bucket).new == (f"shop/{DAY}-b.csv",)
    assert len(ledger.pending("shop")) == 2


def test_an_object_listed_twice_is_one(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    ledger.record([*bucket.list(), *bucket.list()], bucket, [SHOP], NOW)
    assert len(ledger.pending("shop")) == 1


def test_a_reupload_reopens_its_partition_and_keeps_the_history(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    bucket.land(KEY, b"a,b\n3,4\n")
    assert record(ledger, bucket).reopened == (KEY,)
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert entry.state == "pending"
    assert entry.previous is not None
    assert (entry.previous.state, entry.previous.available) == ("loaded", False)
    assert ledger.summary("shop") == {"pending": 1, "loaded": 0, "failed": 0, "unknown": 0}


def test_an_upload_of_an_earlier_content_is_a_version_of_its_own(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    for content in [b"A", b"B", b"A"]:
        bucket.land(KEY, content)
        record(ledger, bucket)
        [entry] = ledger.pending("shop")
        load(ledger)
    [effective] = ledger.effective("shop", [DAY])[DAY]
    assert effective.id == entry.id


def test_a_version_replaced_before_it_was_loaded_waits_no_more(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    for content in [b"A", b"B"]:
        bucket.land(KEY, content)
        record(ledger, bucket)
    assert len(ledger.pending("shop")) == 1
    assert ledger.effective("shop", [DAY])[DAY] == ledger.pending("shop")
    assert ledger.summary()["pending"] == 1


def test_touching_a_file_hashes_it_once_and_changes_nothing(ledger: Ledger) -> None:
    bucket = MemoryBucket(etags=False)
    bucket.land(KEY)
    record(ledger, bucket)
    record(ledger, bucket)
    assert bucket.hashed == [KEY]
    bucket.land(KEY, modified=NOW + timedelta(microseconds=1))
    assert record(ledger, bucket) == record(ledger, bucket) == Recorded(unchanged=1)
    assert bucket.hashed == [KEY, KEY]


@pytest.mark.parametrize("etags", [False, True])
@pytest.mark.parametrize("prefix", ["shop/", "elsewhere/"])
def test_the_same_bytes_that_land_again_under_another_declaration_have_their_new_time(
    ledger: Ledger, etags: bool, prefix: str
) -> None:
    """A read checks it: with the former one the file counts as replaced, and waits."""
    bucket, later = MemoryBucket(etags=etags), NOW + timedelta(hours=1)
    declared = [replace(SHOP, prefix=at, pattern=f"{at}(.+).csv") for at in ("not/", prefix)]
    bucket.land(KEY)
    record(ledger, bucket, declared[0])
    [unknown] = ledger.unknown()

    bucket.land(KEY, modified=later)
    record(ledger, bucket, declared[1])

    [entry] = ledger.pending("shop") if prefix == "shop/" else ledger.unknown()
    assert entry.error != unknown.error
    assert (entry.modified, entry.id) == (later, unknown.id)


def test_a_file_that_vanishes_while_it_is_hashed_is_left_for_later(ledger: Ledger) -> None:
    bucket = MemoryBucket(etags=False)
    bucket.land(KEY)
    listing = list(bucket.list())
    bucket.delete(KEY)
    assert ledger.record(listing, bucket, [SHOP], NOW) == Recorded()


def test_a_file_that_may_not_be_read_is_recorded_nonetheless(ledger: Ledger) -> None:
    class Forbidden(MemoryBucket):
        def content_hash(self, key: str) -> str:
            raise PermissionError(key)

    bucket = Forbidden(etags=False)
    bucket.land(KEY)
    assert record(ledger, bucket).new == (KEY,)


def test_a_key_of_no_source_is_unknown_until_a_source_claims_it(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land("shop/2011-02-30.csv")
    bucket.land("stock/2011-03-04.csv")
    assert record(ledger, bucket).unknown == ("shop/2011-02-30.csv", "stock/2011-03-04.csv")
    assert [entry.key for entry in ledger.unknown()] == [
        "shop/2011-02-30.csv",
        "stock/2011-03-04.csv",
    ]
    stock = replace(SHOP, name="stock", prefix="stock/", pattern=r"stock/(.*)\.csv")
    assert ledger.record(bucket.list(), bucket, [SHOP, stock], NOW).new == ("stock/2011-03-04.csv",)
    assert [entry.partition for entry in ledger.pending("stock")] == [DAY]


def test_a_name_that_is_not_utf8_is_unknown_whatever_a_source_makes_of_it(
    ledger: Ledger, tmp_path: Path
) -> None:
    path = os.fsencode(tmp_path) + b"/shop/2011-03-04-caf\xe9.csv"
    os.mkdir(os.path.dirname(path))
    Path(os.fsdecode(path)).write_text("a,b")
    landing = DirectoryBucket(tmp_path)

    def tick() -> Recorded:
        return ledger.record(landing.list("shop/"), landing, [SHOP], NOW)

    key = "shop/2011-03-04-caf\\xe9.csv"
    assert tick() == Recorded(unknown=(key,))
    assert tick() == tick() == Recorded(unchanged=1)
    [entry] = ledger.unknown()
    assert (entry.key, entry.error) == (key, "its name is not UTF-8; rename it")
    assert reconcile(landing, [SHOP], ledger, NOW).vanished == ()
    os.rename(path, path.replace(b"\xe9", b"e"))
    assert tick().new == ("shop/2011-03-04-cafe.csv",)


def test_a_key_that_two_sources_claim_is_unknown_and_says_so(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    ledger.record(bucket.list(), bucket, [SHOP, replace(SHOP, name="twin")], NOW)
    [entry] = ledger.unknown()
    assert entry.cause == "several sources"
    assert entry.error == "claimed by several sources: shop, twin; make their patterns exclusive"


def test_why_a_key_is_of_no_source_is_recorded_and_follows_the_declaration(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    def partition(text: str) -> str:
        if text == "2011-03-05":
            raise OutsideTable(
                f"{text} is not a partition of the table, whose partitions are: March"
            )
        return {"2011-03-06": day}[text](text) if text > "2011-03-05" else day(text)

    def unknown() -> dict[str, tuple[str | None, str | None]]:
        return {entry.key[-14:-4]: (entry.cause, entry.error) for entry in ledger.unknown()}

    for key in ("shop/2011-02-30", "shop/2011-03-05", "shop/2011-03-09", "stock/2011-03-04"):
        bucket.land(f"{key}.csv")
    first = replace(SHOP, partition=partition)
    assert len(ledger.record(bucket.list(), bucket, [first], NOW).unknown) == 4
    assert unknown() == {
        "2011-02-30": (
            "no such day",
            "source shop: 2011-02-30 is not a day: day is out of range for month; rename it",
        ),
        "2011-03-05": (
            "outside",
            "source shop: 2011-03-05 is not a partition of the table, whose partitions are: March",
        ),
        "2011-03-09": (
            "no partition",
            "source shop: its partition function refuses '2011-03-09': KeyError('2011-03-09')",
        ),
        "2011-03-04": (
            "no source",
            "no source's pattern matches it: shop takes "
            r"shop/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv",
        ),
    }
    renamed = replace(SHOP, name="sales", prefix="sales/", pattern=r"sales/(.*)\.csv")
    assert ledger.record(bucket.list(), bucket, [renamed], NOW) == Recorded(unchanged=4)
    assert {cause for cause, _ in unknown().values()} == {"no source"}
    assert ledger.differing(bucket.list(), bucket, [renamed], NOW) == set()
    assert ledger.record(bucket.list(), bucket, [SHOP], NOW).new == (
        "shop/2011-03-05.csv",
        "shop/2011-03-09.csv",
    )
    assert [entry.cause for entry in ledger.pending("shop")] == [None, None]


def _arrivals(ledger: Ledger) -> list[str]:
    """The keys that wait, in the order in which they arrived; no two of them at once."""
    found = sorted(ledger.pending("shop"), key=lambda entry: entry.first_seen)
    assert len({entry.first_seen for entry in found}) == len(found)
    return [entry.key for entry in found]


def test_what_is_found_together_arrived_as_it_was_modified_whatever_it_is_called(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    names = ("", "-late", "_late", ".late", ".2")
    keys = [f"shop/2011-03-{n:02}{name}.csv" for n in range(1, 29) for name in names]
    landed = [*keys[::2], *keys[1::2]]
    for second, key in enumerate(landed):
        bucket.land(key, modified=NOW - timedelta(days=9) + timedelta(seconds=second))

    record(ledger, bucket)

    assert _arrivals(ledger) == landed
    assert ledger.pending("shop")[0].first_seen >= NOW


def test_what_comes_later_arrived_later_though_the_clock_was_set_back(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    keys = [f"shop/{DAY}{name}.csv" for name in ("-b", "-a", "-0")]
    for days, key in zip((9, 0, -9), keys, strict=True):
        bucket.land(key)
        ledger.record(bucket.list(), bucket, [SHOP], NOW + timedelta(days=days))

    assert _arrivals(ledger) == keys

    bucket.land(keys[0], b"a,b\ncorrected,2\n")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    assert _arrivals(ledger) == [*keys[1:], keys[0]]


def test_a_listing_of_more_than_is_ordered_at_once_is_recorded_all_the_same(
    ledger: Ledger, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_platform.landing.ledger.ledger.AT_ONCE", 1)
    keys = [f"shop/{DAY}-{n:04}.csv" for n in range(CHUNK + 1)]
    for n, key in enumerate(keys):
        bucket.land(key, modified=NOW - timedelta(seconds=n % CHUNK))

    assert record(ledger, bucket).new == (*keys[CHUNK - 1 :: -1], keys[-1])
    assert record(ledger, bucket) == Recorded(unchanged=len(keys))
    assert _arrivals(ledger) == [*keys[CHUNK - 1 :: -1], keys[-1]]
