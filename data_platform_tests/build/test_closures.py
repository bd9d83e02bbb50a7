"""What each task of a step is sent: its own work, and not a description of all others'."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from data_platform.build.kinds import build_step
from data_platform.build.planning import plan
from data_platform.build.result import publish_step
from data_platform.domains.retail.bronze import order_lines as bronze
from data_platform.domains.retail.silver import order_lines as silver
from data_platform_tests.support.homes import csv, home_at, key_of, shop_lines

Sizes = dict[str, list[int]]


@pytest.fixture
def sizes(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sizes]:
    """The bytes of each function that Spark's tasks are sent, by its name."""
    found: Sizes = defaultdict(list)
    frame = type(spark.range(1))
    given = frame.mapInArrow

    def measured(self: Any, function: Callable, *arguments: Any, **more: Any) -> Any:
        found[function.__qualname__].append(len(cloudpickle.dumps(function)))
        return given(self, function, *arguments, **more)

    monkeypatch.setattr(frame, "mapInArrow", measured)
    yield found


def _steps(directory: Path, spark: SparkSession, days: int, objects: int) -> None:
    """Bronze and silver of so many days, each with so many objects."""
    keys = [f"2011-03-{day + 1:02}" for day in range(days)]
    with home_at(directory, (bronze, silver)) as home:
        for day in keys:
            for number in range(objects):
                lines = shop_lines(day, 1, first=number)
                home.land(key_of(day, f"-{number}"), csv(lines))
        home.record()
        for table in (bronze, silver):
            planned = plan(table, home.platform, keys, only_stale=True)
            assert planned.keys == tuple(keys)
            result = build_step(table, planned, home.platform, spark, "run")
            publish_step(home.platform.lake, home.platform.builds, home.platform.ledger, result)


def test_the_functions_of_tasks_do_not_grow_with_partitions_and_objects(
    spark: SparkSession, tmp_path: Path, sizes: Sizes
) -> None:
    _steps(tmp_path / "few", spark, days=2, objects=5)
    few = {name: max(each) for name, each in sizes.items()}
    sizes.clear()
    _steps(tmp_path / "many", spark, days=25, objects=40)
    many = {name: max(each) for name, each in sizes.items()}

    assert len(few) >= 2  # bronze's and silver's
    assert many.keys() == few.keys()
    for name, size in many.items():
        assert size < few[name] + 100, (name, few[name], size)  # paths differ by some characters
