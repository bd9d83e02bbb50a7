"""A person publishes what was held back: the attempt's own rows, rejected ones and duplicates."""

import datetime as dt
from collections.abc import Callable

import pytest

from data_platform.lake.errors import PartitionConflict
from data_platform.lake.upkeep.clean import clean
from data_platform.lake.writing.release import NotReleasable, Release, plan_release
from data_platform.quality.freshness import is_stale
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome

SAID = "released by ann: the shop was shut"


@pytest.fixture
def home(home: LakeHome) -> LakeHome:
    """Monday has a version, and a newer attempt that was held back; of Tuesday there is only an
    attempt that was; Wednesday is as it should be."""
    home.make_rejecting()
    home.judge({MONDAY: [1], WEDNESDAY: [7]}, {MONDAY: [9], WEDNESDAY: [70]}, {MONDAY: [1]})
    held = {day: "rules: too many" for day in (MONDAY, TUESDAY)}
    home.judge({MONDAY: [2, 3], TUESDAY: [4]}, {MONDAY: [8]}, {MONDAY: [2]}, held_back=held)
    return home


def _plan(home: LakeHome, day: str) -> Release:
    return plan_release(home.lake, home.builds, home.storage, SALES, day)


def test_the_attempt_is_published_as_it_is_with_the_rows_that_it_rejected(home: LakeHome) -> None:
    assert home.rejected("quarantine")[MONDAY] == [8, 9]

    published = _plan(home, MONDAY).apply(home.builds, SAID)

    assert (published.rows, published.snapshot_id) == (2, home.snapshots()[-1])
    assert home.numbers() == {MONDAY: [2, 3], WEDNESDAY: [7]}
    assert home.rejected("quarantine") == {MONDAY: [8], WEDNESDAY: [70]}
    assert home.rejected("duplicates") == {MONDAY: [2]}


def test_who_did_it_and_why_is_in_the_register_and_in_the_snapshot(home: LakeHome) -> None:
    _plan(home, TUESDAY).apply(home.builds, SAID)

    build = home.builds.latest(SALES)[TUESDAY]
    assert (build.state, build.released, build.detail) == ("published", SAID, "")
    summary = home.lake.load(SALES).snapshots()[-1].summary
    assert summary and summary.additional_properties["data_platform.released"] == SAID


def test_it_is_up_to_date_with_what_it_was_made_from_until_that_changes(home: LakeHome) -> None:
    before = home.builds.latest(SALES)[TUESDAY]
    _plan(home, TUESDAY).apply(home.builds, SAID)
    build = home.builds.latest(SALES)[TUESDAY]

    def stale(inputs: str, contract: str) -> bool:
        return is_stale(published=build, latest=build, inputs=inputs, contract=contract)

    assert not stale(before.inputs, before.contract)
    assert stale("newer", before.contract) and stale(before.inputs, "newer")


def test_it_is_released_once(home: LakeHome) -> None:
    _plan(home, MONDAY).apply(home.builds, SAID)

    with pytest.raises(NotReleasable, match="not held back: its newest attempt was published"):
        _plan(home, MONDAY)


@pytest.mark.parametrize(
    ("day", "says"),
    [(WEDNESDAY, "its newest attempt was published"), ("2011-03-10", "it was never built")],
)
def test_what_is_not_held_back_is_refused(home: LakeHome, day: str, says: str) -> None:
    with pytest.raises(NotReleasable, match=f"{SALES} {day} is not held back: {says}"):
        _plan(home, day)


def _lose_data(home: LakeHome) -> None:
    [file] = [path for path, _, _ in home.builds.latest(SALES)[MONDAY].staged]
    home.storage.delete(file)


def _lose_rejected(home: LakeHome) -> None:
    home.judge({MONDAY: [5]}, {})  # somebody else's, and then the register's last word is undone
    build = home.builds.of(SALES, {MONDAY: _held_attempt(home)})[MONDAY]
    home.builds.accept(SALES, {MONDAY: build.attempt}, {}, build.contract, build.detail)


def _held_attempt(home: LakeHome) -> str:
    loaded = home.lake.load(SALES.sibling("quarantine")).snapshots()[-2]
    rows = home.lake.load(SALES.sibling("quarantine")).scan(snapshot_id=loaded.snapshot_id)
    return next(row["_attempt"] for row in rows.to_arrow().to_pylist() if row["n"] == 8)


@pytest.mark.parametrize(
    ("lose", "says"), [(_lose_data, "not there any more"), (_lose_rejected, "0 of the 1 rows")]
)
def test_what_is_not_whole_any_more_is_refused(
    home: LakeHome, lose: Callable[[LakeHome], None], says: str
) -> None:
    lose(home)
    before = home.numbers()

    with pytest.raises(NotReleasable, match=says):
        _plan(home, MONDAY)

    assert home.numbers() == before


def test_a_writer_who_was_first_wins(home: LakeHome) -> None:
    planned = _plan(home, MONDAY)
    home.judge({MONDAY: [5]})

    with pytest.raises(PartitionConflict):
        planned.apply(home.builds, SAID)

    assert home.numbers()[MONDAY] == [5]
    assert home.builds.latest(SALES)[MONDAY].released == ""


def test_one_that_dies_before_its_commit_is_judged_again(home: LakeHome) -> None:
    live = home.builds.of(SALES, _plan(home, MONDAY).base)[MONDAY]
    home.builds.release(home.builds.latest(SALES)[MONDAY], SAID)

    latest = home.builds.latest(SALES)[MONDAY]
    assert is_stale(published=live, latest=latest, inputs=live.inputs, contract=live.contract)


def test_the_files_of_what_is_held_back_are_not_cleaned_away(home: LakeHome) -> None:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)

    clean(home.lake, home.storage, now, spared=home.builds.staged_files)

    _plan(home, MONDAY).apply(home.builds, SAID)
    assert home.numbers()[MONDAY] == [2, 3]
    assert len(home.builds.staged_files(SALES)) == 1  # Tuesday's
