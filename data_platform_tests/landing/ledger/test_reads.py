"""What the ledger answers, and by which indexes."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from data_platform.databases.chunks import CHUNK
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.ledger.tables import digest_of, objects
from data_platform_tests.support.memory_bucket import (
    DAY,
    KEY,
    NOW,
    SHOP,
    MemoryBucket,
    ever_landed,
    load,
    record,
)

TABLE = objects.name


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


def test_a_source_is_open_until_each_of_its_objects_is_loaded(
    ledger: Ledger, bucket: MemoryBucket
) -> None:
    bucket.land(KEY)
    bucket.land("elsewhere.txt")  # of no source
    record(ledger, bucket)
    assert ledger.open_sources() == {"shop"}
    load(ledger)
    assert ledger.open_sources() == set()
    bucket.land(KEY, b"\xff")
    record(ledger, bucket)
    ledger.mark_failed({ledger.pending("shop")[0].id: "not UTF-8"})
    assert ledger.open_sources() == {"shop"}  # another declaration may read it


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


def test_a_loaded_version_falls_back_to_its_own_rows(ledger: Ledger, bucket: MemoryBucket) -> None:
    bucket.land(KEY)
    record(ledger, bucket)
    assert ledger.effective("shop", [DAY])[DAY][0].previous is None
    load(ledger)
    [entry] = ledger.effective("shop", [DAY])[DAY]
    assert entry.previous is not None
    assert (entry.available, entry.previous.id) == (True, entry.id)


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
