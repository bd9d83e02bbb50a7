"""When work is asked for again."""

import datetime as dt

import pytest

from data_platform.platform_defs.work import next_try, work_id

ENDED = 1_300_000_000.0
NOW = dt.datetime.fromtimestamp(ENDED, dt.UTC)


@pytest.mark.parametrize(("runs", "minutes"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (10, 60)])
def test_the_next_try_comes_later_and_later_but_within_the_hour(runs: int, minutes: int) -> None:
    moments = [ENDED - 100 * number for number in range(runs)]

    assert next_try(moments, NOW) - NOW == dt.timedelta(minutes=minutes)


def test_the_first_try_is_at_once() -> None:
    assert next_try([], NOW) < NOW


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=5), dt.timedelta(days=400)])
def test_nobody_waits_for_a_clock_that_was_set_back_to_be_there_again(ahead: dt.timedelta) -> None:
    later = (NOW + ahead).timestamp()
    assert next_try([later], NOW) < NOW
    # and the tries that follow are no less apart for it
    assert next_try([ENDED, later], NOW) == NOW + dt.timedelta(minutes=4)


def test_the_same_parts_of_another_job_are_other_work() -> None:
    assert work_id("stale", "a", "xy") == work_id("stale", "a", ["x", "y"])
    assert len({work_id("stale", job, parts) for job in "ab" for parts in ("xy", "x")}) == 4
