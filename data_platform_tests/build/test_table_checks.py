"""What is said of partitions that a run leaves as they are: what is known, without building."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform.assets import Table
from data_platform.build.planning import Plan
from data_platform.build.table_checks import (
    LeftAlone,
    check_specs,
    checks_left_alone,
    rule_state,
    still_held,
)
from data_platform.build.tables import ensure_tables
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.gold import daily_sales, product_demand
from data_platform.domains.retail.silver import order_lines as silver
from data_platform.lake.builds import Build, State
from data_platform.landing.arrivals.listing import tick
from data_platform.quality.findings import Finding
from data_platform_tests.support.homes import Home, csv, home_at, key_of
from data_platform_tests.support.tables import TABLES

DAY, NEXT = "2011-03-15", "2011-03-16"
BEFORE = {f"2011-03-{day:02}": 100 for day in range(1, 9)}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES) as home:
        yield home


def _built(
    home: Home,
    table: Table,
    key: str,
    *,
    state: State = "published",
    rows: int = 100,
    why: str = "",
    failed: tuple[str, ...] = ("rules",),
    rules: dict[str, int] | None = None,
    attempt: str = "",
) -> None:
    build = Build(
        table_id=str(table.id),
        partition=key,
        attempt=attempt or f"of {key}",
        run_id="r1",
        state=state,
        contract=table.version,
        inputs="",
        rows=rows,
        quarantined=0,
        duplicates=0,
        created=dt.datetime(2011, 4, 1),
        detail=why,
        failed=failed,
        rules=rules,
    )
    home.platform.builds.record([build])


def _standing(
    home: Home, table: Table, *left: str, rows: dict[str, int] | None = None, inputs: str = ""
) -> LeftAlone:
    """`inputs` is the digest of every partition, empty for none."""
    digests = dict.fromkeys(left, inputs) if inputs else {}
    return checks_left_alone(table, home.platform, Plan(table, (), digests, {}, rows or {}), left)


def _by_check(found: LeftAlone, key: str = DAY) -> dict[str, Finding]:
    return {f.check: f for f in found.findings if f.partition == key}


def _failed(found: LeftAlone, key: str = DAY) -> set[str]:
    return {name for name, finding in _by_check(found, key).items() if not finding.passed}


def _unreadable(home: Home, key: str) -> None:
    """An object landed, and could not be read."""
    source = bronze.source
    assert source
    home.land(key, csv([]))
    now = dt.datetime.now(dt.UTC)
    tick(home.platform.bucket, [source], home.platform.ledger, now, overlap_days=7)
    failed = {e.id: "no header" for e in home.platform.ledger.pending(source.name) if e.key == key}
    home.platform.ledger.mark_failed(failed)


def test_an_object_that_could_not_be_read_is_still_a_failed_check(home: Home) -> None:
    _unreadable(home, key_of(DAY))
    _built(home, bronze, DAY)
    _built(home, bronze, NEXT)

    found = _standing(home, bronze, DAY, NEXT)

    assert (_failed(found, DAY), _failed(found, NEXT)) == ({"readable"}, set())
    text = _by_check(found)["readable"].description
    assert text == f"1 object could not be read: {key_of(DAY)}: no header"


def test_a_volume_that_is_far_off_is_still_a_warning(home: Home) -> None:
    _built(home, bronze, DAY, rows=3)
    _built(home, bronze, NEXT, rows=90)

    found = _standing(home, bronze, DAY, NEXT, rows={**BEFORE, DAY: 3, NEXT: 90})

    assert (_failed(found, DAY), _failed(found, NEXT)) == ({"volume"}, set())


def test_a_held_back_partition_fails_by_the_checks_that_held_it_back_and_no_other(
    home: Home,
) -> None:
    _built(home, silver, DAY, state="held_back", rows=80, why="rules: 5 of 9 rows quarantined")

    found = _standing(home, silver, DAY, rows=BEFORE, inputs="i")

    assert _failed(found) == {"rules"}
    assert set(_by_check(found)) == {"rules", "volume", "conservation", "partition", "written"}
    text = _by_check(found)["rules"].description
    assert "5 of 9 rows" in text and "Held back since 2011-04-01 00:00 UTC" in text


def test_the_volume_of_a_held_back_partition_is_that_of_its_attempt(home: Home) -> None:
    _built(home, silver, DAY, state="held_back", rows=2, why="rules: 98 of 100 rows quarantined")

    found = _standing(home, silver, DAY, rows={**BEFORE, DAY: 100}, inputs="i")

    assert _failed(found) == {"rules", "volume"}


def test_what_is_held_back_fails_no_check_any_more_once_its_input_is_gone(home: Home) -> None:
    _built(home, silver, DAY, state="held_back", why="rules: bad")

    assert _failed(_standing(home, silver, DAY)) == set()


def test_an_input_that_is_held_back_is_still_a_warning(home: Home) -> None:
    for table in (bronze, silver):
        ensure_tables(table, home.platform.lake)
    _built(home, silver, DAY, state="held_back", why="rules: bad")
    for table in (daily_sales, product_demand):
        _built(home, table, NEXT)

    sales, demand = (_standing(home, t, DAY, NEXT) for t in (daily_sales, product_demand))

    assert (_failed(sales, DAY), _failed(sales, NEXT)) == ({"inputs"}, set())
    assert (_failed(demand, DAY), _failed(demand, NEXT)) == ({"inputs"}, {"inputs"})


def test_a_day_that_nothing_landed_for_does_not_warn_of_the_days_before_it(home: Home) -> None:
    for table in (bronze, silver):
        ensure_tables(table, home.platform.lake)
    _built(home, silver, DAY, state="held_back", why="rules: bad")

    assert _failed(_standing(home, product_demand, NEXT), NEXT) == set()


def test_only_what_nothing_came_for_counts_as_empty(home: Home) -> None:
    _unreadable(home, key_of(DAY))
    _built(home, bronze, NEXT)
    planned = Plan(bronze, (), {"2011-03-17": "waits"}, {})

    left = [DAY, NEXT, "2011-03-17", "2011-03-18"]
    found = checks_left_alone(bronze, home.platform, planned, left)

    assert found.without_input == ["2011-03-18"]
    assert "not built yet" in _by_check(found, "2011-03-17")["volume"].description


def test_every_check_of_every_partition_has_one_result(home: Home) -> None:
    _built(home, silver, DAY)

    found = _standing(home, silver, DAY, NEXT)

    assert len(found.findings) == 2 * 5
    assert _by_check(found)["rules"].description == "left as it is: built by run r1"


def test_what_the_reasons_say_does_not_decide_which_checks_failed(home: Home) -> None:
    why = "rules: 5 of 9 rows quarantined; volume: as a rule's name has it"
    _built(home, silver, DAY, state="held_back", rows=80, why=why)

    assert _failed(_standing(home, silver, DAY, rows=BEFORE, inputs="i")) == {"rules"}


RULE, OTHER_RULE = "quantity.typed", "country.not_null"


def _rules(home: Home) -> dict[str, tuple[bool, object]]:
    found = {f.check: (f.passed, f.metadata["rows"]) for f in rule_state(silver, home.platform)}
    return {name.replace("__", "."): result for name, result in found.items()}


def test_a_rules_check_is_of_the_whole_table_whichever_partition_was_built_last(
    home: Home,
) -> None:
    _built(home, silver, DAY, rules={RULE: 3, OTHER_RULE: 1})
    _built(home, silver, NEXT, rules={RULE: 2}, state="held_back")
    assert _rules(home)[RULE] == (False, 5)
    before = _rules(home)

    _built(home, silver, "2011-03-17", rules={})

    assert _rules(home) == before
    assert before[OTHER_RULE] == (False, 1)
    assert sum(passed for passed, _ in before.values()) == len(before) - 2


def test_a_rules_check_counts_the_newest_attempt_at_a_partition(home: Home) -> None:
    _built(home, silver, DAY, rules={RULE: 3})
    _built(home, silver, DAY, rules={}, attempt="fixed")

    assert _rules(home)[RULE] == (True, 0)


def test_a_rule_that_rejects_rows_says_so(home: Home) -> None:
    said = {spec.name: spec.description or "" for spec in check_specs(silver)}

    assert "rejects the row" in said["quantity__typed"]
    assert not [text for text in said.values() if "blocking" in text or "last run" in text]


def test_a_partition_that_is_held_back_fails_in_a_run_of_another_too(home: Home) -> None:
    _unreadable(home, key_of(DAY))
    why, failed = "readable: 1 of 1 objects could not be read", ("readable",)
    _built(home, bronze, DAY, state="held_back", why=why, failed=failed)
    _built(home, bronze, NEXT)

    [found] = still_held(bronze, home.platform, besides=[NEXT])

    assert (found.check, found.partition) == ("readable", DAY)
    assert (found.passed, found.blocking) == (False, True)
    assert "no version of it was published yet" in found.description
    assert still_held(bronze, home.platform, besides=[DAY]) == []
