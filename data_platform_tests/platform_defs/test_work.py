"""When work is asked for again."""

import datetime as dt

import pytest

from data_platform.platform_defs.work import next_try, work_id

ENDED = 1_300_000_000.0


@pytest.mark.parametrize(("runs", "minutes"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (10, 60)])
def test_the_next_try_comes_later_and_later_but_within_the_hour(runs: int, minutes: int) -> None:
    moments = [ENDED - 100 * number for number in range(runs)]

    after = next_try(moments) - dt.datetime.fromtimestamp(ENDED, dt.UTC)

    assert after == dt.timedelta(minutes=minutes)


def test_the_first_try_is_at_once() -> None:
    assert next_try([]) < dt.datetime.fromtimestamp(ENDED, dt.UTC)


def test_the_same_parts_of_another_job_are_other_work() -> None:
    assert work_id("stale", "a", "xy") == work_id("stale", "a", ["x", "y"])
    assert len({work_id("stale", job, parts) for job in "ab" for parts in ("xy", "x")}) == 4
