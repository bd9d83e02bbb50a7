"""S3 Inventory in place of the nightly listing; versitygw holds the reports."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_platform.landing.arrivals.inventory import (
    Inventory,
    InventoryError,
    S3Inventory,
    reconcile_with,
)
from data_platform.landing.arrivals.listing import Reconciliation, inspect
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import Bucket, LandedObject
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.storage.s3_errors import StoreError
from data_platform_tests.support.inventories import KINDS, Row, deliver, rows_of
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket, ever_landed
from data_platform_tests.support.places import Place, place_of

HOUR = timedelta(hours=1)
Step = tuple[str, bytes | None, bool, bool]  # key, bytes or gone; whether heard of; whether loaded
STEPS = st.tuples(
    st.sampled_from([f"shop/2011-03-0{day}.csv" for day in range(1, 6)]),
    st.sampled_from([b"", b"1", b"2", None]),
    st.booleans(),
    st.booleans(),
)
KEYS = ("shop/2011-03-01.csv", "shop/2011-03-02-late 100%+1.csv", "shop/2011-03-03-é.csv")


@dataclass(frozen=True)
class Written:
    """A report in memory."""

    taken: datetime
    seen: tuple[LandedObject, ...]
    uri: str = "memory://report"

    def newest(self, now: datetime) -> "Written":
        return self

    def list(self) -> Iterator[LandedObject]:
        yield from self.seen


class Unlisted(S3Bucket):
    """A bucket that nobody lists."""

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
        raise AssertionError("it was listed")


def reconciled(report: Inventory, bucket: Bucket, ledger: Ledger) -> Reconciliation:
    """However few objects there are, so that a listing would be cheaper."""
    return reconcile_with(report, bucket, [SHOP], ledger, NOW, keys_a_request=0)


def written(bucket: MemoryBucket, taken: datetime) -> Written:
    return Written(taken, tuple(map(bucket._landed, bucket.objects)))


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request, "versitygw", tmp_path)


@dataclass(frozen=True)
class World:
    """A landing bucket with `KEYS`, and the place of its inventory."""

    place: Place
    bucket: S3Bucket
    inventory: S3Inventory

    def deliver(
        self, taken: datetime = NOW, *, kind: str = "CSV", rows: list[Row] | None = None
    ) -> str:
        rows = self.rows() if rows is None else rows
        source = rows[0]["bucket"]
        at = self.inventory.place
        return deliver(self.place.store, at, taken, rows, kind, source=source)

    def rows(self) -> list[Row]:
        return rows_of(self.place.store, self.bucket._bucket)


@pytest.fixture
def world(place: Place) -> World:
    landing, reports = f"{place.root}/landing", f"{place.root}/reports/acme/daily"
    place.write(f"{place.root}/landing-of-others/x.csv", b"theirs")
    for number, key in enumerate(KEYS):
        place.write(f"{landing}/{key}", b"a" * (number + 1))
    bucket = S3Bucket(landing, place.store)
    return World(place, bucket, S3Inventory(reports, landing, place.store))


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_shows_what_a_listing_shows(world: World, kind: str) -> None:
    uri = world.deliver(kind=kind)

    report = world.inventory.newest(NOW)

    assert (report.uri, report.taken) == (uri, NOW)
    assert sorted(report.list(), key=lambda seen: seen.key.encode()) == [*world.bucket.list()]


@pytest.mark.parametrize("kind", KINDS)
def test_old_versions_and_delete_markers_are_not_current(world: World, kind: str) -> None:
    _, first, second, third = world.rows()  # somebody else's comes before
    versions = {"version_id": "v", "is_latest": True, "is_delete_marker": False}
    marker = {**versions, "is_delete_marker": True, "size": None, "e_tag": None}
    rows = [
        {**first, **marker},
        {**second, **versions, "is_latest": False},
        {**third, **versions},
        {**third, **versions, "is_latest": False},
    ]
    world.deliver(kind=kind, rows=[{**dict.fromkeys(rows[0]), **row} for row in rows])

    assert [seen.key for seen in world.inventory.newest(NOW).list()] == [KEYS[2]]


def test_the_newest_report_that_is_complete_is_read(world: World) -> None:
    world.deliver(NOW - 24 * HOUR)
    expected = world.deliver(NOW - HOUR)
    at = world.inventory.place
    world.place.write(f"{at}/{NOW:%Y-%m-%dT%H-%MZ}/manifest.checksum", b"comes first")
    world.place.write(f"{at}/hive/dt=2099-01-01/symlink.txt", b"")

    assert world.inventory.newest(NOW).uri == expected


def test_a_report_that_lacks_the_optional_fields_names_them(world: World) -> None:
    world.deliver(rows=[{"bucket": row["bucket"], "key": row["key"]} for row in world.rows()])

    with pytest.raises(InventoryError, match="lacks size, last_modified_date, e_tag; add"):
        list(world.inventory.newest(NOW).list())


def cut(world: World) -> str:
    world.deliver()
    at = f"{world.inventory.place}/data/{NOW:%H%M%S}-0.csv"
    world.place.write(at, b"cut")
    return "0.csv is not what"


def stale(world: World) -> str:
    world.deliver(NOW - timedelta(days=10))
    return "is of 2011-11-30 and there is none since"


def somebody_elses(world: World) -> str:
    world.deliver(rows=[{**row, "bucket": "other"} for row in world.rows()])
    return "is about bucket other"


def no_manifest(world: World) -> str:
    world.place.write(f"{world.inventory.place}/2011-12-10T12-00Z/manifest.json", b"[1]")
    return "not a manifest of S3 Inventory"


def unknown_format(world: World) -> str:
    rows = world.rows()
    source = rows[0]["bucket"]
    deliver(world.place.store, world.inventory.place, NOW, rows, "Parquet", source=source)
    at = f"{world.inventory.place}/{NOW:%Y-%m-%dT%H-%MZ}/manifest.json"
    text = world.place.read(at).replace(b'"Parquet"', b'"Avro"')
    world.place.write(at, text)
    return "'Avro' are not known"


def no_number(world: World) -> str:
    world.deliver(rows=[{**row, "size": "many"} for row in world.rows()])
    return "is no CSV file of S3's: invalid literal"


def no_key(world: World) -> str:
    world.deliver(rows=[{**row, "key": None} for row in world.rows()], kind="Parquet")
    return "is no Parquet file of S3's: "


def not_compressed(world: World) -> str:
    world.deliver(kind="Parquet")
    at = f"{world.inventory.place}/{NOW:%Y-%m-%dT%H-%MZ}/manifest.json"
    world.place.write(at, world.place.read(at).replace(b'"Parquet"', b'"CSV"'))
    return "is no CSV file of S3's: "


SPOILT = (
    cut, stale, somebody_elses, no_manifest, unknown_format, no_number, no_key, not_compressed,
)  # fmt: skip


@pytest.mark.parametrize("spoil", [*SPOILT, lambda _: "has no report"])
def test_without_a_report_that_can_be_used_the_bucket_is_listed_and_it_says_why(
    world: World, ledger: Ledger, spoil
) -> None:
    why = spoil(world)

    found = reconcile_with(world.inventory, world.bucket, [SHOP], ledger, NOW)

    assert found.missed == tuple(sorted(KEYS, key=str.encode))
    assert found.by.startswith("its listing, since ")
    assert why in found.by


def test_a_place_that_does_not_exist_is_named(world: World, ledger: Ledger) -> None:
    nowhere = replace(world.inventory, place="s3://no-such-bucket/acme/daily")

    found = reconcile_with(nowhere, world.bucket, [SHOP], ledger, NOW)

    assert found.missed
    assert "s3://no-such-bucket: there is no such bucket" in found.by


def test_a_real_report_repairs_without_a_listing(world: World, ledger: Ledger) -> None:
    uri = world.deliver(kind="Parquet")

    found = reconciled(world.inventory, Unlisted(world.bucket.name, world.place.store), ledger)

    assert found.repaired == dict.fromkeys(KEYS, "missed")
    assert found.by == uri


def test_what_no_event_told_of_is_looked_at_and_named(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    for day in ("01", "02", "03", "04"):
        bucket.land(f"shop/2011-03-{day}.csv")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    bucket.land("shop/2011-03-02.csv", b"other")
    bucket.delete("shop/2011-03-03.csv")
    bucket.land("shop/2011-03-05.csv")
    bucket.land("notes.txt")
    report = written(bucket, NOW + HOUR)
    bucket.yielded = 0

    found = reconciled(report, bucket, ledger)

    assert found.repaired == {
        "shop/2011-03-02.csv": "changed",
        "shop/2011-03-03.csv": "vanished",
        "shop/2011-03-05.csv": "missed",
    }
    assert (found.listed, found.unknown, found.by) == (5, ("notes.txt",), report.uri)
    assert (bucket.yielded, {*found.repaired, "notes.txt"}) == (0, {*bucket.looked_at})
    assert reconciled(report, bucket, ledger).repaired == {}


def test_what_landed_since_the_report_is_not_asked_for(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    bucket.land("shop/2011-03-01.csv")
    report = written(bucket, NOW + HOUR)
    bucket.land("shop/2011-03-02.csv", modified=NOW + HOUR)
    ledger.record(bucket.list(), bucket, [SHOP], NOW)

    assert reconciled(report, bucket, ledger).repaired == {}
    assert bucket.looked_at == []


def test_an_old_report_never_undoes_what_is_known_since(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    for day in ("01", "02", "03"):
        bucket.land(f"shop/2011-03-{day}.csv")
    report = written(bucket, NOW + HOUR)
    bucket.land("shop/2011-03-01.csv", b"newer", modified=NOW + 2 * HOUR)
    bucket.delete("shop/2011-03-02.csv")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    before = ledger.pending("shop")

    assert reconciled(report, bucket, ledger).repaired == {}
    assert ledger.pending("shop") == before


def test_the_same_bytes_that_landed_again_are_looked_at(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    bucket.land("shop/2011-03-01.csv")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    bucket.land("shop/2011-03-01.csv", modified=NOW + timedelta(minutes=5))

    reconciled(written(bucket, NOW + HOUR), bucket, ledger)

    [entry] = ledger.pending("shop")
    assert entry.modified == NOW + timedelta(minutes=5)


class Refusing(MemoryBucket):
    """Lets nobody look at the objects whose keys it refuses."""

    refused: Collection[str] = ()

    def head(self, key: str) -> LandedObject | None:
        if key in self.refused:
            raise PermissionError(f"{key} is not for you")
        return super().head(key)


def test_what_cannot_be_looked_at_is_named_and_the_rest_is_repaired(ledger: Ledger) -> None:
    bucket = Refusing()
    bucket.land("shop/2011-03-01.csv")
    bucket.land("shop/2011-03-02.csv")
    bucket.refused = ["shop/2011-03-01.csv"]

    found = reconciled(written(bucket, NOW + HOUR), bucket, ledger)

    assert found.repaired == {"shop/2011-03-02.csv": "missed"}
    assert found.failed == {"shop/2011-03-01.csv": "shop/2011-03-01.csv is not for you"}


def test_a_reconciliation_that_sees_nothing_is_none(ledger: Ledger) -> None:
    bucket = Refusing()
    bucket.land("shop/2011-03-01.csv")
    bucket.refused = list(bucket.objects)

    with pytest.raises(StoreError, match=r"none of 1 objects .*/2011-03-01.csv is not for you"):
        reconciled(written(bucket, NOW + HOUR), bucket, ledger)


def test_where_listing_takes_fewer_requests_the_bucket_is_listed(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    for number in range(1000):
        bucket.land(f"shop/2011-03-01-{number:04}.csv")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)

    def changed_by(count: int) -> tuple[str, int, int]:
        for number in range(count):
            bucket.land(f"shop/2011-03-01-{number:04}.csv", f"{count}".encode())
        bucket.yielded = 0
        found = reconcile_with(written(bucket, NOW + HOUR), bucket, [SHOP], ledger, NOW)
        return found.by, len(found.changed), bucket.yielded

    assert changed_by(1) == ("memory://report", 1, 0)
    why = "memory://report differs in 2 objects of 1000"
    assert changed_by(2) == (f"its listing, since {why}", 2, 1000)


class History:
    """A shop's uploads and deletions, of which the ledger hears or does not; a second each."""

    def __init__(self, home: Path) -> None:
        self.now = NOW
        self.bucket = MemoryBucket()
        self.ledger = Ledger(f"sqlite:///{home}/ledger.db", clock=lambda: self.now)

    def happen(self, steps: list[Step]) -> set[str]:
        """The keys of which the ledger did not hear."""
        unheard = set()
        for key, content, heard, loaded in steps:
            self.now += timedelta(seconds=1)
            if content is None:
                self.bucket.objects.pop(key, None)
            else:
                self.bucket.land(key, content, modified=self.now)
            unheard |= {key}
            if heard:
                inspect(self.bucket, [key], [SHOP], self.ledger, self.now)
                unheard -= {key}
            if loaded:
                waiting = {entry.id: 1 for entry in self.ledger.pending("shop")}
                self.ledger.mark_loaded(waiting, "run", "load")
        return unheard

    def known(self) -> dict[str, tuple[datetime, str | None]]:
        """What the ledger has of each key of the shop, as the bucket should have it."""
        entries = self.ledger.effective("shop", ever_landed(self.ledger, "shop"))
        return {
            entry.key: (entry.modified, entry.etag)
            for of_partition in entries.values()
            for entry in of_partition
            if entry.available
        }

    def there(self) -> dict[str, tuple[datetime, str | None]]:
        listed = self.bucket.list("shop/")
        return {landed.key: (landed.modified, landed.etag) for landed in listed}


@settings(max_examples=40)
@given(before=st.lists(STEPS, max_size=12), after=st.lists(STEPS, max_size=6))
def test_whatever_happened_before_a_report_the_ledger_has_as_the_bucket_has_it(
    tmp_path_factory: pytest.TempPathFactory, before: list[Step], after: list[Step]
) -> None:
    history = History(tmp_path_factory.mktemp("ledger"))
    history.happen(before)
    history.now += timedelta(seconds=1)
    report = written(history.bucket, history.now)
    unheard = history.happen(after)

    reconciled(report, history.bucket, history.ledger)

    known, there = history.known(), history.there()
    assert {key for key in {*known, *there} if known.get(key) != there.get(key)} <= unheard
    if not unheard:
        assert known == there
