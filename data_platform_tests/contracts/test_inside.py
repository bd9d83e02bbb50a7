"""What every date, array and struct must be, whatever its contract says."""

import pandera.pyspark as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from data_platform.contracts.columns import column
from data_platform.contracts.compile import compile_rules, reasons
from data_platform.contracts.declare import contract
from data_platform.contracts.errors import ContractError
from data_platform.contracts.inside import has_times, promises

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

TAGS = T.ArrayType(T.StringType(), containsNull=False)
VISIT = T.StructType(
    [
        T.StructField("at", T.TimestampNTZType(), True),
        T.StructField("days", T.ArrayType(T.DateType()), True),
        T.StructField("who", T.StringType(), False),
    ]
)


@contract(table="gold/shop/visits", owner="team:shop", version="1", warn=("name.str_length",))
class Visits(pa.DataFrameModel):
    """Visits."""

    name: T.StringType = column(nullable=True, str_length={"max_value": 9})
    day: T.DateType = column(nullable=True)
    at: T.TimestampType = column(nullable=True)
    local: T.TimestampNTZType = column(nullable=True)
    tags: TAGS = column(nullable=True)
    visits: T.ArrayType(VISIT) = column(nullable=True)


def test_every_column_with_dates_is_judged_and_every_promise_of_a_type_is_kept() -> None:
    assert [rule.name for rule in compile_rules(Visits)] == [
        "name.str_length",
        "day.in_calendar",
        "at.in_calendar",
        "local.in_calendar",
        "tags.complete",
        "visits.in_calendar",
        "visits.complete",
    ]
    assert all(rule.severity == "blocking" for rule in compile_rules(Visits)[1:])
    assert not has_times(TAGS) and promises(TAGS)
    assert has_times(VISIT) and promises(VISIT)
    assert not promises(T.ArrayType(T.StructType([T.StructField("a", T.StringType())])))


CASES = {
    "day = DATE'+20265-01-06'": {"day.in_calendar"},
    "day = DATE'-0001-12-31'": {"day.in_calendar"},
    "day = date_sub(DATE'0001-01-01', 1)": {"day.in_calendar"},
    "day = DATE'0001-01-01'": set(),
    "day = DATE'9999-12-31'": set(),
    "at = TIMESTAMP'+10000-01-01 00:00:00Z'": {"at.in_calendar"},
    "at = TIMESTAMP'9999-12-31 23:59:59.999999Z'": set(),
    "at = TIMESTAMP'0001-01-01 00:00:00+01:00'": {"at.in_calendar"},
    "at = TIMESTAMP'0001-01-01 00:00:00Z'": set(),
    "local = TIMESTAMP_NTZ'+10000-01-01 00:00:00'": {"local.in_calendar"},
    "local = TIMESTAMP_NTZ'9999-12-31 23:59:59.999999'": set(),
    "tags = array('a', null)": {"tags.complete"},
    "tags = array('a')": set(),
    "tags = array()": set(),
    "visits = array(struct(null, null, 'me'))": set(),
    "visits = array(struct(null, array(null, DATE'2011-03-04'), 'me'))": set(),
    "visits = array(struct(null, null, null))": {"visits.complete"},
    "visits = array(struct(null, array(DATE'+20265-01-06'), 'me'))": {"visits.in_calendar"},
    "visits = array(struct(TIMESTAMP_NTZ'-0009-01-01', null, 'me'))": {"visits.in_calendar"},
}


def test_a_value_beyond_the_calendar_or_against_a_promise_breaks_a_rule_and_no_other_does(
    spark: SparkSession,
) -> None:
    values = {"name": "'a'", "day": "null", "at": "null", "local": "null", "tags": "null"}
    values["visits"] = "null"
    selects = []
    for case in CASES:
        name, _, value = case.partition(" = ")
        row = {**values, name: value}
        casts = (f"CAST({row[c.name]} AS {c.type.text}) AS {c.name}" for c in Visits.columns)
        selects.append(f"SELECT {', '.join(casts)}, {len(selects)} AS n")
    frame = spark.sql(" UNION ALL ".join(selects)).coalesce(1)
    judged = frame.select("n", reasons(compile_rules(Visits), "blocking").alias("why")).collect()
    found = {list(CASES)[row.n]: set(row.why or ()) for row in judged}
    assert found == CASES


@pytest.mark.parametrize("name", ["day.in_calendar", "tags.complete"])
def test_neither_can_be_a_warning(name: str) -> None:
    with pytest.raises(ContractError, match=rf"check {name}: warn: "):
        contract(table="gold/shop/visits", owner="team:shop", version="1", warn=(name,))(
            Visits.model
        )
