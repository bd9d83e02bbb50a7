"""A scan of tables that takes several ticks reaches every table, whatever the first ones do."""

from types import SimpleNamespace
from typing import Any

import pytest

from data_platform.platform_defs import scanning
from data_platform.platform_defs.scanning import Scan
from data_platform.tables.identity import TableId

TABLES = [TableId("silver", "shop", name) for name in ("failing", "waiting", "due", "quiet")]
STATES = {table: f"state-{table.name}" for table in TABLES}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is time for one table in each tick."""
    monkeypatch.setattr(scanning, "_LONGEST", -1.0)


def _tick(cursor: str | None) -> tuple[list[str], str | None]:
    """The names of the tables that a tick planned, and its cursor."""
    scan = Scan(cursor, STATES)
    reached: list[str] = []
    for table in scan.rest([table for table in TABLES if not scan.is_settled(table)]):
        stands_for: Any = SimpleNamespace(id=table)
        if not scan.reaches(stands_for):
            break
        reached.append(table.name)
        if table.name != "failing":  # which has no plan
            found: Any = SimpleNamespace(table=stands_for, keys=table.name != "quiet")
            scan.planned(found)
    return reached, scan.cursor()


def test_a_tick_with_time_plans_every_table_and_keeps_the_settled_ones() -> None:
    reached, cursor = _tick(None)
    assert (reached, cursor) == ([table.name for table in TABLES], "state-quiet")
    assert _tick(cursor) == (["failing", "waiting", "due"], "state-quiet")


@pytest.mark.usefixtures("slow")
def test_tables_that_stay_due_do_not_keep_the_others_from_their_turn() -> None:
    cursor, ticks = None, []
    for _ in range(8):
        reached, cursor = _tick(cursor)
        ticks += reached
    assert ticks == ["failing", "waiting", "due", "quiet", "failing", "waiting", "due", "failing"]


@pytest.mark.usefixtures("slow")
def test_a_table_that_changes_all_the_time_does_not_keep_the_others_from_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cursor, ticks = None, []
    for number in range(5):
        monkeypatch.setitem(STATES, TABLES[0], f"changed-{number}")
        reached, cursor = _tick(cursor)
        ticks += reached
    assert ticks == ["failing", "waiting", "due", "quiet", "failing"]
