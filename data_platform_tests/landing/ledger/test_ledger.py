import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from data_platform.databases.chunks import CHUNK
from data_platform.databases.errors import DatabaseUnavailable
from data_platform.landing.arrivals.listing import reconcile
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.ledger.recording import Recorded
from data_platform.landing.ledger.tables import digest_of, objects
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.source import OutsideTable, day
from data_platform_tests.landing.conftest import IMPATIENT
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket, ever_landed

DAY = "2011-03-04"
KEY = f"shop/{DAY}.csv"
TABLE = objects.name


def record(ledger: Ledger, bucket: MemoryBucket) -> Recorded:
    return ledger.record(bucket.list(), bucket, [SHOP], NOW)


def load(ledger: Ledger, rows: int = 1) -> None:
    ledger.mark_loaded({entry.id: rows for entry in ledger.pending("shop")}, "run", "load")


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


@pytest.mark.parametrize("by", ["a run", "settling a killed run"])
def test_what_a_killed_run_prepared_is_not_asked_for_once_a_later_version_is_loaded(
    ledger: Ledger, bucket: MemoryBucket, by: str
) -> None:
    bucket.land(KEY)
    bucket.land("shop/2011-03-05.csv")
    record(ledger, bucket)
    ledger.prepare({entry.id: 1 for entry in ledger.pending("shop")}, "killed")
    bucket.land(KEY, b"a,b\n3,4\n")
    record(ledger, bucket)
    later = {e.id: 1 for e in ledger.pending("shop") if e.partition == DAY}
    assert sorted(ledger.prepared("shop")) == [DAY, "2011-03-05"]
    if by == "a run":
        ledger.mark_loaded(later, "run", "load")
    else:
        ledger.prepare(later, "load")
        ledger.settle("shop", {DAY: "load"})
    assert ledger.prepared("shop") == ["2011-03-05"]  # nothing replaced that
    assert [entry.id for entry in ledger.loaded("shop")] == list(later)


def _rows(ledger: Ledger) -> list:
    with ledger.database.read() as connection:
        return list(connection.execute(sa.select(objects).order_by(objects.c.id)))


def test_what_is_not_recorded_yet_is_listed_by_source_and_partition_and_nothing_is_written(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    changed, added, claimed = f"shop/{DAY}-changed.csv", f"shop/{DAY}-added.csv", "shop/late.csv"
    for key in (KEY, changed, claimed, "elsewhere.txt"):
        bucket.land(key)
    record(ledger, bucket)
    bucket.land(changed, b"a,b\n1,2\n3,4\n")
    bucket.land(added)
    bucket.land("shop/no-day.csv")
    late = replace(SHOP, name="late", pattern=r"shop/(late)\.csv", partition=str)
    before, sources = _rows(ledger), [SHOP, late]

    found = ledger.unrecorded(bucket.list(), bucket, sources, NOW)

    assert found == {
        ("shop", DAY): {changed: 12, added: 8},
        ("late", "late"): {claimed: 8},
    }
    assert _rows(ledger) == before
    ledger.record(bucket.list(), bucket, sources, NOW)
    waiting = {e.key for source in sources for e in ledger.pending(source.name)}
    assert waiting == {KEY, changed, added, claimed}
    assert ledger.unrecorded(bucket.list(), bucket, sources, NOW) == {}


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


def test_a_loaded_version_falls_back_to_its_own_rows(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    assert ledger.effective("shop", [DAY])[DAY][0].previous is None
    load(ledger)
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert entry.previous is not None
    assert (entry.available, entry.previous.id) == (True, entry.id)


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


def test_what_a_run_could_not_read_is_not_in_the_digest_of_what_it_wrote(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    before = ledger.digest("shop", [DAY])
    bucket.land(KEY, b"again")
    record(ledger, bucket)
    [entry] = ledger.pending("shop")
    assert digest_of(ledger.effective("shop", [DAY])[DAY], unread={entry.id}) == before[DAY]
    assert ledger.digest("shop", [DAY]) != before


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


def test_accounted_rows_are_those_of_the_largest_loaded_version_of_each_key(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    late = f"shop/{DAY}-late.csv"
    for content, rows in [(b"A", 5), (b"B", 2)]:
        bucket.land(KEY, content)
        record(ledger, bucket)
        load(ledger, rows)
    bucket.land(late)
    record(ledger, bucket)
    assert ledger.accounted("shop", [DAY, "2011-03-05"]) == {DAY: 5}
    load(ledger, 3)
    bucket.land(late, b"corrupt")
    record(ledger, bucket)
    ledger.mark_failed({ledger.pending("shop")[0].id: "bad"})
    assert ledger.accounted("shop", [DAY]) == {DAY: 8}
    assert ledger.accounted("renamed", [DAY]) == {}


def test_a_failed_object_can_be_tried_again_by_hand(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    ledger.mark_failed({ledger.pending("shop")[0].id: "disk"})
    ledger.reopen(entry.id for entry in ledger.failed())
    assert (len(ledger.pending("shop")), ledger.failed()) == (1, [])
    assert record(ledger, bucket) == Recorded(unchanged=1)


def test_more_partitions_and_ids_than_one_statement_takes(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    keys = [f"shop/{1000 + n}-01-01.csv" for n in range(3 * CHUNK)]
    for key in keys:
        bucket.land(key)
    assert len(record(ledger, bucket).new) == len(keys)
    partitions = ever_landed(ledger, "shop")
    load(ledger, rows=7)
    found = ledger.effective("shop", partitions)
    assert {entry.rows for entries in found.values() for entry in entries} == {7}
    assert set(ledger.accounted("shop", partitions).values()) == {7}
    assert ledger.summary()["loaded"] == len(ledger.digest("shop", partitions)) == len(keys)
    ledger.reopen(entry.id for entries in found.values() for entry in entries)
    assert len(ledger.pending("shop")) == len(keys)


def queries_of(ledger: Ledger, bucket: MemoryBucket) -> list[tuple[str, Any]]:
    """What a tick, a run and a person ask the database, with parameters."""
    bucket.land(KEY)
    record(ledger, bucket)
    load(ledger)
    bucket.land(KEY, b"again")
    statements: list[tuple[str, Any]] = []

    def keep(connection, cursor, statement, parameters, context, many) -> None:
        statements.append((statement, parameters[0] if many else parameters))

    event.listen(ledger.database.engine, "before_cursor_execute", keep)
    record(ledger, bucket)
    ledger.newest("shop")
    [entry] = ledger.pending("shop")
    ledger.digest("shop", [DAY])
    ledger.accounted("shop", [DAY])
    ledger.note_errors({entry.id: "timed out"}, "run")
    ledger.give_up("shop", attempts=9)
    ledger.mark_loaded({entry.id: 1}, "run", "load")
    ledger.failed()
    ledger.failed("shop")
    ledger.unknown()
    event.remove(ledger.database.engine, "before_cursor_execute", keep)
    found = [s for s in statements if s[0].startswith(("SELECT", "UPDATE")) and TABLE in s[0]]
    assert len(found) > 9
    return found


def test_every_query_finds_its_rows_by_an_index(
    sqlite_ledger: Ledger, bucket: MemoryBucket
) -> None:
    queries = queries_of(sqlite_ledger, bucket)
    with sqlite_ledger.database.read() as connection:
        for statement, parameters in queries:
            explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in explained]
            # "(source=?)" alone would read all that the source ever landed.
            whole = [step for step in steps if step.startswith("SCAN") or "(source=?)" in step]
            assert not whole or "LIMIT" in statement, (statement, steps)


@pytest.mark.integration
def test_every_query_can_be_answered_by_an_index_of_postgresql(
    postgres_url: str, bucket: MemoryBucket
) -> None:
    ledger = Ledger(postgres_url)
    queries = queries_of(ledger, bucket)
    with ledger.database.write() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")  # of small tables it reads all
        for statement, parameters in queries:
            explained = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plan = "\n".join(explained.scalars())
            assert "Seq Scan" not in plan, (statement, plan)
            assert "Index" in plan, (statement, plan)


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
