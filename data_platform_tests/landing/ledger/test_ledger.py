"""Changes to the ledger by runs and by people, a transaction each."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from data_platform.databases.errors import DatabaseUnavailable
from data_platform.landing.arrivals.listing import reconcile
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.ledger.recording import Recorded
from data_platform.landing.ledger.tables import objects
from data_platform_tests.landing.conftest import IMPATIENT
from data_platform_tests.support.memory_bucket import (
    DAY,
    KEY,
    NOW,
    SHOP,
    MemoryBucket,
    load,
    record,
)


def test_a_corrupt_reupload_leaves_the_loaded_version_effective(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    digest = ledger.digest("shop", [DAY])
    bucket.land(KEY, b"\xff")
    record(ledger, bucket)
    assert ledger.digest("shop", [DAY]) != digest
    ledger.mark_failed({ledger.pending("shop")[0].id: "not UTF-8"})
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert (entry.state, entry.available) == ("loaded", False)
    assert ledger.digest("shop", [DAY]) == digest
    assert [failed.error for failed in ledger.failed()] == ["not UTF-8"]
    assert record(ledger, bucket) == Recorded(unchanged=1)


def test_a_corrupt_object_is_no_failure_any_more_once_it_is_replaced(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY, b"\xff")
    record(ledger, bucket)
    ledger.mark_failed({ledger.pending("shop")[0].id: "not UTF-8"})
    bucket.land(KEY)
    record(ledger, bucket)
    assert (len(ledger.pending("shop")), ledger.failed()) == (1, [])


def test_what_vanished_before_it_was_loaded_waits_no_more_until_it_lands_again(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    [first] = ledger.pending("shop")
    ledger.mark_vanished([first.id])
    assert ledger.pending("shop") == []
    assert ledger.effective("shop", [DAY]) == {}
    assert record(ledger, bucket).reopened == (KEY,)
    [second] = ledger.pending("shop")
    assert second.id != first.id


def test_a_loaded_object_that_vanished_stays_effective_and_may_land_again(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    [entry] = ledger.effective("shop", [DAY])[DAY]
    ledger.mark_vanished([entry.id])
    [gone] = ledger.effective("shop", [DAY])[DAY]
    assert (gone.id, gone.available) == (entry.id, False)
    assert record(ledger, bucket) == Recorded(unchanged=1)
    assert ledger.effective("shop", [DAY])[DAY] == [entry]
    assert ledger.pending("shop") == []


def test_a_run_that_could_not_read_an_object_counts_once_however_often_it_tries(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    bucket.land("shop/2011-03-05.csv")
    record(ledger, bucket)
    [entry, _] = ledger.pending("shop")
    for run in ["one", "one", "one", "two"]:
        ledger.note_errors({entry.id: f"timed out in {run}"}, run)
    found = [(e.attempts, e.error, e.run_id) for e in ledger.pending("shop")]
    assert found == [(2, "timed out in two", "two"), (0, None, None)]


def test_an_error_of_a_loaded_version_is_no_attempt(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    [before] = ledger.effective("shop", [DAY])[DAY]
    ledger.note_errors({before.id: "timed out"}, "another")
    assert ledger.effective("shop", [DAY])[DAY] == [before]


def test_what_could_not_be_read_too_often_is_given_up_with_its_last_error(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    bucket.land("shop/2011-03-05.csv")
    record(ledger, bucket)
    [entry, other] = ledger.pending("shop")
    for number in range(3):
        ledger.give_up("shop", attempts=3)
        ledger.note_errors({entry.id: f"timed out {number}"}, f"run {number}")
    assert ledger.failed() == []
    ledger.give_up("shop", attempts=3)
    [given_up] = ledger.failed()
    assert given_up.error == "given up after 3 attempts, the last error: timed out 2"
    assert [waiting.id for waiting in ledger.pending("shop")] == [other.id]


def test_an_attempt_that_is_not_published_leaves_what_is_loaded_as_it_was(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger, rows=3)
    bucket.land(f"shop/{DAY}-late.csv")
    record(ledger, bucket)
    late, loaded = ledger.effective("shop", [DAY])[DAY]
    ledger.prepare({loaded.id: 7, late.id: 2}, "never published")
    late, after = ledger.effective("shop", [DAY])[DAY]
    assert after == loaded
    assert (after.rows, after.bronze_version) == (3, "load")
    assert (late.state, late.rows, late.bronze_version) == ("pending", 2, "never published")


def test_a_failed_object_can_be_tried_again_by_hand(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    ledger.mark_failed({ledger.pending("shop")[0].id: "disk"})
    ledger.reopen(entry.id for entry in ledger.failed())
    assert (len(ledger.pending("shop")), ledger.failed()) == (1, [])
    assert record(ledger, bucket) == Recorded(unchanged=1)


def test_each_change_is_one_immediate_transaction(
    sqlite_ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(sqlite_ledger, bucket)
    [entry] = sqlite_ledger.pending("shop")
    begun: list[str] = []

    def keep(connection, cursor, statement, parameters, context, many) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    event.listen(sqlite_ledger.database.engine, "before_cursor_execute", keep)
    sqlite_ledger.note_errors({entry.id: "timed out"}, "run")
    sqlite_ledger.mark_loaded({entry.id: 1}, "run", "load")
    assert begun == ["BEGIN IMMEDIATE"] * 2
    record(sqlite_ledger, bucket)
    assert begun[2:] == ["BEGIN"]


def test_a_change_that_fails_half_way_changes_nothing(
    sqlite_ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(sqlite_ledger, bucket)
    load(sqlite_ledger)
    bucket.land(KEY, b"again")
    with sqlite_ledger.database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON landed_objects "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(DatabaseUnavailable, match="free some space"):
        record(sqlite_ledger, bucket)
    [entry] = sqlite_ledger.effective("shop", [DAY])[DAY]
    assert (entry.state, entry.available) == ("loaded", True)


def test_a_locked_ledger_says_so(database_url: str, bucket: MemoryBucket) -> None:
    # PostgreSQL also ends a writer that pauses for as long as an impatient one would wait.
    ledger, impatient = Ledger(database_url), Ledger(database_url, busy_timeout=IMPATIENT)
    bucket.land(KEY)
    record(ledger, bucket)
    with (
        ledger.database.write(),
        pytest.raises(DatabaseUnavailable, match=r"another process holds it"),
    ):
        load(impatient)
    load(ledger)
    assert ledger.summary()["loaded"] == 1


def test_a_ledger_that_cannot_be_opened_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"nowhere/ledger\.db: unable to open"):
        Ledger(f"sqlite:///{tmp_path}/nowhere/ledger.db").pending("shop")
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(DatabaseUnavailable, match=r"text\.db: file is not a database"):
        Ledger(f"sqlite:///{tmp_path}/text.db").pending("shop")


def test_many_writers_on_a_fresh_ledger_record_an_object_once(
    new_database_url: Callable[[], str], bucket: MemoryBucket
) -> None:
    for number in range(20):
        bucket.land(f"shop/{DAY}-{number}.csv")

    for _ in range(5):  # the first moments of a database are where writers collide
        url = new_database_url()

        def write(_: int, url: str = url) -> Recorded:
            return record(Ledger(url), bucket)

        with ThreadPoolExecutor(8) as pool:
            recorded = list(pool.map(write, range(8)))
        assert sum(len(found.new) for found in recorded) == 20
        with Ledger(url).database.read() as connection:
            counted = connection.execute(sa.select(sa.func.count()).select_from(objects))
            assert counted.scalar() == 20


def test_what_was_dropped_from_bronze_waits_again_where_it_is_still_there(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    other, gone = "shop/2011-03-05.csv", f"shop/{DAY}-gone.csv"
    for key in (KEY, other, gone):
        bucket.land(key)
    record(ledger, bucket)
    load(ledger)
    bucket.land(KEY, b"a,b\n3,4\n")  # replaces a version that is loaded, and is loaded itself
    record(ledger, bucket)
    load(ledger, rows=2)
    bucket.delete(gone)
    reconcile(bucket, [SHOP], ledger, NOW)
    assert [entry.key for entry in ledger.vanished()] == [gone]
    held = {entry.key: entry.rows for entry in ledger.loaded("shop", [DAY])}
    assert held == {KEY: 2, gone: 1}
    assert len(ledger.loaded("shop")) == 3

    ledger.unload("shop", [DAY])

    assert [entry.key for entry in ledger.pending("shop")] == [KEY]
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert (entry.state, entry.previous, entry.rows) == ("pending", None, None)
    assert ledger.accounted("shop", [DAY]) == {}
    assert [entry.key for entry in ledger.loaded("shop")] == [other]
    assert ledger.vanished() == []

    bucket.land(gone)
    record(ledger, bucket)
    assert [entry.key for entry in ledger.pending("shop")] == [gone, KEY]
    ledger.unload("shop")
    assert len(ledger.pending("shop")) == 3


def test_a_forgotten_key_leaves_its_partition_and_comes_back_with_other_content(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    ids = [entry.id for entry in ledger.known([KEY])]

    ledger.forget(ids)
    ledger.forget(ids)  # known as forgotten already

    assert [entry.key for entry in ledger.forgotten()] == [KEY]
    assert ledger.known([KEY]) == []
    assert ledger.effective("shop", [DAY]) == {DAY: []}  # to be built again, with no rows
    assert ledger.moving("shop") == [DAY]
    assert ledger.accounted("shop", [DAY]) == {DAY: 1}  # until then they are on disk
    assert record(ledger, bucket) == Recorded(unchanged=1)
    ledger.finish_moves(ledger.left("shop", [DAY])[DAY])
    assert ledger.effective("shop", [DAY]) == {}
    assert ledger.moving("shop") == []

    bucket.land(KEY, b"a,b\n3,4\n")
    assert record(ledger, bucket).reopened == (KEY,)
    [entry] = ledger.pending("shop")
    assert (entry.key, ledger.forgotten()) == (KEY, [])


def test_what_was_never_loaded_is_forgotten_at_once_and_may_be_tried_again(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    bucket.land("other/x.csv")
    record(ledger, bucket)
    ledger.mark_failed({entry.id: "cut off" for entry in ledger.pending("shop")})

    ledger.forget(entry.id for entry in ledger.known([KEY, "other/x.csv"]))

    assert (ledger.failed(), ledger.unknown(), ledger.moving("shop")) == ([], [], [])
    assert ledger.effective("shop", [DAY]) == {}
    assert record(ledger, bucket) == Recorded(unchanged=2)
    ledger.reopen(entry.id for entry in ledger.forgotten() if entry.source)
    assert [entry.key for entry in ledger.pending("shop")] == [KEY]
