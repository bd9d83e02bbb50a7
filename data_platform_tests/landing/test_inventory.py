"""S3 Inventory in place of the nightly listing; versitygw holds the reports."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_platform.landing import inventory
from data_platform.landing.inventory import (
    Inventory,
    InventoryError,
    reconcile_by,
    reconcile_by_newest,
)
from data_platform.landing.ledger import Ledger
from data_platform.landing.objects import LandedObject
from data_platform.landing.s3_bucket import S3Bucket
from data_platform_tests.landing.fakes import NOW, SHOP, MemoryBucket
from data_platform_tests.landing.inventories import KINDS, Row, deliver, rows_of
from data_platform_tests.places import Place, place_of

HOUR = timedelta(hours=1)
KEYS = ("shop/2011-03-01.csv", "shop/2011-03-02-late 100%+1.csv", "shop/2011-03-03-é.csv")


@dataclass(frozen=True)
class Written:
    """A report in memory."""

    taken: datetime
    seen: tuple[LandedObject, ...]
    uri: str = "memory://report"

    def list(self) -> Iterator[LandedObject]:
        yield from self.seen


def written(bucket: MemoryBucket, taken: datetime) -> Written:
    return Written(taken, tuple(map(bucket._landed, bucket.objects)))


@pytest.fixture
def asked_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few objects make no listing cheaper than a look at each difference."""
    monkeypatch.setattr(inventory, "KEYS_A_REQUEST", 0)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request, "versitygw", tmp_path)


@dataclass(frozen=True)
class World:
    """A landing bucket with `KEYS`, and the place of its inventory."""

    place: Place
    bucket: S3Bucket
    inventory: Inventory

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
    return World(place, bucket, Inventory(reports, landing, place.store))


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
    return "no manifest of S3 Inventory"


def unknown_format(world: World) -> str:
    rows = world.rows()
    source = rows[0]["bucket"]
    deliver(world.place.store, world.inventory.place, NOW, rows, "Parquet", source=source)
    at = f"{world.inventory.place}/{NOW:%Y-%m-%dT%H-%MZ}/manifest.json"
    text = world.place.read(at).replace(b'"Parquet"', b'"Avro"')
    world.place.write(at, text)
    return "'Avro' are not known"


def senseless(world: World) -> str:
    rows = [{**row, "size": "many"} for row in world.rows()]
    world.deliver(rows=rows)
    return "is no CSV file of S3's: invalid literal"


SPOILT = (cut, stale, somebody_elses, no_manifest, unknown_format, senseless)


@pytest.mark.parametrize("spoil", [*SPOILT, lambda _: "has no report"])
def test_without_a_report_that_can_be_used_the_bucket_is_listed_and_it_says_why(
    world: World, ledger: Ledger, spoil
) -> None:
    why = spoil(world)

    found = reconcile_by_newest(world.inventory, world.bucket, [SHOP], ledger, NOW)

    assert found.missed == tuple(sorted(KEYS, key=str.encode))
    assert found.by.startswith("its listing, since ")
    assert why in found.by


def test_a_place_that_does_not_exist_is_named(world: World, ledger: Ledger) -> None:
    nowhere = replace(world.inventory, place="s3://no-such-bucket/acme/daily")

    found = reconcile_by_newest(nowhere, world.bucket, [SHOP], ledger, NOW)

    assert found.missed
    assert "s3://no-such-bucket: there is no such bucket" in found.by


@pytest.mark.usefixtures("asked_for_each")
def test_a_real_report_repairs_without_a_listing(
    world: World, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    uri = world.deliver(now + HOUR, kind="Parquet")  # the clock of the store is not ours
    monkeypatch.setattr(S3Bucket, "list", None)

    found = reconcile_by_newest(world.inventory, world.bucket, [SHOP], ledger, now)

    assert found.repaired == dict.fromkeys(KEYS, "missed")
    assert found.by == uri


@pytest.mark.usefixtures("asked_for_each")
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

    found = reconcile_by(report, bucket, [SHOP], ledger, NOW)

    assert found.repaired == {
        "shop/2011-03-02.csv": "changed",
        "shop/2011-03-03.csv": "vanished",
        "shop/2011-03-05.csv": "missed",
    }
    assert (found.listed, found.unknown, found.by) == (5, ("notes.txt",), report.uri)
    assert (bucket.yielded, {*found.repaired, "notes.txt"}) == (0, {*bucket.looked_at})
    assert reconcile_by(report, bucket, [SHOP], ledger, NOW).repaired == {}


@pytest.mark.usefixtures("asked_for_each")
def test_what_landed_since_the_report_is_not_asked_for(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    bucket.land("shop/2011-03-01.csv")
    report = written(bucket, NOW + HOUR)
    bucket.land("shop/2011-03-02.csv", modified=NOW + HOUR)
    ledger.record(bucket.list(), bucket, [SHOP], NOW)

    assert reconcile_by(report, bucket, [SHOP], ledger, NOW).repaired == {}
    assert bucket.looked_at == []


@pytest.mark.usefixtures("asked_for_each")
def test_an_old_report_never_undoes_what_is_known_since(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    for day in ("01", "02", "03"):
        bucket.land(f"shop/2011-03-{day}.csv")
    report = written(bucket, NOW + HOUR)
    bucket.land("shop/2011-03-01.csv", b"newer", modified=NOW + 2 * HOUR)
    bucket.delete("shop/2011-03-02.csv")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    before = ledger.pending("shop")

    assert reconcile_by(report, bucket, [SHOP], ledger, NOW).repaired == {}
    assert ledger.pending("shop") == before


def test_where_listing_takes_fewer_requests_the_bucket_is_listed(ledger: Ledger) -> None:
    bucket = MemoryBucket()
    for number in range(1000):
        bucket.land(f"shop/2011-03-01-{number:04}.csv")
    ledger.record(bucket.list(), bucket, [SHOP], NOW)
    bucket.land("shop/2011-03-01-0000.csv", b"other")
    bucket.yielded = 0

    one = reconcile_by(written(bucket, NOW + HOUR), bucket, [SHOP], ledger, NOW)

    assert (len(one.changed), bucket.yielded) == (1, 0)
    bucket.land("shop/2011-03-01-0001.csv", b"other")
    bucket.land("shop/2011-03-01-0002.csv", b"other")
    two = reconcile_by(written(bucket, NOW + HOUR), bucket, [SHOP], ledger, NOW)
    assert (len(two.changed), bucket.yielded) == (2, 1000)
    assert two.by == "its listing"


_NAMES = st.sampled_from([f"shop/2011-03-0{day}.csv" for day in range(1, 6)] + ["notes.txt"])
_STEPS = st.tuples(_NAMES, st.binary(max_size=2) | st.none(), st.booleans())


@given(before=st.lists(_STEPS, max_size=12), after=st.lists(_STEPS, max_size=6))
def test_whatever_happened_before_a_report_the_ledger_has_as_the_bucket_has_it(
    tmp_path_factory: pytest.TempPathFactory, before, after
) -> None:
    """A step lands bytes, or deletes, and the ledger hears of it or does not."""
    home = tmp_path_factory.mktemp("ledger")
    ledger, bucket = Ledger(f"sqlite:///{home}/ledger.db", clock=lambda: NOW), MemoryBucket()
    lost_since: set[str] = set()

    def happen(steps, start: datetime) -> Iterator[str]:
        for number, (key, content, heard) in enumerate(steps):
            if content is None:
                bucket.objects.pop(key, None)
            else:
                bucket.land(key, content, modified=start + number * timedelta(seconds=1))
            if heard:
                inventory.look(bucket, [key], [SHOP], ledger, NOW)
            else:
                yield key

    list(happen(before, NOW))
    report = written(bucket, NOW + HOUR)
    lost_since.update(happen(after, NOW + HOUR))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "KEYS_A_REQUEST", 0)
        reconcile_by(report, bucket, [SHOP], ledger, NOW)

    known = ledger.present(bucket.name)
    there = ledger.preview(bucket.list(), bucket, [SHOP], NOW)
    assert {*there.new, *there.reopened, *there.unknown} <= lost_since
    assert known.keys() - bucket.objects.keys() <= lost_since
