"""Keys that a run, a corrected declaration and a person change at the same time."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.source import Source
from data_platform_tests.support.memory_bucket import DAY, KEY, NOW, SHOP, MemoryBucket, record

WRONG_DAY, LAST_DAY = "2011-03-03", "2011-03-05"
WRONG = replace(SHOP, partition=lambda text: WRONG_DAY)
CHANGED = b"a,b\n3,4\n"


@pytest.fixture(autouse=True)
def landed(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket, WRONG)


def started(ledger: Ledger, day: str, run: str) -> dict[int, int]:
    """What a run reads of a day, which it is about to publish."""
    rows = {entry.id: 2 for entry in ledger.effective("shop", [day])[day]}
    ledger.prepare(rows, run)
    return rows


def correct(ledger: Ledger, source: Source = SHOP) -> None:
    ledger.move([source], NOW, states=("pending", "loaded", "failed", "moving"))


def build(ledger: Ledger, days: Collection[str] = (WRONG_DAY, DAY)) -> None:
    """Load these days until nothing moves, as runs do."""
    for _ in range(2):
        left = ledger.left("shop", days)
        found = ledger.effective("shop", days)
        ledger.mark_loaded({e.id: 2 for es in found.values() for e in es}, "run", "after")
        stored = (e.previous for es in found.values() for e in es if e.previous)
        came = {entry.id for entry in stored if entry.state == "moving"}
        ledger.finish_moves(came.union(*left.values()))


def held(ledger: Ledger) -> dict[str, list[tuple[str, str]]]:
    """By day the keys and versions whose rows belong there."""
    found = ledger.effective("shop", [WRONG_DAY, DAY])
    return {day: [(e.key, e.state) for e in entries] for day, entries in found.items()}


def begun(ledger: Ledger, bucket: MemoryBucket, before: str) -> dict[int, int]:
    """What a second run reads of the wrong day, the first time or after other content."""
    if before == "loaded":
        ledger.mark_loaded(started(ledger, WRONG_DAY, "first"), "first", "first")
        bucket.land(KEY, CHANGED)
        record(ledger, bucket, WRONG)
    return started(ledger, WRONG_DAY, "second")


def ended(ledger: Ledger, rows: dict[int, int], end: str) -> None:
    if end == "finished":
        ledger.mark_loaded(rows, "second", "second")
    else:
        ledger.settle("shop", {WRONG_DAY: "second"})


@pytest.mark.parametrize("before", ["never loaded", "loaded"])
@pytest.mark.parametrize("end", ["finished", "killed after its commit"])
def test_what_a_run_loads_of_a_key_that_moved_meanwhile_leaves_its_partition_again(
    ledger: Ledger, bucket: MemoryBucket, before: str, end: str
) -> None:
    rows = begun(ledger, bucket, before)
    correct(ledger)
    ended(ledger, rows, end)

    assert set(ledger.moving("shop")) == {WRONG_DAY, DAY}
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert entry.available and entry.previous
    assert entry.previous.stands_in == WRONG_DAY  # should the object go before it is read
    assert set(rows) <= {id for ids in ledger.left("shop", [WRONG_DAY]).values() for id in ids}
    build(ledger)
    assert held(ledger) == {DAY: [(KEY, "loaded")]}
    assert ledger.moving("shop") == []


@pytest.mark.parametrize("before", ["never loaded", "loaded"])
@pytest.mark.parametrize("end", ["finished", "killed after its commit"])
def test_what_a_run_loads_of_a_key_that_is_forgotten_meanwhile_leaves_bronze_again(
    ledger: Ledger, bucket: MemoryBucket, before: str, end: str
) -> None:
    rows = begun(ledger, bucket, before)
    ledger.forget([entry.id for entry in ledger.known([KEY])])
    ended(ledger, rows, end)

    assert ledger.moving("shop") == [WRONG_DAY]
    assert held(ledger) == {WRONG_DAY: []}
    build(ledger)
    assert (held(ledger), ledger.moving("shop")) == ({}, [])


@pytest.mark.parametrize("before", ["never loaded", "loaded"])
@pytest.mark.parametrize("end", ["finished", "killed after its commit", "killed before it"])
@pytest.mark.parametrize("again", [WRONG, SHOP], ids=["as before", "elsewhere"])
def test_what_a_run_loads_of_a_key_that_no_source_claims_meanwhile_is_known_to_be_in_bronze(
    ledger: Ledger, bucket: MemoryBucket, before: str, end: str, again: Source
) -> None:
    def refuses(text: str) -> str:
        raise ValueError(text)

    rows = begun(ledger, bucket, before)
    correct(ledger, replace(SHOP, partition=refuses))
    if end != "killed before it":
        ended(ledger, rows, end)
        assert held(ledger) == {WRONG_DAY: [(KEY, "loaded")]}
    assert [entry.key for entry in ledger.unknown()] == [KEY]

    record(ledger, bucket, again)
    build(ledger)

    day = WRONG_DAY if again is WRONG else DAY
    assert held(ledger) == {day: [(KEY, "loaded")]}
    assert (ledger.unknown(), ledger.moving("shop"), ledger.pending("shop")) == ([], [], [])


def test_what_went_away_before_no_source_claimed_its_key_is_not_told_as_there(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    def refuses(text: str) -> str:
        raise ValueError(text)

    bucket.land(KEY)
    record(ledger, bucket, WRONG)
    ledger.mark_vanished([entry.id for entry in ledger.pending("shop")])
    correct(ledger, replace(SHOP, partition=refuses))

    [entry] = ledger.known([KEY])
    assert (entry.state, entry.vanished is None) == ("unknown", False)


def test_content_that_landed_while_no_source_claimed_its_key_wins_where_it_moves(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    def refuses(text: str) -> str:
        raise ValueError(text)

    ledger.mark_loaded(started(ledger, WRONG_DAY, "first"), "first", "first")
    bucket.land(KEY, CHANGED)
    record(ledger, bucket, replace(SHOP, partition=refuses))
    record(ledger, bucket, SHOP)

    [newer] = ledger.pending("shop")
    assert [entry.id for entry in ledger.effective("shop", [DAY])[DAY]] == [newer.id]
    ledger.mark_loaded({newer.id: 2}, "second", "second")  # and is killed: the move is not finished
    assert [entry.id for entry in ledger.effective("shop", [DAY])[DAY]] == [newer.id]
    build(ledger)
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert (entry.id, ledger.moving("shop")) == (newer.id, [])


@pytest.mark.parametrize("change", ["moves on", "is forgotten"])
@pytest.mark.parametrize("end", ["finished", "killed after its commit", "killed before it"])
def test_what_a_run_carries_of_a_key_that_is_changed_meanwhile_is_looked_after(
    ledger: Ledger, bucket: MemoryBucket, change: str, end: str
) -> None:
    ledger.mark_loaded(started(ledger, WRONG_DAY, "first"), "first", "first")
    bucket.delete(KEY)  # bronze alone has its rows
    ledger.mark_vanished([entry.id for entry in ledger.known([KEY])])
    correct(ledger)
    rows = started(ledger, DAY, "second")
    left = ledger.left("shop", [WRONG_DAY, DAY])
    came = {e.previous.id for e in ledger.effective("shop", [DAY])[DAY] if e.previous}
    if change == "moves on":
        states = ("pending", "loaded", "failed", "moving")
        ledger.move([replace(SHOP, partition=lambda text: LAST_DAY)], NOW, states=states)
    else:
        ledger.forget([entry.id for entry in ledger.known([KEY])])
    there = WRONG_DAY
    if end == "finished":
        ledger.mark_loaded(rows, "second", "second")
        ledger.finish_moves(came.union(*left.values()), "second")
        there = DAY
    elif end == "killed after its commit":
        assert DAY in ledger.prepared("shop")
        ledger.settle("shop", {DAY: "second", WRONG_DAY: "second"})
        there = DAY

    assert there in ledger.moving("shop")
    assert ledger.left("shop", [there])[there]
    if change == "moves on":
        [entry] = ledger.effective("shop", [LAST_DAY])[LAST_DAY]
        assert (entry.state, entry.stands_in) == ("moving", there)
    else:
        assert ledger.effective("shop", [there]) == {there: []}
    build(ledger, [WRONG_DAY, DAY, LAST_DAY])
    assert ledger.moving("shop") == []
    found = ledger.effective("shop", [WRONG_DAY, DAY, LAST_DAY])
    assert list(found) == ([LAST_DAY] if change == "moves on" else [])
