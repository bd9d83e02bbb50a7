"""What later files make of a loaded shop, through the sensors' decisions, in rounds of arrivals.

Each round is a fixture that lands files, runs what the sensors ask for, and records how things
stood before and after; the tests look at what was recorded, so their order does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from data_platform.runs.in_process import Ran
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    HEADER,
    SALES,
    SEGMENTS,
    SILVER,
    Home,
    Versions,
    csv,
    key_of,
    shop_lines,
)
from data_platform_tests.support.loaded_shop import LoadedShop

# A load of a bucket is in `test_pipeline.py`, runs over it in `cli/test_cli.py`.
SHOP_PLACES = ("directory", pytest.param("versitygw", marks=pytest.mark.soak))


@dataclass(frozen=True)
class Round:
    """What a round of arrivals did."""

    ran: list[Ran]
    before: Versions
    after: Versions
    changed: dict[str, set[str]]
    rows: dict[str, int]  # of silver
    rows_before: dict[str, int]


def _round(home: Home, files: dict[str, bytes]) -> Round:
    before, rows = home.versions(), home.counts(SILVER)
    for key, content in files.items():
        home.land(key, content)
    ran = home.run()
    return Round(ran, before, home.versions(), home.changed(before), home.counts(SILVER), rows)


@pytest.fixture(scope="module")
def nothing(shop: LoadedShop) -> Round:
    return _round(shop.home, {})


@pytest.fixture(scope="module")
def late(shop: LoadedShop, nothing: Round) -> Round:
    """A late file for the third day from the end, with two new lines and one that was there."""
    day = str(shop.day(-3))
    present = shop.home.landed(key_of(day)).decode().splitlines()[1]
    lines = [*shop_lines(day, 2), present]
    return _round(shop.home, {key_of(day, "-late"): csv(lines)})


@dataclass(frozen=True)
class Second(Round):
    held_check: dg.AssetCheckEvaluation | None
    quarantine: dict[str, list[dict]]
    failed: dict[str, str | None]


@pytest.fixture(scope="module")
def second(shop: LoadedShop, late: Round) -> Second:
    """Of several days: new content, corrupt content, dirty content, a header, deletions."""
    home, day = shop.home, [str(day) for day in shop.manifest.days]
    changed = shop.manifest.reupload
    home.land(changed.key, changed.content)
    home.unland(key_of(day[16]))  # its rows are all there is of the day
    home.unland(key_of(day[17]))  # another object of the day comes
    dirty = shop_lines(day[19], 10) + [f"{line},extra" for line in shop_lines(day[19], 5, first=50)]
    done = _round(
        home,
        {
            key_of(day[17], "-late"): csv(shop_lines(day[17], 4)),
            key_of(day[18]): b"not,the,header\n1,2,3\n",
            key_of(day[19]): csv(dirty),
            key_of(day[20]): f"{HEADER}\n".encode(),
        },
    )
    return Second(
        **vars(done),
        held_check=home.check(SILVER, "rules", day[19]),
        quarantine=home.quarantined(day[19]),
        failed={entry.key: entry.error for entry in home.platform.ledger.failed()},
    )


@pytest.fixture(scope="module")
def fixed(shop: LoadedShop, second: Second) -> Iterator[Round]:
    """Good files in the place of the dirty ones."""
    [bad] = shop.manifest.held_back
    dirty = str(shop.day(19))
    yield _round(
        shop.home,
        {
            key_of(str(bad)): csv(shop_lines(str(bad), 5)),
            key_of(dirty): csv(shop_lines(dirty, 7)),
        },
    )


def test_a_second_look_asks_for_nothing(nothing: Round) -> None:
    assert nothing.ran == []


def test_a_late_file_rebuilds_its_day_and_what_lies_downstream_of_it_alone(
    shop: LoadedShop, late: Round
) -> None:
    day = str(shop.day(-3))
    later = {key for key in shop.versions[SILVER] if key >= day}
    last = max(shop.versions[SILVER])  # other tests may have landed days of months after it
    changed = {name: {key for key in keys if key <= last} for name, keys in late.changed.items()}

    assert changed == {
        BRONZE: {day},
        SILVER: {day},
        SALES: {day},
        DEMAND: later,  # the days before a sale count in its mean
        SEGMENTS: {"2011-03-01"},
    }
    assert all(ran.success for ran in late.ran)


def test_a_line_that_comes_again_in_a_late_file_is_a_duplicate(
    shop: LoadedShop, late: Round
) -> None:
    day = str(shop.day(-3))
    repeats = shop.home.read("duplicates/retail/order_lines", day).to_pylist()
    found = {(row["_repeats_object"], row["_repeats_row"]): row for row in repeats}

    assert late.rows[day] == late.rows_before[day] + 2
    # of two rows that are alike the one of the lower key is published: "-" sorts before "."
    repeat = found[key_of(day, "-late"), 3]
    assert (repeat["_source_object"], repeat["_row_number"]) == (key_of(day), 1)


def test_a_second_version_of_an_object_replaces_its_rows(shop: LoadedShop, second: Second) -> None:
    counts = shop.manifest.after_reupload().days[shop.manifest.reupload.day]
    day = str(shop.manifest.reupload.day)

    assert second.rows[day] == counts.published != shop.rows[SILVER][day]
    assert shop.home.counts(BRONZE)[day] == counts.rows


def test_a_corrupt_second_version_leaves_the_first_published_and_is_listed(
    shop: LoadedShop, second: Second
) -> None:
    day = str(shop.day(18))

    assert day not in second.changed[SILVER]
    assert second.rows[day] == shop.rows[SILVER][day]
    assert "header" in (second.failed[key_of(day)] or "")


def test_a_held_back_day_keeps_its_last_good_version_in_every_table(
    shop: LoadedShop, second: Second
) -> None:
    day = str(shop.day(19))

    assert day in second.changed[BRONZE]
    assert second.after[SILVER][day] == second.before[SILVER][day]
    assert second.after[SALES][day] == second.before[SALES][day]
    assert second.held_check is not None and not second.held_check.passed
    assert "rescued 5" in (second.held_check.description or "")


def test_the_quarantine_of_a_held_back_attempt_stands_beside_the_published_ones(
    shop: LoadedShop, second: Second
) -> None:
    day = str(shop.day(19))
    published = second.quarantine.pop(second.after[SILVER][day])
    [held] = second.quarantine.values()

    assert len(published) == shop.manifest.days[shop.day(19)].quarantined
    assert [row["_reasons"] for row in held] == [["rescued"]] * 5


def test_a_partition_is_not_emptied_because_its_objects_are_gone(
    shop: LoadedShop, second: Second
) -> None:
    gone, partly = str(shop.day(16)), str(shop.day(17))

    assert second.rows[gone] == shop.rows[SILVER][gone]
    assert gone not in second.changed[SILVER]
    assert second.rows[partly] == shop.rows[SILVER][partly] + 4


def test_an_object_without_rows_clears_its_partition(shop: LoadedShop, second: Second) -> None:
    day = str(shop.day(20))

    assert shop.rows[SILVER][day] > 0
    assert (second.rows[day], shop.home.counts(SALES)[day]) == (0, 0)
    assert second.after[SILVER][day] != second.before[SILVER][day]


def test_the_other_days_are_left_alone(shop: LoadedShop, second: Second) -> None:
    touched = {str(shop.day(n)) for n in (17, 20)} | {str(shop.manifest.reupload.day)}
    last = max(shop.versions[SILVER])  # other tests may have landed days of months after it
    later = {key for key in second.after[DEMAND] if min(touched) <= key <= last}

    assert second.changed[SILVER] == second.changed[SALES] == touched
    assert {key for key in second.changed[DEMAND] if key <= last} == later


def test_a_fixed_file_brings_silver_and_gold_up_to_date_without_a_human(
    shop: LoadedShop, fixed: Round
) -> None:
    [bad] = map(str, shop.manifest.held_back)
    dirty = str(shop.day(19))

    assert (fixed.rows[bad], fixed.rows[dirty]) == (5, 7)
    assert {bad, dirty} <= fixed.changed[SALES]
    assert bad not in fixed.before[SALES]
    assert all(ran.success for ran in fixed.ran)
    sold = shop.home.read(SALES, bad).to_pylist()
    assert [(row["country"], row["units"]) for row in sold] == [("EIRE", 30)]


def test_a_fix_leaves_nothing_stale_and_nothing_of_the_held_back_attempts(
    shop: LoadedShop, fixed: Round
) -> None:
    home = shop.home

    assert home.run() == []
    for day in map(str, (*shop.manifest.held_back, shop.day(19))):
        found = home.check(SILVER, "rules", day)
        assert found is not None and found.passed
        assert home.quarantined(day) == {}
