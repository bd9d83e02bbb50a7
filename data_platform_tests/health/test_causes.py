"""What is wrong is one cause each, and gone when it is mended."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from pyspark.sql import SparkSession

from data_platform.health.causes import Causes, OtherCheck
from data_platform.lake.builds import Build
from data_platform.telemetry.incidents import Cause, Kind, Severity
from data_platform_tests.support.homes import (
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    shop_lines,
)
from data_platform_tests.support.memory_bucket import MemoryBucket
from data_platform_tests.support.queues import Queue
from data_platform_tests.support.tables import TABLES
from data_platform_tests.support.ticks import Ticks
from data_platform_tests.telemetry.test_incidents import LINES

MONDAY, TUESDAY, THURSDAY = "2011-03-28", "2011-03-29", "2011-03-31"
LATER = dt.timedelta(hours=1)
NEEDLE = "needle-of-a-row"


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home


def causes(home: Home, *, after: dt.timedelta = dt.timedelta()) -> list[Cause]:
    found = Causes(home.platform, home.tables).observe(
        home.instance, dt.datetime.now(dt.UTC) + after
    )
    assert not found.troubles
    assert not found.unseen
    return list(found.causes)


def cheap(day: str) -> bytes:
    return csv([line.replace(",1.25,", f",{NEEDLE},") for line in shop_lines(day, 2)])


def test_nothing_is_wrong_with_a_platform_that_works(home: Home) -> None:
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY)))
    home.run()

    assert causes(home, after=LATER) == []


def test_partitions_that_one_check_holds_back_are_one_cause(home: Home) -> None:
    for day in (MONDAY, TUESDAY, THURSDAY):
        home.land(key_of(day), cheap(day))
    home.run()

    [cause] = causes(home, after=LATER)

    assert (cause.kind, cause.subject, cause.rule) == (Kind.HELD_BACK, SILVER, "rules")
    assert cause.partitions == f"{MONDAY}..{TUESDAY}, {THURSDAY}"
    assert cause.title == f"{SILVER}: 3 partitions held back by rules"
    assert cause.reasons == {"unit_price.not_null": 6, "unit_price.typed": 6}
    assert cause.owner == home.tables[1].owner
    assert cause.look == "data-platform held"
    assert home.instance.get_run_by_id(cause.run)


def test_it_is_gone_when_the_partition_is_published(home: Home) -> None:
    home.land(key_of(MONDAY), cheap(MONDAY))
    home.run()
    assert causes(home)

    home.land(key_of(MONDAY), csv(shop_lines(MONDAY)))
    home.run()

    assert causes(home, after=LATER) == []


def test_dead_letters_are_a_cause_until_they_are_purged(
    home: Home, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = home.platform
    monkeypatch.setitem(vars(platform), "intake", queue.intake(MemoryBucket()))
    observed = Causes(platform, home.tables)

    def dead_letters() -> list[Cause]:
        found = observed.observe(home.instance, dt.datetime.now(dt.UTC))
        assert not found.troubles
        return [cause for cause in found.causes if cause.kind is Kind.DEAD_LETTERS]

    assert dead_letters() == []
    for body in (NEEDLE, "two"):
        queue.client.send_message(QueueUrl=queue.letters, MessageBody=body)
    [cause] = dead_letters()
    assert cause.subject == queue.letters
    assert cause.title == f"2 notifications of {queue.url} could not be recorded"
    assert NEEDLE not in str(cause)
    queue.client.purge_queue(QueueUrl=queue.letters)
    assert dead_letters() == []


def test_an_object_that_cannot_be_read_is_a_cause_of_its_own(home: Home) -> None:
    home.land(key_of(MONDAY), f"{NEEDLE}\n1\n")
    home.land(key_of(TUESDAY), f"{NEEDLE}\n1\n")
    home.land("elsewhere/what.txt", "?")
    home.run()

    found = {cause.subject: cause for cause in causes(home, after=LATER)}

    bucket = home.platform.bucket.name
    assert set(found) == {
        f"{bucket}/{key}" for key in (key_of(MONDAY), key_of(TUESDAY), "elsewhere/what.txt")
    }
    unreadable, unknown = (
        found[f"{bucket}/{key}"] for key in (key_of(MONDAY), "elsewhere/what.txt")
    )
    assert (unreadable.rule, unreadable.severity) == ("unreadable", Severity.ERROR)
    assert unreadable.owner == home.tables[0].owner
    assert f"--forget {key_of(MONDAY)}" in unreadable.mend
    assert (unknown.rule, unknown.severity) == ("unknown", Severity.WARNING)


def test_no_cause_quotes_a_row(home: Home) -> None:
    home.land(key_of(MONDAY), cheap(MONDAY))
    home.land(key_of(TUESDAY), f"{NEEDLE}\n1\n")
    home.run()

    found = causes(home, after=LATER)

    assert len(found) == 2
    assert NEEDLE not in str(found)


def failing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose step fails for a reason that is not the data's."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError(NEEDLE)

    with monkeypatch.context() as patched:
        patched.setattr("data_platform.platform_defs.step.build_step", broken)
        ran = home.run()
    assert not all(each.success for each in ran)


def test_a_run_that_failed_is_a_cause_unless_a_retry_mends_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.land(key_of(MONDAY), csv(shop_lines(MONDAY)))
    failing(home, monkeypatch)
    at_once = causes(home)
    later = causes(home, after=LATER)

    home.run()

    assert at_once == []
    [cause] = later
    assert (cause.kind, cause.rule) == (Kind.RUN, "runs")
    assert cause.subject == str(home.tables[0].id)
    assert cause.reasons == {"ZeroDivisionError": 1}
    assert cause.look == f"data-platform find {cause.run}"
    assert NEEDLE not in str(cause)
    assert causes(home, after=LATER) == []


def test_a_failed_check_of_another_asset_is_a_cause(home: Home) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="report")], owners=["team:finance"])
    def report(context: dg.AssetExecutionContext):
        passed = context.run.tags.get("passed") == "yes"
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=passed)])

    check = OtherCheck(dg.AssetCheckKey(dg.AssetKey("report"), "whole"), "team:finance")
    observing = Causes(home.platform, home.tables, [check])
    now = dt.datetime.now(dt.UTC)

    def observed() -> list[Cause]:
        return list(observing.observe(home.instance, now).causes)

    assert observed() == []
    dg.materialize([report], instance=home.instance)
    [cause] = observed()
    # A run that is under way has planned the check.
    planned = home.instance.create_run_for_job(
        dg.Definitions([report], jobs=[dg.define_asset_job("again", [report])]).resolve_job_def(
            "again"
        )
    )
    home.instance.report_dagster_event(
        dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
            "again",
            event_specific_data=AssetCheckEvaluationPlanned(
                asset_key=dg.AssetKey("report"), check_name="whole"
            ),
        ),
        planned.run_id,
    )
    assert observed() == [cause]
    dg.materialize([report], instance=home.instance, tags={"passed": "yes"})

    assert (cause.kind, cause.subject, cause.rule) == (Kind.CHECK, "report", "whole")
    assert (cause.severity, cause.owner) == (Severity.ERROR, "team:finance")
    assert observed() == []


def test_a_sensor_that_fails_twice_is_a_cause_until_it_works(home: Home) -> None:
    ticks = Ticks(home.instance, "listens")
    ticks.add(error=NEEDLE)
    once = causes(home)
    ticks.add(error=NEEDLE)
    twice = causes(home)
    ticks.add()

    assert once == []
    [cause] = twice
    assert (cause.kind, cause.subject, cause.rule) == (Kind.SENSOR, "listens", "ticks")
    assert NEEDLE not in str(cause)
    assert causes(home) == []


def test_what_cannot_be_looked_at_is_no_reason_to_look_at_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.land("elsewhere/what.txt", "?")
    home.land(key_of(MONDAY), cheap(MONDAY))
    home.run()

    def damaged(table, *_: object) -> None:
        if str(table.id) == SILVER:
            raise ZeroDivisionError(NEEDLE)

    monkeypatch.setattr("data_platform.health.causes.held_now", lambda *of: damaged(*of) or {})
    monkeypatch.setattr(
        "data_platform.health.causes.FailedRuns.by_work", lambda *_: 1 / 0, raising=True
    )
    found = Causes(home.platform, home.tables).observe(home.instance, dt.datetime.now(dt.UTC))

    assert [cause.kind for cause in found.causes] == [Kind.OBJECT]
    assert (found.unseen, found.unseen_subjects) == ({Kind.RUN}, {SILVER})
    assert NEEDLE not in str(found.troubles)
    held = replace(LINES, kind=Kind.HELD_BACK, subject=SILVER)
    assert not found.seen(held)
    assert found.seen(replace(held, subject="gold/x/y"))


def test_a_check_is_one_cause_whatever_else_fails(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.land(key_of(MONDAY), cheap(MONDAY))
    home.land(key_of(TUESDAY), cheap(TUESDAY))
    home.run()

    def held(table, _: object) -> dict[str, Build]:
        builds = home.platform.builds.held_back(table.id)
        more = {MONDAY: ("rules",), TUESDAY: ("rules", "volume")}
        return {key: replace(build, failed=more[key]) for key, build in builds.items()}

    monkeypatch.setattr("data_platform.health.causes.held_now", held)

    found = {cause.rule: cause.partitions for cause in causes(home)}

    assert found == {"rules": f"{MONDAY}..{TUESDAY}", "volume": TUESDAY}


def test_a_command_for_a_key_of_any_name_is_quoted(home: Home) -> None:
    home.land("x; rm -rf y.csv", "?")
    home.run()

    [cause] = causes(home)

    assert "--forget 'x; rm -rf y.csv'" in cause.mend
