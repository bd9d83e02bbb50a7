"""Which columns hold which partitions: a key must come back from its values."""

import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T

from data_platform.tables.identity import PartitionColumn, Partitioning
from data_platform.tables.partition_columns import column_type, misfit
from data_platform.tables.partition_times import times_of

NEW_YORK = "America/New_York"
DATE, TEXT, INT = T.DateType(), T.StringType(), T.IntegerType()
LOCAL, INSTANT = T.TimestampNTZType(), T.TimestampType()
DAYS = dg.DailyPartitionsDefinition("2011-03-01")
HOURS = dg.HourlyPartitionsDefinition("2011-03-01-00:00")
HOURS_THERE = dg.HourlyPartitionsDefinition("2011-03-01-00:00", timezone=NEW_YORK)
SHOPS = dg.StaticPartitionsDefinition(["bath", "york"])
BOTH = dg.MultiPartitionsDefinition({"shop": SHOPS, "day": DAYS})
TWO = dg.MultiPartitionsDefinition({"b": SHOPS, "a": SHOPS})


def _static(*keys: str) -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(list(keys))


def _partitioning(definition: dg.PartitionsDefinition, **kinds: T.DataType) -> Partitioning:
    times = times_of(definition, tuple(kinds))
    columns = (PartitionColumn(name, kind, times.get(name)) for name, kind in kinds.items())
    return Partitioning(tuple(columns))


FITTING = [
    (DAYS, {"day": DATE}),
    (DAYS, {"day": TEXT}),
    (DAYS, {"day": LOCAL}),
    (dg.DailyPartitionsDefinition("2999-01-01"), {"day": DATE}),
    (dg.DailyPartitionsDefinition("20110301", fmt="%Y%m%d"), {"day": DATE}),
    (dg.DailyPartitionsDefinition("20110301", fmt="%Y%m%d"), {"day": INT}),
    (dg.MonthlyPartitionsDefinition("2011-03", fmt="%Y-%m"), {"month": DATE}),
    (HOURS, {"hour": LOCAL}),
    (HOURS, {"hour": INSTANT}),
    (HOURS_THERE, {"hour": INSTANT}),
    (SHOPS, {"shop": TEXT}),
    (_static("1", "-2"), {"n": INT}),
    (_static("2011-03-01"), {"day": DATE}),
    (dg.DynamicPartitionsDefinition(name="shops"), {"shop": TEXT}),
    (BOTH, {"day": DATE, "shop": TEXT}),
    (BOTH, {"date": DATE, "store": TEXT}),
    (TWO, {"a": TEXT, "b": TEXT}),
]
MISFITS = [
    (_static("1", "01"), {"n": INT}, r"column n \(int\) holds the key '01' as '1'.*string"),
    (_static("+1"), {"n": INT}, "holds the key"),
    (_static("x"), {"n": INT}, "cannot hold the key 'x'.*declare it as string"),
    (_static("2147483648"), {"n": INT}, "more than 31 bits"),
    (_static(""), {"shop": TEXT}, "a key has 1 to 1000 characters"),
    (_static("x" * 5000), {"shop": TEXT}, "a key has 1 to 1000 characters"),
    (_static("1.5"), {"n": T.DecimalType(3, 1)}, "of a type that no partition has; .*string"),
    (_static("true"), {"n": T.BooleanType()}, "of a type that no partition has"),
    (_static("2011-3-1"), {"day": DATE}, "cannot hold the key '2011-3-1'"),
    (HOURS, {"hour": DATE}, r"hour \(date\) holds the key '2011-03-01-01:00' as .*timestamp_ntz"),
    (HOURS, {"hour": INT}, "cannot hold the key"),
    (HOURS_THERE, {"hour": LOCAL}, "the clock of America/New_York has twice.*as timestamp"),
    (DAYS, {"day": INT}, "cannot hold the key '2011-03-01'"),
    (dg.DynamicPartitionsDefinition(name="n"), {"n": INT}, "not known yet; declare it as string"),
    (BOTH, {"day": DATE}, r"names 1 columns \(day\), and it takes 2 \(day, shop\)"),
    (DAYS, {"day": DATE, "shop": TEXT}, "names 2 columns .* takes 1"),
    (BOTH, {"shop": TEXT, "day": DATE}, r"another order .* write partition_by=\('day', 'shop'\)"),
    (TWO, {"b": TEXT, "a": TEXT}, "another order"),
    (BOTH, {"store": TEXT, "date": INT}, "cannot hold the key 'bath'"),
]


@pytest.mark.parametrize(("definition", "kinds"), FITTING)
def test_a_column_that_gives_every_key_back_is_taken(
    definition: dg.PartitionsDefinition, kinds: dict[str, T.DataType]
) -> None:
    assert misfit(_partitioning(definition, **kinds), definition) is None


@pytest.mark.parametrize(("definition", "kinds", "why"), MISFITS)
def test_a_column_that_would_lose_a_key_is_refused_with_the_way_out(
    definition: dg.PartitionsDefinition, kinds: dict[str, T.DataType], why: str
) -> None:
    found = misfit(_partitioning(definition, **kinds), definition)
    assert found and re.search(why, found)


@pytest.mark.parametrize("definition", [DAYS, HOURS, HOURS_THERE, SHOPS])
def test_the_type_that_is_suggested_fits(definition: dg.PartitionsDefinition) -> None:
    assert misfit(_partitioning(definition, p=column_type(definition)), definition) is None


CHARACTERS = st.sampled_from("0123456789+-_. ٣aΩ")
KEY = st.text(CHARACTERS, min_size=1, max_size=12).filter(lambda key: "..." not in key)  # Dagster's


@given(st.lists(KEY, min_size=1, max_size=5, unique=True), st.sampled_from([TEXT, INT, DATE]))
def test_what_is_taken_keeps_its_keys_apart(keys: list[str], kind: T.DataType) -> None:
    definition = _static(*keys)
    partitioning = _partitioning(definition, p=kind)
    if misfit(partitioning, definition) is None:
        values = [partitioning.values(key) for key in keys]
        assert len(set(values)) == len(keys)
        assert [partitioning.key(value) for value in values] == keys
