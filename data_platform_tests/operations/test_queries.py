"""What only asks: it writes nothing, also where a killed run left something to be settled."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
from pyspark.sql import SparkSession
from sqlalchemy import event

from data_platform.build.bronze import build_bronze
from data_platform.build.planning import plan
from data_platform.build.result import publish_step
from data_platform.lake.builds import Builds
from data_platform.landing.arrivals.listing import tick
from data_platform.operations.attention import attention
from data_platform.operations.dropping import plan_drop
from data_platform.operations.repair import held_partitions, stale_partitions
from data_platform.runs.arrivals import due_of_bronze, settle_arrivals
from data_platform.tables.identity import TableId
from data_platform_tests.support.faults import Crash, Faults
from data_platform_tests.support.local_spark import LocalSpark
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import RECEIVED, SHOP, SmallShop

DAY = "2011-03-04"
_ONLY_READ = {"SELECT", "PRAGMA", "BEGIN"}


class _Killed(Builds):
    """The register of a process that dies between its commit and its record of it."""

    def commit(self, table: TableId, attempts: Mapping[str, str]) -> None:
        raise Crash


@contextmanager
def _statements() -> Iterator[list[str]]:
    """What every database is told meanwhile."""
    found: list[str] = []

    def note(connection, cursor, statement: str, *_) -> None:
        found.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)


def _killed_after_its_commit(shop: SmallShop) -> None:
    """A run whose rows are published, and of which the ledger does not know yet."""
    shop.land(DAY, ["a,1"])
    platform = shop.platform()
    tick(platform.bucket, [SHOP], platform.ledger, dt.datetime.now(dt.UTC), 7)
    planned = plan(RECEIVED, platform, [DAY], only_stale=True)
    spark = cast(SparkSession, LocalSpark(Faults()))
    result = build_bronze(RECEIVED, planned, platform, spark, "run")
    killed = _Killed(platform.settings.ledger_uri)
    with pytest.raises(Crash):
        publish_step(platform.lake, killed, platform.ledger, result)
    assert shop.platform().builds.uncommitted(RECEIVED.id).keys() == {DAY}
    assert plan(RECEIVED, shop.platform(), [DAY], only_stale=False).base.keys() == {DAY}


def test_a_query_writes_nothing(tmp_path: Path) -> None:
    shop = SmallShop(tmp_path / "home", Place.directory(tmp_path))
    _killed_after_its_commit(shop)
    platform, tables = shop.platform(), [RECEIVED]

    with _statements() as told:
        stale_partitions(platform, tables)
        held_partitions(platform, tables)
        attention(platform, tables)
        due_of_bronze(RECEIVED, platform)
        plan_drop(platform, tables, RECEIVED.id, DAY)

    assert told
    assert {statement.split()[0] for statement in told} <= _ONLY_READ
    assert "BEGIN IMMEDIATE" not in told

    with _statements() as told:
        settle_arrivals(platform, tables)  # what acts settles first

    assert "BEGIN IMMEDIATE" in told
    assert platform.builds.uncommitted(RECEIVED.id) == {}
