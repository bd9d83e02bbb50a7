"""Files of an environment in production's table: read as the columns they were written as."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import types as T

from data_platform.lake.catalog import LakeTable
from data_platform.lake.environments import refer
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.lake.schema import arrow_columns_of
from data_platform.lake.upkeep.promote import plan_promotion
from data_platform.storage.errors import LakeError
from data_platform.tables.outcomes import DATA, DUPLICATES, QUARANTINE, Outcome
from data_platform_tests.support.lake_home import (
    ATTEMPT,
    DAY,
    MONDAY,
    REASONS,
    SALES,
    SCHEMA,
    LakeHome,
    days,
)

_N, _M = SCHEMA.fields[1], T.StructField("m", T.LongType(), True)


@pytest.fixture
def home(tmp_path: Path) -> LakeHome:
    return LakeHome(tmp_path)


@pytest.fixture
def inner(home: LakeHome) -> LakeHome:
    """An environment beside the home, without tables."""
    folder = home.folder / "environment"
    folder.mkdir()
    found = LakeHome(folder, home.place)
    found.__dict__["lake"] = type(home.lake)(
        {**home.lake.properties, "uri": f"sqlite:///{folder}/catalog.db"},
        f"{home.lake.warehouse}/_environments/pr_42",
    )
    return found


def promote(home: LakeHome, inner: LakeHome, *beside: Outcome) -> None:
    into: dict[Outcome, LakeTable] = {DATA: home.lake.load(SALES)}
    into |= {o: home.lake.load(SALES.sibling(REJECTED_LAYERS[o])) for o in beside}
    builds = inner.builds.latest(SALES)
    plan_promotion(inner.lake, into, SALES, builds, {}).apply("pr_42")


def write(inner: LakeHome, numbers: list[int]) -> None:
    """Replace Monday by these numbers; columns but `n` are null, or 7."""
    data = days({MONDAY: numbers})
    for column in arrow_columns_of(inner.lake.load(SALES)):
        if column.name not in data.schema.names:
            value = 7 if column.type == pa.int64() else None
            data = data.append_column(column.name, pa.array([value] * len(numbers), column.type))
    inner.publish(inner.stage(data, [MONDAY]))


def struct(*fields: T.StructField) -> T.StructType:
    return T.StructType([DAY, *fields])


def test_a_column_that_both_added_alike_is_read_through_the_reference(
    home: LakeHome, inner: LakeHome
) -> None:
    home.make()
    refer(home.lake.load(SALES), SALES, inner.lake)
    for each in (inner, home):
        each.make(schema=struct(_N, _M))
    write(inner, [1, 2])
    promote(home, inner)
    assert home.numbers() == {MONDAY: [1, 2]}
    assert home.lake.load(SALES).scan().to_arrow().column("m").to_pylist() == [7, 7]


def test_a_new_table_whose_columns_changed_their_order_is_refused(
    home: LakeHome, inner: LakeHome
) -> None:
    inner.make(schema=struct(_N))
    inner.make(schema=struct(_M, _N))  # which numbers m after n
    home.make(schema=struct(_M, _N))
    write(inner, [1])
    with pytest.raises(LakeError, match=r"the columns n, m .*`data-platform run`"):
        promote(home, inner)
    assert home.numbers() == {}


def test_a_column_whose_number_production_gave_to_another_is_refused(
    home: LakeHome, inner: LakeHome
) -> None:
    home.make(schema=struct())
    refer(home.lake.load(SALES), SALES, inner.lake)
    inner.make(schema=struct(_N))
    write(inner, [1])
    home.make(schema=struct(_M))  # promoted from another environment
    with pytest.raises(LakeError, match=f"{SALES}: .* the columns n "):
        promote(home, inner)
    home.make(schema=struct(_M, _N))
    with pytest.raises(LakeError, match=f"{SALES}: .* the columns n "):
        promote(home, inner)
    assert home.numbers() == {}


def test_a_nested_column_has_to_have_the_same_number(home: LakeHome, inner: LakeHome) -> None:
    def nested(*names: str) -> T.StructField:
        return T.StructField("s", T.StructType([T.StructField(n, T.LongType()) for n in names]))

    inner.make(schema=struct(_N, nested("a", "b")))
    home.make(schema=struct(_N, nested("b", "a")))
    write(inner, [1])
    with pytest.raises(LakeError, match=r"the columns s\.a, s\.b "):
        promote(home, inner)


def test_rejected_rows_have_to_have_the_same_columns(home: LakeHome, inner: LakeHome) -> None:
    home.make_rejecting()
    inner.make_rejecting()
    inner.judge({MONDAY: [1]}, {MONDAY: [-1]})
    promote(home, inner, QUARANTINE, DUPLICATES)
    assert home.rejected("quarantine") == {MONDAY: [-1]}

    other = T.StructType([*SCHEMA.fields, REASONS, _M, ATTEMPT])
    inner.make(SALES.sibling("quarantine"), other)
    with pytest.raises(LakeError, match=r"quarantine/shop/sales: .* the columns m "):
        promote(home, inner, QUARANTINE)
