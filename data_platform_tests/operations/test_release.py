"""`data-platform release`: what Dagster is told, and what a person is told who may not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from data_platform.build.planning import plan
from data_platform.lake.writing.release import NotReleasable
from data_platform.operations.release import release
from data_platform.operations.repair import released, stale_partitions
from data_platform_tests.support.bakery import Bakery, bakery_at, days
from data_platform_tests.support.lake_home import MONDAY, TUESDAY
from data_platform_tests.support.lake_home import days as rows

WHY = "the shop was shut on half of the day"


def _hold(home: Bakery, *failed: str, key: str = TUESDAY) -> None:
    digests = plan(days, home.platform, [key], only_stale=False).digests
    write = home.sales.stage(
        rows({key: [1, 2]}), [key], table=days.id, held_back={key: "rules: 2 of 4 rows"}
    )
    held = replace(write, inputs=digests, contract=days.version, failed={key: failed})
    home.sales.publish(held)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Bakery]:
    with bakery_at(tmp_path / "home") as home:
        home.sales.write({MONDAY: [1], TUESDAY: [2]})
        home.sales.make(days.id)
        yield home


def _release(home: Bakery, key: str = TUESDAY) -> list[str]:
    done = release(home.platform, home.tables, days.id, partition=key, by="ann", reason=WHY)
    return done.lines


def test_it_is_published_and_dagster_has_who_and_why(shop: Bakery) -> None:
    _hold(shop, "rules")

    said = _release(shop)

    assert shop.counts(str(days.id)) == {TUESDAY: 2}
    event = shop.materialized(str(days.id))[TUESDAY]
    assert event.description == f"released by ann, though checks failed: {WHY}"
    figures = {name: value.value for name, value in event.metadata.items()}
    assert (figures["released_by"], figures["reason"]) == ("ann", WHY)
    assert figures["held_back_for"] == "rules: 2 of 4 rows"
    assert figures["dagster/partition_row_count"] == 2
    assert f"2 rows published, released by ann: {WHY}" in said[0]


def test_its_checks_say_that_a_person_released_it(shop: Bakery) -> None:
    _hold(shop, "rules")

    _release(shop)

    found = shop.check(str(days.id), "rules", TUESDAY)
    assert found and found.passed and found.target_materialization_data
    assert f"released by ann: {WHY}" in (found.description or "")


def test_it_stays_until_an_input_changes(shop: Bakery) -> None:
    _hold(shop, "rules")
    _release(shop)
    of_days = [row for row in stale_partitions(shop.platform, shop.tables) if TUESDAY in str(row)]
    assert of_days == []

    assert released(shop.platform, days.id, [MONDAY, TUESDAY]) == [TUESDAY]  # no replay of it

    shop.sales.write({TUESDAY: [3]})

    assert plan(days, shop.platform, [TUESDAY], only_stale=True).keys == (TUESDAY,)


@pytest.mark.parametrize("failed", [("conservation",), ("conservation", "rules")])
def test_what_would_lose_rows_is_never_released(shop: Bakery, failed: tuple[str, ...]) -> None:
    _hold(shop, *failed)

    with pytest.raises(NotReleasable, match="rows would be lost"):
        _release(shop)

    assert shop.counts(str(days.id)) == {}


def test_what_was_made_from_older_inputs_is_judged_again_instead(shop: Bakery) -> None:
    _hold(shop, "rules")
    shop.sales.write({TUESDAY: [3]})

    with pytest.raises(NotReleasable, match="changed since it was held back; `data-platform run`"):
        _release(shop)

    assert shop.counts(str(days.id)) == {}


def test_a_day_that_is_not_held_back_is_named(shop: Bakery) -> None:
    with pytest.raises(NotReleasable, match=f"{days.id} {MONDAY} is not held back"):
        _release(shop, MONDAY)


def test_where_its_files_are_gone_the_command_that_makes_them_again_is_said(shop: Bakery) -> None:
    _hold(shop, "rules")
    [path] = shop.platform.builds.staged_files(days.id)
    Path(unquote(urlparse(path).path)).unlink()

    with pytest.raises(NotReleasable) as refused:
        _release(shop)

    said = str(refused.value)
    assert "1 of the 1 files that the held back attempt staged are not there any more" in said
    assert path in said
    assert f"`data-platform quarantine replay {days.id} --partition {TUESDAY}`" in said


def test_where_it_made_no_rows_a_file_that_can_be_read_is_asked_for(shop: Bakery) -> None:
    _hold(shop, "rules")
    build = shop.platform.builds.latest(days.id, [TUESDAY])[TUESDAY]
    shop.platform.builds.record([replace(build, attempt="of-nothing", staged=())])

    with pytest.raises(NotReleasable, match="nothing to publish; land a file that can be read"):
        _release(shop)
