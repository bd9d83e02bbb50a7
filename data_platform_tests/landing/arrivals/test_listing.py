from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from threading import Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from data_platform.landing.arrivals.listing import inspect, partitions_of, reconcile, tick
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import LandedObject
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket, ever_landed


def days(month: int, *numbers: int) -> list[str]:
    return [f"shop/2011-{month:02d}-{number:02d}.csv" for number in numbers]


def land(bucket: MemoryBucket, keys: list[str]) -> None:
    for key in keys:
        bucket.land(key)


def waiting(ledger: Ledger) -> list[str]:
    return [entry.key for entry in ledger.pending("shop")]


@pytest.fixture
def s3() -> MemoryBucket:
    return MemoryBucket(starts_after=True)


def test_a_tick_lists_from_the_overlap_window_on(ledger: Ledger, s3: MemoryBucket) -> None:
    land(s3, days(3, *range(1, 31)))
    assert tick(s3, [SHOP], ledger, NOW, 7).listed == 30
    land(s3, days(3, 31))
    found = tick(s3, [SHOP], ledger, NOW, 7)
    assert found.new == tuple(days(3, 31))
    assert found.listed == 9  # the 23rd to the 31st: seven days before the newest, and the newest


def test_a_key_that_sorts_before_the_last_is_seen_within_the_window(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    land(s3, days(3, 1, 10))
    tick(s3, [SHOP], ledger, NOW, 7)
    s3.land("shop/2011-03-04-late.csv")
    assert tick(s3, [SHOP], ledger, NOW, 7).new == ("shop/2011-03-04-late.csv",)


def test_a_key_before_the_window_is_found_by_the_reconciliation(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    land(s3, days(3, 20))
    tick(s3, [SHOP], ledger, NOW, 7)
    land(s3, days(3, 1))
    assert tick(s3, [SHOP], ledger, NOW, 7).new == ()
    assert reconcile(s3, [SHOP], ledger, NOW).repaired == dict.fromkeys(days(3, 1), "missed")
    assert waiting(ledger) == days(3, 1, 20)


def test_a_date_in_the_future_does_not_hide_what_lands_today(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    land(s3, ["shop/2099-01-01.csv"])
    tick(s3, [SHOP], ledger, NOW, 7)
    land(s3, days(12, 9))
    assert tick(s3, [SHOP], ledger, NOW, 7).new == tuple(days(12, 9))


@pytest.mark.parametrize(
    "pattern", [r"shop/[a-z]*/?(\d{4}-\d{2}-\d{2})\.csv", r"(?:shop/)(\d{4}-\d{2}-\d{2})\.csv"]
)
def test_keys_that_are_not_ordered_by_date_are_listed_whole(
    ledger: Ledger, s3: MemoryBucket, pattern: str
) -> None:
    source = replace(SHOP, pattern=pattern)
    land(s3, days(3, 20))
    tick(s3, [source], ledger, NOW, 7)
    land(s3, days(1, 1))
    assert tick(s3, [source], ledger, NOW, 7).new == tuple(days(1, 1))


def test_sources_under_one_prefix_are_listed_together(ledger: Ledger, s3: MemoryBucket) -> None:
    monthly = replace(SHOP, name="monthly", pattern=r"shop/(\d{4}-\d{2}-\d{2})\.txt")
    land(s3, [*days(3, 20), "shop/2011-01-01.txt"])
    tick(s3, [SHOP, monthly], ledger, NOW, 7)
    s3.land("shop/2011-01-02.txt")
    assert tick(s3, [SHOP, monthly], ledger, NOW, 7).new == ("shop/2011-01-02.txt",)


def test_a_directory_shows_unknown_keys_at_once_and_a_late_key_too(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    land(bucket, days(3, 20))
    tick(bucket, [SHOP], ledger, NOW, 7)
    land(bucket, [*days(1, 1), "notes.txt"])
    recorded = tick(bucket, [SHOP], ledger, NOW, 7)
    assert (recorded.new, recorded.unknown) == (tuple(days(1, 1)), ("notes.txt",))


def test_a_tick_costs_what_is_new_however_many_are_old(
    reopened: Callable[[], Ledger],
) -> None:
    costs = []
    ledger = reopened()
    s3 = MemoryBucket(starts_after=True)
    dates = (date(2000, 1, 1) + timedelta(days=day) for day in count())
    for old in (100, 3000):
        land(s3, [f"shop/{next(dates)}.csv" for _ in range(old)])
        tick(s3, [SHOP], ledger, NOW, 7)
        ledger.mark_loaded({entry.id: 1 for entry in ledger.pending("shop")}, "run", "load")
        land(s3, [f"shop/{next(dates)}.csv" for _ in range(10)])
        s3.yielded = 0
        executed: list[str] = []

        def note(connection, cursor, statement, parameters, context, many) -> None:
            executed.append(statement)  # noqa: B023

        event.listen(ledger.database.engine, "before_cursor_execute", note)
        assert len(tick(s3, [SHOP], ledger, NOW, 7).new) == 10
        assert len(ledger.pending("shop")) == 10
        event.remove(ledger.database.engine, "before_cursor_execute", note)
        costs.append((s3.yielded, len(executed)))
        ledger.mark_loaded({entry.id: 1 for entry in ledger.pending("shop")}, "run", "load")
    assert costs[0] == costs[1]
    assert costs[0][0] == 18  # the ten, the newest before them, and seven days of overlap


def test_what_vanished_is_marked_and_named_once(ledger: Ledger, bucket: MemoryBucket) -> None:
    land(bucket, days(3, 1, 2))
    tick(bucket, [SHOP], ledger, NOW, 7)
    bucket.delete(days(3, 1)[0])
    assert reconcile(bucket, [SHOP], ledger, NOW).vanished == tuple(days(3, 1))
    assert reconcile(bucket, [SHOP], ledger, NOW).vanished == ()
    assert waiting(ledger) == days(3, 2)
    land(bucket, days(3, 1))
    tick(bucket, [SHOP], ledger, NOW, 7)
    assert waiting(ledger) == days(3, 1, 2)


def test_one_run_names_all_that_is_to_be_rebuilt(ledger: Ledger, bucket: MemoryBucket) -> None:
    land(bucket, [*days(3, 1, 9), "shop/2011-03-09-late.csv"])
    tick(bucket, [SHOP], ledger, NOW, 7)
    assert partitions_of(ledger.pending("shop")) == ("2011-03-01", "2011-03-09")


def test_a_failed_object_that_was_deleted_and_landed_again_is_tried_again(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    """Without waiting for the reconciliation, where a tick lists everything."""
    land(bucket, days(3, 1, 2))
    tick(bucket, [SHOP], ledger, NOW, 7)
    ledger.mark_failed({entry.id: "bad" for entry in ledger.pending("shop")})
    bucket.delete(days(3, 1)[0])
    tick(bucket, [SHOP], ledger, NOW, 7)
    land(bucket, days(3, 1))
    assert tick(bucket, [SHOP], ledger, NOW, 7).reopened == tuple(days(3, 1))
    assert waiting(ledger) == days(3, 1)
    assert [entry.key for entry in ledger.failed()] == days(3, 2)


def test_a_tick_of_recent_keys_marks_nothing_that_it_did_not_list(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    land(s3, days(3, 1, 20))
    tick(s3, [SHOP], ledger, NOW, 7)
    ledger.mark_failed({entry.id: "bad" for entry in ledger.pending("shop")})
    tick(s3, [SHOP], ledger, NOW, 7)
    assert all(entry.available for entry in ledger.failed())


def test_a_look_records_what_is_under_the_keys_now_and_marks_what_is_gone(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    new, changed, gone, never, same = days(3, 1, 2, 3, 4, 5)
    land(s3, [changed, gone, same])
    tick(s3, [SHOP], ledger, NOW, 7)
    land(s3, [new, "notes.txt"])
    s3.land(changed, b"other")
    s3.delete(gone)

    found = inspect(s3, {new, changed, gone, never, same, "notes.txt"}, [SHOP], ledger, NOW)

    assert (found.recorded.new, found.recorded.reopened) == ((new,), (changed,))
    assert (found.recorded.unknown, found.recorded.unchanged) == (("notes.txt",), 1)
    assert found.vanished == (gone,)
    assert waiting(ledger) == [new, changed, same]
    assert inspect(s3, {gone}, [SHOP], ledger, NOW).vanished == ()


def test_what_a_look_sees_too_late_is_not_the_last_word(ledger: Ledger, s3: MemoryBucket) -> None:
    """Another consumer looks and records between our look and our record."""
    changed, back = days(3, 1, 2)
    for key in (changed, back):
        s3.land(key, b"1")
    inspect(s3, {changed, back}, [SHOP], ledger, NOW)
    ledger.mark_loaded({entry.id: 1 for entry in ledger.pending("shop")}, "run", "load")
    s3.land(changed, b"2")
    s3.delete(back)
    one_at_a_time = Lock()

    class Slow(MemoryBucket):
        """Answers, and only then does the other consumer go on."""

        def head(self, key: str) -> LandedObject | None:
            with one_at_a_time:
                seen = s3.head(key)
                if s3.looked_at.count(key) == 1:
                    s3.land(key, b"newest")
                    inspect(s3, {key}, [SHOP], ledger, NOW)
                return seen

    s3.looked_at.clear()
    inspect(Slow(), {changed, back}, [SHOP], ledger, NOW)

    assert ledger.present(s3.name).keys() == {changed, back}
    effective = ledger.effective("shop", ["2011-03-01", "2011-03-02"])
    newest = {entry.key: entry.version for entries in effective.values() for entry in entries}
    assert newest == {seen.key: f"{seen.size}-{seen.etag}" for seen in s3.list()}


def test_one_key_that_cannot_be_looked_at_does_not_stop_the_others(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    class Refusing(MemoryBucket):
        def head(self, key: str) -> LandedObject | None:
            if key == refused:
                raise PermissionError("s3:GetObject is missing")
            return super().head(key)

    bucket = Refusing()
    refused, seen = days(3, 1, 2)
    land(bucket, [refused, seen])

    found = inspect(bucket, {refused, seen}, [SHOP], ledger, NOW)

    assert found.recorded.new == (seen,)
    assert "s3:GetObject" in str(found.failed[refused])


def test_the_reconciliation_names_what_was_wrong_with_each_key(
    ledger: Ledger, s3: MemoryBucket
) -> None:
    missed, changed, vanished, fine = days(3, 1, 2, 3, 4)
    land(s3, [changed, vanished, fine])
    inspect(s3, {changed, vanished, fine}, [SHOP], ledger, NOW)
    s3.land(missed)
    s3.land(changed, b"other")
    s3.delete(vanished)

    found = reconcile(s3, [SHOP], ledger, NOW)

    assert found.repaired == {missed: "missed", changed: "changed", vanished: "vanished"}
    assert found.listed == 3
    assert reconcile(s3, [SHOP], ledger, NOW).repaired == {}


def test_a_listing_that_is_older_than_what_a_tick_recorded_is_not_the_last_word(
    ledger: Ledger,
) -> None:
    class Changing(MemoryBucket):
        """Its object changes, and a tick records that, before its old line is read."""

        def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
            for line in list(super().list(prefix, start_after)):
                self.land(line.key, b"newer")
                inspect(self, {line.key}, [SHOP], ledger, NOW)
                yield line

    bucket = Changing()
    [key] = days(3, 1)
    bucket.land(key, b"old")
    inspect(bucket, {key}, [SHOP], ledger, NOW)

    reconcile(bucket, [SHOP], ledger, NOW)

    [entry] = ledger.pending("shop")
    assert entry.size == len(b"newer")


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing catches it."""


def test_a_process_killed_between_any_two_steps_loses_nothing(
    reopened: Callable[[], Ledger],
) -> None:
    """Before each SQL statement in turn; another process goes on from the ledger alone."""
    bucket = MemoryBucket(starts_after=True)
    keys = days(3, *range(1, 10))
    land(bucket, keys)
    loads: dict[int, int] = {}

    def work(ledger: Ledger) -> None:
        tick(bucket, [SHOP], ledger, NOW, 30)
        found = ledger.pending("shop")
        ledger.mark_loaded({entry.id: 1 for entry in found}, "run", "load")
        for entry in found:
            loads[entry.id] = loads.get(entry.id, 0) + 1

    survived = False
    step = 0
    while not survived:
        ledger = reopened()
        left = step

        def kill(connection, cursor, statement, parameters, context, many) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        event.listen(ledger.database.engine, "before_cursor_execute", kill)
        key = f"shop/{date(2011, 4, 1) + timedelta(days=step)}.csv"
        bucket.land(key)
        keys.append(key)
        try:
            work(ledger)
            survived = True
        except Killed:
            step += 1
    work(reopened())
    entries = [
        entry
        for found in reopened().effective("shop", ever_landed(reopened(), "shop")).values()
        for entry in found
    ]
    assert step > 10
    assert [entry.key for entry in entries] == sorted(keys)
    assert {entry.state for entry in entries} == {"loaded"}
    assert set(loads.values()) == {1}


steps = st.lists(
    st.tuples(
        st.sampled_from(["land", "delete", "tick", "load", "fail", "reconcile"]),
        st.sampled_from(days(3, 1, 2, 3)),
        st.sampled_from([b"A", b"B"]),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_whatever_happens_the_ledger_ends_with_what_is_in_the_bucket(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bytes]]
) -> None:
    """A model: bronze holds, of each key, the last content that was loaded."""
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    bucket = MemoryBucket()
    bronze: dict[str, str] = {}

    def load() -> None:
        for entry in ledger.pending("shop"):
            if entry.key in bucket.objects:
                ledger.mark_loaded({entry.id: 1}, "run", "load")
                bronze[entry.key] = entry.version
            else:
                ledger.mark_vanished([entry.id])

    for action, key, content in steps:
        if action == "land":
            bucket.land(key, content)
        elif action == "delete":
            bucket.objects.pop(key, None)
        elif action == "tick":
            tick(bucket, [SHOP], ledger, NOW, 7)
        elif action == "reconcile":
            reconcile(bucket, [SHOP], ledger, NOW)
        elif action == "fail":
            ledger.mark_failed({entry.id: "bad" for entry in ledger.pending("shop")[:1]})
        else:
            tick(bucket, [SHOP], ledger, NOW, 7)
            load()
        found = ledger.effective("shop", ever_landed(ledger, "shop"))
        effective = {entry.key: entry for entries in found.values() for entry in entries}
        assert bronze.keys() <= effective.keys()
        for key, version in bronze.items():
            entry = effective[key]
            kept = entry if entry.state == "loaded" else entry.previous
            assert kept is not None
            assert kept.version == version
    tick(bucket, [SHOP], ledger, NOW, 7)
    ledger.reopen(entry.id for entry in ledger.failed())
    load()
    for landed in bucket.list():
        assert bronze[landed.key] == f"{landed.size}-{landed.etag}"
