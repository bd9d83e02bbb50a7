import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import event

from data_platform.lake.builds import Build, Builds
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY

NOON = dt.datetime(2011, 3, 8, 12)


def attempt(name: str, *, key: str = MONDAY, at: dt.datetime = NOON, held: bool = False) -> Build:
    state, why = ("held_back", "rules: too many") if held else ("published", "")
    return Build(str(SALES), key, name, "run", state, "c", "i", 1, 0, 0, at, why)  # type: ignore[arg-type]


@pytest.fixture
def builds(migrated_url: str) -> Builds:
    return Builds(migrated_url)


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


def test_a_partition_is_held_back_since_its_first_attempt_that_was(builds: Builds) -> None:
    hours = [NOON + dt.timedelta(hours=n) for n in range(5)]
    builds.record([attempt("old", at=hours[0], held=True)])
    builds.record([attempt("good", at=hours[1]), attempt("other", key=TUESDAY, at=hours[1])])
    for name, hour in (("held", hours[2]), ("again", hours[3])):
        builds.record([attempt(name, at=hour, held=True)])
    assert builds.held_since(SALES, [MONDAY, TUESDAY]) == {MONDAY: hours[2]}
    assert builds.held_since(SALES) == {MONDAY: hours[2]}


def test_a_table_changes_with_each_attempt_that_is_recorded_accepted_released_or_forgotten(
    builds: Builds,
) -> None:
    builds.record([replace(attempt("a"), table_id="silver/shop/other")])
    before = builds.changes()
    seen = [before.get(str(SALES), 0)]

    def changed(what: object) -> None:
        found = builds.changes()
        seen.append(found.pop(str(SALES)))
        assert len(set(seen)) == len(seen)
        assert found == before  # the other table's attempts are as they were

    for _ in range(2):  # the second time as the first: what is removed last leaves no trace
        changed(builds.record([attempt("a"), attempt("held", key=TUESDAY, held=True)]))
        changed(builds.release(builds.latest(SALES)[TUESDAY], "ann: why"))
        changed(builds.accept(SALES, {TUESDAY: "held"}, {}, "c", "rolled back"))
        changed(builds.forget(SALES, [MONDAY]))
        changed(builds.forget(SALES))


def test_what_has_changed_is_known_without_reading_an_attempt(builds: Builds) -> None:
    asked: list[str] = []
    event.listen(
        builds.database.engine, "before_cursor_execute", lambda *sent: asked.append(sent[2])
    )
    builds.changes()
    asked.clear()
    builds.changes()
    assert [query for query in asked if "builds" in query and "changes" not in query] == []


def test_what_the_checks_found_is_kept_with_an_attempt(builds: Builds) -> None:
    found = replace(attempt("a", held=True), failed=("rules", "volume"), rules={"n.typed": 3})
    builds.record([found, attempt("b", key=TUESDAY)])
    kept = builds.latest(SALES)
    assert replace(kept[MONDAY], sequence=0) == found
    assert (kept[TUESDAY].failed, kept[TUESDAY].rules) == ((), None)
