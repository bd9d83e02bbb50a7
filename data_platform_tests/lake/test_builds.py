import datetime as dt
from dataclasses import replace

import pytest

from data_platform.lake.builds import Build, Builds
from data_platform_tests.lake.home import MONDAY, SALES, TUESDAY

NOON = dt.datetime(2011, 3, 8, 12)


def attempt(name: str, *, key: str = MONDAY, at: dt.datetime = NOON, held: bool = False) -> Build:
    state, why = ("held_back", "rules: too many") if held else ("published", "")
    return Build(str(SALES), key, name, "run", state, "c", "i", 1, 0, 0, at, why)  # type: ignore[arg-type]


@pytest.fixture
def builds(database_url: str) -> Builds:
    return Builds(database_url)


def test_the_newest_attempt_is_the_last_recorded_whatever_the_clock_says(builds: Builds) -> None:
    builds.record([attempt("ahead", at=NOON + dt.timedelta(days=1), held=True)])
    builds.record([attempt("back", at=NOON), attempt("other", key=TUESDAY)])
    assert {key: b.attempt for key, b in builds.latest(SALES).items()} == {
        MONDAY: "back",
        TUESDAY: "other",
    }
    assert builds.held_back(SALES) == {}


def test_two_attempts_of_one_moment_have_an_order(builds: Builds) -> None:
    for name in ("z", "a"):
        builds.record([attempt(name)])
    assert builds.latest(SALES, [MONDAY])[MONDAY].attempt == "a"


def test_a_version_that_a_person_chose_is_newer_than_what_a_fast_clock_built(
    builds: Builds,
) -> None:
    builds.record([attempt("old")])
    builds.record([attempt("new", at=NOON + dt.timedelta(days=9000))])
    builds.accept(SALES, {MONDAY: "old"}, {MONDAY: "i2"}, "c2", "rolled back")
    chosen = builds.latest(SALES)[MONDAY]
    assert (chosen.attempt, chosen.inputs, chosen.detail) == ("old", "i2", "rolled back")


def test_the_database_gives_the_numbers_and_an_attempt_is_recorded_once(builds: Builds) -> None:
    builds.record([replace(attempt("first"), sequence=77), attempt("second", key=TUESDAY)])
    found = builds.latest(SALES)
    assert found[MONDAY].sequence < found[TUESDAY].sequence < 77
    with pytest.raises(Exception, match=r"(?i)unique"):
        builds.record([attempt("first")])
