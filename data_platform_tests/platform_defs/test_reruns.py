"""The same files, however often and in whatever order they are loaded, give the same tables; and
what a new contract, or another writer, makes of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_platform.assets import Table, gold
from data_platform.build import failures
from data_platform.build.planning import current_versions
from data_platform.build.platform import Platform
from data_platform.domains.retail import bronze, silver
from data_platform.domains.retail.contracts import DailySales, OrderLine, ProductDemand
from data_platform.domains.retail.gold import CALENDAR_DAYS, daily_sales
from data_platform.domains.retail.partitions import daily
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.lake.writing.staging import new_attempt, plain_layout, stage_arrow
from data_platform.operations.repair import stale_partitions
from data_platform.operations.replay import apply_replay, plan_replay
from data_platform.quality.mapping import trailing
from data_platform.runs.requests import job_name
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.tables.identity import TableSlice
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
    Home,
    csv,
    home_at,
    key_of,
    rows_of_a_load,
    shop_lines,
)
from data_platform_tests.support.tables import TABLES

LINES = (bronze.order_lines, silver.order_lines)
DAYS = ["2011-03-29", "2011-03-31", "2011-04-01"]  # of two months
LAST_FIRST = (DAYS[-1:], DAYS[:-1])

REFUSING = replace(OrderLine, quarantine_threshold=0.9)
LENIENT = replace(REFUSING, rescued="warning", version="1.1.0")
# The platform's own tables; a rejected row or two do not hold a day back.
ALL = tuple(
    replace(table, contract=REFUSING) if table is silver.order_lines else table for table in TABLES
)


@pytest.fixture
def directory(spark: SparkSession, tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def _day(day: str) -> bytes:
    """Lines of another quantity each day, one of them twice."""
    number = DAYS.index(day)
    lines = shop_lines(day, 4, first=number, units=10 * number + 3)
    return csv([*lines, lines[1]])


def _dirty_day(day: str) -> bytes:
    """The day, and a line with a field too many."""
    return _day(day) + f"{shop_lines(day, 1)[0]},extra\n".encode()


def _contents(home: Home) -> dict[str, list[dict]]:
    beside = [f"{layer}/retail/order_lines" for layer in ("quarantine", "duplicates")]
    return {
        table: rows_of_a_load(home.read(table))
        for table in [*(str(table.id) for table in home.tables), *beside]
    }


def _loaded(directory: Path, rounds: Sequence[Sequence[str]]) -> dict[str, list[dict]]:
    with home_at(directory, ALL) as home:
        _load(home, rounds)
        return _contents(home)


def _load(home: Home, rounds: Sequence[Sequence[str]]) -> None:
    for days in rounds:
        for day in days:
            home.land(key_of(day), _dirty_day(day))
        assert all(ran.success for ran in home.run())


def test_days_give_the_same_tables_in_any_order_and_twice(directory: Path) -> None:
    with home_at(directory, ALL) as home:
        _load(home, LAST_FIRST)
        last_first, before = _contents(home), home.versions()
        request = dg.RunRequest(
            job_name=job_name(silver.order_lines), tags={RANGE_START: DAYS[0], RANGE_END: DAYS[-1]}
        )
        job = home.definitions.resolve_job_def(str(request.job_name))
        assert job.execute_in_process(instance=home.instance, tags=request.tags).success
        assert all(ran.success for ran in home.run())  # the months
        at_once, changed = _contents(home), home.changed(before)

    assert {table: len(found) for table, found in last_first.items()} == {
        BRONZE: 18,
        SILVER: 12,
        SALES: 3,
        DEMAND: 12,
        SEGMENTS: 2,
        "quarantine/retail/order_lines": 3,
        "duplicates/retail/order_lines": 3,
    }
    months = {"2011-03-01", "2011-04-01"}
    days = {table: set(DAYS) for table in (BRONZE, SILVER, SALES, DEMAND)}
    assert changed == {**days, SEGMENTS: months}
    assert at_once == last_first


@pytest.mark.soak
def test_days_one_by_one_give_the_same_tables_in_either_direction(directory: Path) -> None:
    at_once = _loaded(directory / "at once", [DAYS])
    assert _loaded(directory / "the last first", LAST_FIRST) == at_once
    assert _loaded(directory / "one after the other", [DAYS[:1], DAYS[1:]]) == at_once
    assert _loaded(directory / "reversed", [[day] for day in reversed(DAYS)]) == at_once


# --- a new contract -----------------------------------------------------------------------


@pytest.fixture
def rejected(directory: Path) -> Iterator[Home]:
    """Two days; the first has two rows with a field too many, allowed by the threshold."""
    strict = replace(silver.order_lines, contract=REFUSING)
    with home_at(directory / "home", (bronze.order_lines, strict, daily_sales)) as home:
        bad = [f"{line},extra" for line in shop_lines(DAYS[0], 2, first=50)]
        home.land(key_of(DAYS[0]), csv([*shop_lines(DAYS[0]), *bad]))
        home.land(key_of(DAYS[1]), _day(DAYS[1]))
        assert all(ran.success for ran in home.run())
        yield home


def test_replay_under_a_new_contract_publishes_the_rows_that_now_pass(rejected: Home) -> None:
    assert rejected.counts(SILVER)[DAYS[0]] == 3
    [held] = rejected.quarantined(DAYS[0]).values()
    assert [row["_reasons"] for row in held] == [["rescued"]] * 2
    lenient = rejected.declaring(replace(silver.order_lines, contract=LENIENT))
    stale = stale_partitions(lenient.platform, lenient.tables)
    assert {(row["table"], row["partition"]) for row in stale} == {(SILVER, d) for d in DAYS[:2]}
    assert all("contract was 1.0.0:" in row["why"] for row in stale)

    said = _replay(lenient)

    assert lenient.counts(SILVER)[DAYS[0]] == 5
    assert lenient.quarantined(DAYS[0]) == {}
    assert sum(row["units"] for row in lenient.read(SALES, DAYS[0]).to_pylist()) == 5 * 6
    assert not [line for line in said if "still quarantined" in line]
    assert stale_partitions(lenient.platform, lenient.tables) == []
    assert lenient.run() == []


def _dozen(number: int, day: str) -> str:
    """A line whose quantity is written as `1 dozen`."""
    return shop_lines(day, 1, first=number)[0].replace(",6,", ",1 dozen,")


def _in_dozens(bronze: DataFrame) -> DataFrame:
    dozens = F.when(F.col("Quantity") == "1 dozen", F.lit("12")).otherwise(F.col("Quantity"))
    return silver.order_lines(bronze.withColumn("Quantity", dozens))


@pytest.fixture
def held(directory: Path) -> Iterator[Home]:
    """Three days; the first and the last are held back, and were never published."""
    with home_at(directory / "home", LINES) as home:
        for day in (DAYS[0], DAYS[2]):
            home.land(key_of(day), csv([*shop_lines(day), _dozen(9, day)]))
        home.land(key_of(DAYS[1]), _day(DAYS[1]))
        assert not all(ran.success for ran in home.run())
        assert set(home.counts(SILVER)) == {DAYS[1]}
        yield home


def _replay(home: Home, partition: str | None = None) -> list[str]:
    """What it says beside its runs."""
    table = silver.order_lines.id
    planned = plan_replay(home.platform, home.tables, table, partition=partition)
    done = apply_replay(home.definitions, home.scope, planned)
    assert done.runs
    return [*planned.lines, *done.lines]


def test_replay_publishes_held_back_days_and_what_a_new_function_makes_stale(held: Home) -> None:
    before = held.versions()
    fixed = held.declaring(replace(silver.order_lines, function=_in_dozens))

    said = _replay(fixed)

    assert fixed.counts(SILVER) == {DAYS[0]: 4, DAYS[1]: 4, DAYS[2]: 4}
    assert fixed.changed(before) == {BRONZE: set(), SILVER: set(DAYS)}
    for day in (DAYS[0], DAYS[2]):
        assert fixed.quarantined(day) == {}
        found = fixed.check(SILVER, "rules", day)
        assert found is not None and found.passed
    assert not [line for line in said if "still quarantined" in line]


def test_replay_of_one_day_judges_it_alone(held: Home) -> None:
    before, first, last = held.versions(), held.quarantined(DAYS[0]), held.quarantined(DAYS[2])

    said = _replay(held, DAYS[2])

    assert held.changed(before)[SILVER] == set()
    assert held.quarantined(DAYS[0]) == first
    assert held.quarantined(DAYS[2]).keys() != last.keys()
    assert [line for line in said if "still quarantined" in line and "(held back)" in line]


def test_replay_under_a_contract_that_allows_them_publishes_the_good_rows_of_held_back_days(
    held: Home,
) -> None:
    said = _replay(held.declaring(replace(silver.order_lines, contract=REFUSING)))

    assert {key: held.counts(SILVER)[key] for key in DAYS} == {DAYS[0]: 3, DAYS[1]: 4, DAYS[2]: 3}
    for day in (DAYS[0], DAYS[2]):
        [attempt] = held.quarantined(day)  # of the published version alone
        assert attempt == held.versions()[SILVER][day]
    assert "still quarantined: 2 rows for quantity.typed" in said


# --- another writer -----------------------------------------------------------------------


def _publish_by_another(platform: Platform, table: Table, day: str) -> None:
    """What a second run of the same day would do meanwhile."""
    loaded = platform.lake.load(table.id)
    attempt = new_attempt("another")
    data = platform_rows(platform, table, day)
    staged = stage_arrow(data, plain_layout(loaded, attempt, platform.storage))
    base = current_versions(platform, table.id, [day])
    publish(
        platform.lake,
        platform.builds,
        StagedWrite(TableSlice(table.id, (day,), base), attempt, "another", staged),
    )


def platform_rows(platform: Platform, table: Table, day: str) -> pa.Table:
    from data_platform.lake.upkeep import browse

    return browse.rows(platform.lake.load(table.id), partition=day).read_all()


def test_a_partition_that_another_writer_replaced_meanwhile_is_computed_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "WAIT_SECONDS", 0)
    tries: list[str] = []

    with home_at(directory / "home", (*LINES, daily_sales)) as home:

        @gold(contract=DailySales, partitions=daily)
        def disturbed(order_lines: DataFrame) -> DataFrame:
            """Daily sales, disturbed once."""
            tries.append("try")
            if len(tries) == 1:
                _publish_by_another(home.platform, daily_sales, DAYS[0])
            return daily_sales(order_lines)

        home.land(key_of(DAYS[0]), _day(DAYS[0]))
        home.run()
        expected = home.read(SALES)
        home.land(key_of(DAYS[0], "-late"), csv(shop_lines(DAYS[0], 1, first=90, units=1)))
        again = home.declaring(disturbed)
        [ran] = again.run()
        events = {event.dagster_event_type for event in home.instance.all_logs(ran.run_id)}

        assert ran.success and len(tries) == 2
        assert dg.DagsterEventType.STEP_UP_FOR_RETRY in events
        [before], [after] = expected.to_pylist(), again.read(SALES).to_pylist()
        assert after["units"] == before["units"] + 1


def test_a_function_that_breaks_its_contract_fails_naming_the_way_out_and_is_not_retried(
    directory: Path,
) -> None:
    asked: list[str] = []

    @gold(contract=ProductDemand, partitions=daily, ins={"order_lines": trailing(days=9)})
    def narrow(order_lines: DataFrame) -> DataFrame:
        """Lacks columns."""
        asked.append("narrow")
        return order_lines.select("day", "stock_code")

    @gold(contract=DailySales, partitions=daily)
    def retyped(order_lines: DataFrame) -> DataFrame:
        """Has a column of another type."""
        asked.append("retyped")
        return daily_sales(order_lines).withColumn("units", F.col("units").cast("double"))

    with home_at(directory / "home", (*LINES, narrow, retyped)) as home:
        home.land(key_of(DAYS[0]), _day(DAYS[0]))
        ran, *_ = home.run()

        said = "\n".join(ran.failures)
        assert not ran.success
        assert "gold/retail/product_demand: its function returns no column units (bigint)" in said
        assert "column units is double in the function's result and bigint in the contract" in said
        assert "cast it" in said
        assert home.counts(SALES) == home.counts(DEMAND) == {}
        assert set(home.counts(SILVER)) == {DAYS[0]}
    assert CALENDAR_DAYS == 90
