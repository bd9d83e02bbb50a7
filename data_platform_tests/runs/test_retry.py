"""When work is asked for again."""

import datetime as dt
from collections.abc import Iterable

import dagster as dg
import pytest

from data_platform.runs.retry import MOST_REPEATS, WORK, DueRun, Tried, next_try, work_id

ENDED = 1_300_000_000.0
NOW = dt.datetime.fromtimestamp(ENDED, dt.UTC)


@pytest.mark.parametrize(("runs", "minutes"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (10, 60)])
def test_the_next_try_comes_later_and_later_but_within_the_hour(runs: int, minutes: int) -> None:
    moments = [ENDED - 100 * number for number in range(runs)]

    assert next_try(moments, NOW) - NOW == dt.timedelta(minutes=minutes)


def test_the_first_try_is_at_once() -> None:
    assert next_try([], NOW) < NOW


@pytest.mark.parametrize("ahead", [dt.timedelta(seconds=5), dt.timedelta(minutes=10)])
def test_a_run_on_a_machine_whose_clock_is_ahead_is_waited_after(ahead: dt.timedelta) -> None:
    later = NOW + ahead
    ended = [later.timestamp(), ENDED - 300]

    assert next_try(ended[:1], NOW) == later + dt.timedelta(minutes=2)
    assert next_try(ended, NOW) == later + dt.timedelta(minutes=4)


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=61), dt.timedelta(days=400)])
def test_nobody_waits_for_a_clock_that_was_set_back_to_be_there_again(ahead: dt.timedelta) -> None:
    later = (NOW + ahead).timestamp()
    assert next_try([later], NOW) < NOW
    # and the tries that follow are no less apart for it
    assert next_try([ENDED, later], NOW) == NOW + dt.timedelta(minutes=4)


def test_the_same_parts_of_another_job_are_other_work() -> None:
    assert work_id("stale", "a", "xy") == work_id("stale", "a", ["x", "y"])
    assert len({work_id("stale", job, parts) for job in "ab" for parts in ("xy", "x")}) == 4


def _due(job: str, work: object, day: str = "2026-01-01") -> DueRun:
    return DueRun(dg.RunRequest(job_name=job, tags={WORK: f"{job}-{work}", "day": day}), NOW)


def _run_all(tried: Tried, wanted: Iterable[DueRun]) -> int:
    """How many of these, asked for one after the other, are run."""
    ran = 0
    for each in wanted:
        if tried.may(each):
            tried.add(each)
            ran += 1
    return ran


def test_any_number_of_jobs_is_run_and_each_piece_of_work_once() -> None:
    tried, jobs = Tried(), [_due(f"job{number}", "work") for number in range(100)]

    assert _run_all(tried, jobs) == 100
    assert _run_all(tried, jobs) == 0
    assert not any(map(tried.in_circles, jobs))


def test_a_job_may_have_any_number_of_ranges() -> None:
    assert _run_all(Tried(), (_due("job", n, day=f"2026-01-{n}") for n in range(1, 32))) == 31


def test_what_is_asked_for_again_and_again_is_left_and_nothing_else() -> None:
    tried = Tried()

    assert _run_all(tried, (_due("job", number) for number in range(100))) == 1 + MOST_REPEATS
    assert tried.in_circles(_due("job", 100))
    assert not tried.in_circles(_due("job", 0))
    assert tried.may(_due("other", 0))


def test_two_jobs_that_make_work_for_each_other_come_to_an_end() -> None:
    wanted = (_due(job, number) for number in range(100) for job in ("one", "two"))

    assert _run_all(Tried(), wanted) == 2 * (1 + MOST_REPEATS)


def test_a_job_that_has_work_after_each_of_many_others_is_run_after_each() -> None:
    wanted = [_due(job, n) for n in range(40) for job in (f"input{n}", "summary")]

    assert _run_all(Tried(), wanted) == 80
