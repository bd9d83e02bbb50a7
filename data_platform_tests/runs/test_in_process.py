"""What waits, carried out in this process; here every run fails before it needs Spark."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG, TagType, get_tag_type

from data_platform.build.failures import cause
from data_platform.lake.errors import PartitionConflict
from data_platform.operations.repair import stale_partitions
from data_platform.platform_defs.console import as_usual_console, console
from data_platform.runs.due import Waiting, waiting_lines
from data_platform.runs.in_process import (
    Ran,
    TablesBusy,
    failures_of,
    only_held_back,
    run_until_quiet,
)
from data_platform.runs.liveness import hold
from data_platform.runs.retry import MOST_REPEATS
from data_platform.runs.tags import RUN_CONFIG, WITHOUT_FAILURES
from data_platform.settings.model import CHECKOUT
from data_platform.tables.identity import TableId
from data_platform_tests.support.bakery import Bakery, bakery_at, days
from data_platform_tests.support.homes import home_at
from data_platform_tests.support.lake_home import MONDAY


@pytest.fixture
def shop(tmp_path: Path, server_url: str) -> Iterator[Bakery]:
    with bakery_at(tmp_path / "home", server_url) as home:
        home.sales.write({MONDAY: [1]})
        yield home


def _jobs(ran: list[Ran]) -> list[str | None]:
    return [run.request.job_name for run in ran]


def test_each_piece_of_work_is_tried_once_and_none_stops_the_next(shop: Bakery) -> None:
    ran = shop.run()

    assert _jobs(ran) == ["bakery_daily", "bakery_monthly"]
    assert not any(run.success for run in ran)


def test_what_goes_round_in_circles_is_left_and_said(tmp_path: Path) -> None:
    told: list[str] = []
    with home_at(tmp_path / "home", (days,)) as home:
        shop = Bakery(**vars(home))
        shop.sales.write({MONDAY: [0]})

        def changes(request: dg.RunRequest) -> None:
            shop.sales.write({MONDAY: [len(told)]})

        ran = list(
            run_until_quiet(
                shop.definitions, shop.scope.of((days,)),
                announce=changes, circles=told.append,
            )
        )  # fmt: skip

    assert _jobs(ran) == ["bakery_daily"] * (1 + MOST_REPEATS)
    assert told == [
        f"bakery_daily, {MONDAY} to {MONDAY} was repeated {MOST_REPEATS} times and is asked for "
        "again; it is skipped, since its inputs change as often as it is built"
    ]


def test_a_person_who_asks_again_does_not_wait_for_the_next_try(shop: Bakery) -> None:
    first, second = shop.run(), shop.run()

    assert _jobs(first) == _jobs(second)
    assert {run.run_id for run in first}.isdisjoint({run.run_id for run in second})


def test_a_partition_whose_other_input_was_never_published_waits_and_is_no_failure(
    tmp_path: Path,
) -> None:
    prices = TableId.parse("silver/shop/prices")
    waiting: dict[TableId, Waiting] = {}
    tables = (replace(days, inputs={**days.inputs, "prices": prices}),)
    with home_at(tmp_path / "home", tables) as home:
        shop = Bakery(**vars(home))
        shop.sales.write({MONDAY: [1]})
        driven = run_until_quiet(shop.definitions, shop.scope, waits=waiting.__setitem__)
        assert list(driven) == []
        [stale] = stale_partitions(shop.platform, tables)

    assert waiting_lines(waiting) == [
        f"{days.id} waits for {prices}, which has not been published yet (1 partition)"
    ]
    assert (stale["partition"], stale["why"]) == (
        MONDAY,
        f"waits for {prices}, never published yet",
    )


def test_a_run_of_the_daemon_that_is_under_way_is_named(shop: Bakery) -> None:
    run = shop.instance.add_run(
        dg.DagsterRun(job_name="bakery_daily", status=dg.DagsterRunStatus.STARTED)
    )

    named = f"run {run.run_id} of bakery_daily is under way"
    with hold(shop.platform, run.run_id), pytest.raises(TablesBusy, match=named):
        shop.run()

    assert _jobs(shop.run()) == ["bakery_daily", "bakery_monthly"]


def test_a_run_is_known_to_be_alive_from_its_first_moment(shop: Bakery) -> None:
    running = shop.settings.home / "running"
    seen = []
    for ran in run_until_quiet(
        shop.definitions,
        shop.scope,
        announce=lambda request: seen.append(list(running.glob("*"))),
    ):
        seen.append([file.name for file in running.glob("*")])
        assert ran.run_id in seen[-1]

    assert seen[0] == []
    assert list(running.glob("*")) == []


def test_a_run_is_the_code_locations_own_and_says_who_launched_it(shop: Bakery) -> None:
    [ran, *_] = shop.run()
    run = shop.instance.get_run_by_id(ran.run_id)
    location = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())["load_from"][0]

    assert run and run.remote_job_origin
    of = run.remote_job_origin.repository_origin
    assert (run.remote_job_origin.job_name, of.repository_name) == (run.job_name, "__repository__")
    assert of.code_location_origin.location_name == location["python_module"]["location_name"]
    listed = shop.instance.get_runs(dg.RunsFilter(tags={REPOSITORY_LABEL_TAG: of.get_label()}))
    assert ran.run_id in {each.run_id for each in listed}
    assert run.tags["user"] == f"{shop.scope.platform.settings.actor}, command line"
    [again, *_] = run_until_quiet(shop.definitions, shop.scope, by="demo")
    run_again = shop.instance.get_run_by_id(again.run_id)
    assert run_again and run_again.tags["user"] == f"{shop.scope.platform.settings.actor}, demo"
    shown = {tag for tag in run.tags if get_tag_type(tag) is TagType.USER_PROVIDED}
    assert shown == {"user"}


WHY = "2011-03-07 was replaced by another run"


@pytest.mark.parametrize(
    ("run_config", "told"),
    [(RUN_CONFIG, True), (WITHOUT_FAILURES, False), (None, True)],
    ids=["of a job", "of the command line", "launched in the UI"],
)
def test_the_console_has_what_a_step_says_and_once_why_it_failed(
    run_config: dict | None, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    as_usual_console()

    @dg.op
    def publish(context: dg.OpExecutionContext) -> int:
        context.log.info("on it")
        try:
            raise ValueError("Found conflicting files that can contain records")
        except ValueError as inner:
            raise PartitionConflict(WHY) from inner

    @dg.op
    def sum_up(published: int) -> None:
        raise AssertionError("there is nothing to sum up")

    @dg.job(logger_defs={"console": console})
    def publishing() -> None:
        sum_up(publish())

    result = publishing.execute_in_process(run_config=run_config, raise_on_error=False)
    [event] = result.get_step_failure_events()

    assert cause(event.step_failure_data.error) == WHY
    said = capsys.readouterr().err.splitlines()
    assert [line.strip().split("  ", 1)[1] for line in said] == [
        "on it",
        *([f"publish failed: {WHY}"] if told else []),
    ]


def test_the_console_says_why_a_run_failed_that_got_to_no_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    as_usual_console()

    @dg.resource
    def spark(_: dg.InitResourceContext) -> None:
        raise PartitionConflict("there is no Java")

    @dg.op(required_resource_keys={"spark"})
    def publish() -> None: ...

    @dg.job(resource_defs={"spark": spark})
    def publishing() -> None:
        publish()

    result = publishing.execute_in_process(raise_on_error=False)

    assert failures_of(result) == ("there is no Java",)
    [said] = capsys.readouterr().err.splitlines()
    assert said.endswith("the run failed: there is no Java")


def _run_of(*errors: Exception | None, outside: str = "") -> dg.ExecuteInProcessResult:
    """A run with a step for each error, or that passes; `outside` ends it after a failed step."""

    def step(number: int, error: Exception | None) -> dg.OpDefinition:
        @dg.op(name=f"step_{number}")
        def raises() -> None:
            if error:
                raise error

        return raises

    steps = [step(number, error) for number, error in enumerate(errors)]

    @dg.failure_hook
    def ends_the_run(_: dg.HookContext) -> None:
        raise SystemExit(outside)

    @dg.job(hooks={ends_the_run} if outside else None)
    def job() -> None:
        for each in steps:
            each()

    return job.execute_in_process(raise_on_error=False)


HELD_BACK = dg.Failure("1 of 2 partitions were held back", {"held_back": "a"}, allow_retries=False)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([HELD_BACK, None], True),
        ([HELD_BACK, ZeroDivisionError()], False),
        ([dg.Failure("the disk is full")], False),
        ([None], False),  # failed, and no step did
    ],
)
def test_held_back_partitions_are_told_from_other_failures(
    errors: list[Exception | None], expected: bool
) -> None:
    assert only_held_back(_run_of(*errors)) is expected


def test_a_run_that_fails_outside_of_its_steps_as_well_says_both_and_is_not_held_back() -> None:
    result = _run_of(HELD_BACK, outside="the disk is full")

    assert failures_of(result) == ("1 of 2 partitions were held back", "the disk is full")
    assert not only_held_back(result)
    assert failures_of(_run_of(HELD_BACK)) == ("1 of 2 partitions were held back",)
