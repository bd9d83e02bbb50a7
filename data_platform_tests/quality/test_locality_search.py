"""What is proved of a plan is true: random functions, called once for all days and for each day."""

import datetime as dt
from collections import Counter

import pytest
from hypothesis import assume, event, given
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from data_platform.engine.logical_plan import marked
from data_platform.engine.plan_reading import analyzed
from data_platform.quality.locality import Proof, proof
from data_platform_tests.support.random_plans import DAYS, READS, Program, inputs, programs


@pytest.fixture(scope="module")
def whole(spark: SparkSession) -> dict[str, DataFrame]:
    return _marked(inputs(spark))


@pytest.fixture(scope="module")
def each(spark: SparkSession) -> dict[dt.date, dict[str, DataFrame]]:
    return {day: _marked(inputs(spark, day)) for day in DAYS}


def _marked(frames: dict[str, DataFrame]) -> dict[str, DataFrame]:
    return {name: marked(frame, name) for name, frame in frames.items()}


@given(program=programs())
def test_one_call_for_all_days_gives_the_rows_of_a_call_for_each_if_it_is_proved(
    whole: dict[str, DataFrame], each: dict[dt.date, dict[str, DataFrame]], program: Program
) -> None:
    try:
        frame = program.make(whole)
        names = frame.columns
        found = _proof(frame)
    except PySparkException:  # the engine refuses the function
        assume(False)
        raise
    event(f"apart: {found.apart}")
    if not found.apart:
        return
    try:
        once = _rows(frame)
        by_day = {day: _rows(program.make(frames)) for day, frames in each.items()}
    except PySparkException:
        assume(False)
        raise
    assert once == sum(by_day.values(), Counter())
    for name in found.holding[0]:
        place = names.index(name)
        for day, rows in by_day.items():
            assert {_day(row[place]) for row in rows} <= {day}, name


def _proof(frame: DataFrame) -> Proof:
    plan = analyzed(frame)
    assert plan
    return proof(plan, READS)


def _rows(frame: DataFrame) -> Counter[tuple]:
    return Counter(tuple(row) for row in frame.collect())


def _day(value: object) -> object:
    return value.date() if isinstance(value, dt.datetime) else value
