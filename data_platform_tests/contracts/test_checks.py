"""Compiled predicates agree with pandera.pyspark, row by row."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from itertools import zip_longest
from typing import Any, cast

import pandera.backends.pyspark.builtin_checks  # noqa: F401  registers what pandera would late
import pyarrow as arrow
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pandera.api.pyspark.types import PysparkDataframeColumnObject
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from data_platform.contracts.checks import whole
from data_platform.contracts.columns import column
from data_platform.contracts.compile import compile_rules
from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import spark_type
from data_platform_tests.support.contracts import declare, model

BYTE_ORDER_MARK, LINE_BREAKS = "\ufeff", ["a\n", "a\r\n", "a\u0085", "a\u2028", "\na", "a\nb"]
TEXTS = ["", " ", "a", "ab", "A", "aa", "é", "e\u0301", "ß", "😀", "٣", BYTE_ORDER_MARK, "\x00a"]


def _edges(*edges: Any, usual: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Any]:
    return st.sampled_from(edges) if usual is None else st.sampled_from(edges) | usual


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    """Every decimal(precision, scale); Python's own arithmetic would round to 28 digits."""
    largest = 10**precision - 1
    digits = _edges(0, 1, largest, -largest, usual=st.integers(-largest, largest))
    return digits.map(lambda number: Decimal(number).scaleb(-scale, Context(prec=precision)))


@dataclass(frozen=True)
class Kind:
    """A column type, values that are hard on it, and limits to compare them with."""

    type: T.DataType
    values: st.SearchStrategy[Any]
    limits: st.SearchStrategy[Any]


NUMBERS = st.sampled_from([0, 0.5, Decimal("0.5"), math.nan, -math.inf])
MODERN_DATES = st.dates(date(1600, 1, 1))
MODERN_TIMES = st.datetimes(
    datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)
) | st.just(datetime(2011, 3, 27, 1, 30, 0, 1, tzinfo=UTC))
TEXT = _edges(*LINE_BREAKS, *TEXTS, usual=st.text(st.characters(codec="utf-8"), max_size=3))
INTS = _edges(0, -(2**31), 2**31 - 1, usual=st.integers(-3, 3))
LONGS = _edges(0, 2**63 - 1, -(2**63), 2**53 + 1, usual=st.integers(-3, 3))
DOUBLES = _edges(
    math.nan, 0.0, -0.0, math.inf, -math.inf, 5e-324, usual=st.floats(allow_subnormal=False)
)
SINGLES = _edges(math.nan, 0.0, -0.0, math.inf, 2.0**-149, usual=st.floats(width=32))
BYTES = _edges(b"", b"\xff", b"\x00", b"a", usual=st.binary(max_size=2))

KINDS = {
    "string": Kind(T.StringType(), TEXT, TEXT),
    "int": Kind(T.IntegerType(), INTS, INTS | NUMBERS),
    "bigint": Kind(T.LongType(), LONGS, LONGS | NUMBERS),
    "byte": Kind(T.ByteType(), st.integers(-128, 127), INTS | NUMBERS),
    "short": Kind(T.ShortType(), st.integers(-(2**15), 2**15 - 1), INTS | NUMBERS),
    "float": Kind(T.FloatType(), SINGLES, SINGLES | NUMBERS),
    "double": Kind(T.DoubleType(), DOUBLES, DOUBLES | NUMBERS),
    "decimal": Kind(T.DecimalType(12, 3), _decimals(12, 3), _decimals(12, 3) | NUMBERS),
    "wide": Kind(T.DecimalType(38, 18), _decimals(38, 18), _decimals(38, 18) | NUMBERS),
    "boolean": Kind(T.BooleanType(), st.booleans(), st.booleans()),
    "binary": Kind(T.BinaryType(), BYTES, BYTES),
    "date": Kind(
        T.DateType(),
        _edges(date(2011, 3, 4), date(1, 1, 1), date(9999, 12, 31), usual=MODERN_DATES),
        MODERN_DATES,
    ),
    "timestamp": Kind(
        T.TimestampType(),
        _edges(datetime(2011, 3, 4, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC), usual=MODERN_TIMES),
        MODERN_TIMES,
    ),
}

PATTERNS = ["a", "^a", "a|b", "a$", "(?i)A", ".", r"\d", r"\w", "", r"[\s\S]{2}", whole("a"), "\n"]

# An example costs a Spark job per check and value, so there are 2, or 20 with the profile "soak",
# and a failing one is shown as it was found: to shrink it would take minutes.
few = settings(
    max_examples=max(1, cast(settings, settings.default).max_examples // 50),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def _frame(spark: SparkSession, values: list[Any], type_: T.DataType) -> DataFrame:
    """A frame with a column `v`; through Arrow, since Spark needs no Python worker for that."""
    table = arrow.table({"v": arrow.array(values, to_arrow_type(type_))})
    return spark.createDataFrame(table, T.StructType([T.StructField("v", type_)]))


def _contract(type_: Any, *, nullable: bool = True, **checks: Any) -> Contract:
    field = column(nullable=nullable, **checks)
    return declare(model(type_, field), table="gold/shop/values")


def _compiled_verdicts(declared: Contract, frame: DataFrame) -> list[dict[str, bool]]:
    """For each row, whether it keeps each rule."""
    rules = compile_rules(declared)
    rows = frame.select(*(rule.holds().alias(rule.description) for rule in rules)).collect()
    return [row.asDict() for row in rows]


def _pandera_verdicts(declared: Contract, frame: DataFrame) -> dict[str, bool]:
    """Whether pandera finds that a one-row frame keeps each rule."""
    checked = cast(Any, declared.model.validate(cast(Any, frame)))
    broken: set[str] = set()
    for errors in checked.pandera.errors.values():
        for reason, found in errors.items():
            assert reason in ("DATAFRAME_CHECK", "SERIES_CONTAINS_NULLS"), found
            broken |= {error["check"] for error in found}
    return {
        rule.description: ("not_nullable" if rule.check == "not_null" else rule.description)
        not in broken
        for rule in compile_rules(declared)
    }


def _assert_agreement(spark: SparkSession, declared: Contract, values: list[Any]) -> None:
    type_ = spark_type(declared.columns[0].type)
    compiled = _compiled_verdicts(declared, _frame(spark, values, type_))
    for value, verdicts in zip(values, compiled, strict=True):
        assert verdicts == _pandera_verdicts(declared, _frame(spark, [value], type_)), repr(value)


@pytest.fixture(scope="module")
def quick(spark: SparkSession) -> Iterator[SparkSession]:
    """The session without the planning that only pays on data; pandera runs hundreds of jobs."""
    plain = {"spark.sql.adaptive.enabled": "false", "spark.sql.codegen.wholeStage": "false"}
    before = {name: spark.conf.get(name) for name in plain}
    for name, value in plain.items():
        spark.conf.set(name, value)
    yield spark
    for name, value in before.items():
        spark.conf.set(name, cast(str, value))


def _distinct(values: st.SearchStrategy[Any], *, size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=size, max_size=size, unique_by=repr)


def _modern(value: Any) -> bool:
    """pandera's limits pass through java.sql, which shifts what is older."""
    return not isinstance(value, date) or value.year >= 1600


FLOATS = [math.nan, -0.0, 0.0, 0.5, math.inf, -math.inf, None]
MILLIS = [Decimal(text) for text in ("0.499", "0.5", "0.501", "-999999999.999")]
EDGES: dict[str, tuple[list[Any], list[Any]]] = {
    "byte": ([0, 1, -128, 127, None], [0, 0.5, 2**31]),
    "short": ([0, 1, -(2**15), 2**15 - 1, None], [0, Decimal("0.5")]),
    "int": ([0, 1, -(2**31), 2**31 - 1, None], [0, 0.5, Decimal("0.5"), math.nan, 2**31]),
    "bigint": (
        [0, 1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, None],
        [0, 0.5, Decimal("0.5"), 2.0**53, Decimal(2**53), -math.inf],
    ),
    "float": (FLOATS, [math.nan, 0, 0.5, 0.1, Decimal("0.5")]),
    "double": (FLOATS, [math.nan, 0, 0.5, -0.0, math.inf, Decimal("0.5")]),
    "decimal": ([*MILLIS, None], [0.5, Decimal("0.50"), Decimal("0.4999"), math.nan]),
    "wide": ([*MILLIS, None], [0.5, Decimal("0.50"), Decimal("1e-18")]),
}
"""Of each kind the values, and the limits to compare each with, at which engines differ."""


LENGTHS = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (0, None), (1, None), (None, 1), (3, None)]


class _Asked:
    """Stands for a frame, and keeps what a check of pandera would look for in it with a job."""

    def __init__(self) -> None:
        self.broken: list[Column] = []

    def filter(self, broken: Column) -> "_Asked":
        self.broken.append(broken)
        return self

    def limit(self, _: int) -> "_Asked":
        return self

    def count(self) -> int:
        return 0


def _assert_edges_agree(spark: SparkSession, contracts: list[Contract], values: list[Any]) -> None:
    """As `_assert_agreement`, with pandera's conditions instead of its jobs: a single one."""
    asked = _Asked()
    for declared in contracts:
        for check in declared.model.to_schema().columns["v"].checks:
            check._check_fn(
                PysparkDataframeColumnObject(cast(Any, asked), "v"), **check._check_kwargs
            )
    rules = [rule for declared in contracts for rule in compile_rules(declared)]
    compiled = [rule.holds() for rule in rules]
    by_pandera = [~F.coalesce(broken, F.lit(False)) for broken in asked.broken]
    frame = _frame(spark, values, spark_type(contracts[0].columns[0].type))
    rows = frame.select(F.array(*compiled), F.array(*by_pandera)).collect()
    for value, (kept, said) in zip(values, rows, strict=True):
        verdicts = zip(rules, kept, said, strict=True)
        assert [rule.description for rule, ours, its in verdicts if ours != its] == [], repr(value)


@pytest.mark.parametrize(
    ("kind", "values", "checks", "expected"),
    [
        (
            T.DecimalType(12, 3),
            [Decimal("1.500"), Decimal("-2.000")],
            {"lt": math.inf, "gt": -math.inf, "le": math.nan, "ne": math.nan},
            [True] * 4,
        ),
        (T.DecimalType(12, 3), [Decimal("1.500")], {"gt": math.inf, "eq": math.nan}, [False] * 2),
        (T.DecimalType(12, 3), [Decimal("0.100")], {"isin": [math.nan, Decimal("0.1")]}, [True]),
        (
            T.DoubleType(),
            [math.nan, math.inf],
            {"gt": Decimal("0.5"), "ne": Decimal("0.5")},
            [True] * 2,
        ),
    ],
)
def test_decimals_and_doubles_are_compared_as_doubles(
    spark: SparkSession, kind: T.DataType, values: list, checks: dict, expected: list[bool]
) -> None:
    rules = [rule for rule in compile_rules(_contract(kind, **checks)) if rule.check != "not_null"]

    rows = _frame(spark, values, kind).select(*(rule.holds() for rule in rules)).collect()

    assert [list(row) for row in rows] == [expected] * len(values)


@pytest.mark.spark_only("pandera has Sail cast NaN to a decimal")
@pytest.mark.parametrize("name", EDGES)
def test_the_edges_of_numbers_agree_with_pandera(spark: SparkSession, name: str):
    values, limits = EDGES[name]
    contracts = [
        _contract(
            KINDS[name].type,
            **dict.fromkeys(("eq", "ne", "gt", "ge", "lt", "le"), limit),
            isin=[limit],
            notin=[limit, None],
        )
        for limit in limits
    ]
    _assert_edges_agree(spark, contracts, values)


@pytest.mark.spark_only("Sail has no look-around in patterns")
def test_the_edges_of_texts_agree_with_pandera(spark: SparkSession):
    contracts = [
        _contract(
            T.StringType,
            str_matches=pattern,
            str_contains=pattern,
            str_length={"min_value": low, "max_value": high},
        )
        for pattern, (low, high) in zip_longest(PATTERNS, LENGTHS, fillvalue=(0, 3))
    ]
    _assert_edges_agree(spark, contracts, [*TEXTS, *LINE_BREAKS, None])


def _is_of(kind: Kind, value: Any) -> bool:
    try:
        arrow.array([value], to_arrow_type(kind.type))
    except (arrow.ArrowInvalid, arrow.ArrowTypeError):
        return False
    return value is not None


@pytest.mark.spark_only("pandera has Sail cast NaN to a decimal")
@pytest.mark.parametrize(
    "name", ["int", "bigint", "float", "double", "decimal", "wide", "date", "timestamp"]
)
@given(data=st.data())
@few
def test_comparisons_agree_with_pandera(quick: SparkSession, name: str, data: st.DataObject):
    kind = KINDS[name]
    limit = data.draw(kind.limits, "limit")
    low, high = sorted(
        data.draw(st.lists(kind.values.filter(_modern), min_size=2, max_size=2, unique=True))
    )
    declared = _contract(
        kind.type,
        eq=limit,
        ne=limit,
        gt=limit,
        ge=limit,
        lt=limit,
        le=limit,
        in_range=(low, high, data.draw(st.booleans()), data.draw(st.booleans())),
    )
    values = data.draw(_distinct(kind.values, size=2), "values")
    _assert_agreement(quick, declared, [low, None, *values])


@pytest.mark.spark_only("pandera compares no bytes on Spark Connect")
@pytest.mark.parametrize("name", ["string", "binary", "boolean"])
@given(data=st.data())
@few
def test_equality_agrees_with_pandera(quick: SparkSession, name: str, data: st.DataObject):
    kind = KINDS[name]
    limit = data.draw(kind.limits, "limit")
    values = data.draw(st.lists(kind.values, min_size=2, max_size=2), "values")
    _assert_agreement(quick, _contract(kind.type, eq=limit, ne=limit), [limit, None, *values])


@pytest.mark.spark_only("pandera has Sail cast NaN to a decimal")
@pytest.mark.parametrize("name", sorted(set(KINDS) - {"boolean"}))
@given(data=st.data())
@few
def test_lists_agree_with_pandera(quick: SparkSession, name: str, data: st.DataObject):
    kind = KINDS[name]
    listed = data.draw(st.lists(kind.limits | st.none(), max_size=3), "listed")
    values = data.draw(_distinct(kind.values, size=2), "values")
    inside = [value for value in listed if _is_of(kind, value)][:1]
    declared = _contract(kind.type, isin=listed, notin=listed)
    _assert_agreement(quick, declared, [None, *inside, *values])


@pytest.mark.spark_only("Sail has no look-around in patterns")
@given(data=st.data())
@settings(few, max_examples=2 * few.max_examples)
def test_texts_agree_with_pandera(quick: SparkSession, data: st.DataObject):
    length = data.draw(st.integers(0, 2), "length")
    declared = _contract(
        T.StringType,
        str_matches=data.draw(st.sampled_from(PATTERNS), "matches"),
        str_contains=data.draw(st.sampled_from(PATTERNS), "contains"),
        str_startswith=data.draw(TEXT, "start"),
        str_endswith=data.draw(TEXT, "end"),
        str_length=data.draw(
            st.sampled_from([length, (length, 3), {"min_value": length}, {"max_value": length}])
        ),
    )
    _assert_agreement(quick, declared, data.draw(_distinct(TEXT | st.none(), size=5), "values"))


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
@settings(few, max_examples=max(1, few.max_examples // 2))
def test_nullable_agrees_with_pandera(quick: SparkSession, name: str, data: st.DataObject):
    kind = KINDS[name]
    declared = _contract(kind.type, nullable=False)
    _assert_agreement(quick, declared, [None, data.draw(kind.values, "value")])


def test_timestamps_without_a_zone_are_compared_as_written_in_any_session_zone(spark: SparkSession):
    limit = datetime(2011, 3, 13, 2, 30)  # does not exist in New York
    declared = _contract(T.TimestampNTZType(), eq=limit, ge=limit, isin=[limit, None])
    values = [limit, datetime(2011, 3, 13, 2, 29, 59, 999_999), datetime(1, 1, 1), None]
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        verdicts = _compiled_verdicts(declared, _frame(spark, values, T.TimestampNTZType()))
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert [tuple(verdict.values()) for verdict in verdicts] == [
        (True, True, True, True),  # each is in the calendar
        (True, False, False, True),  # a null in a list makes the answer unknown, which obeys
        (True, False, False, True),
        (True, True, True, True),
    ]


def test_limits_before_the_gregorian_calendar_are_the_written_days(spark: SparkSession):
    first = date(1, 1, 1)
    declared = _contract(T.DateType(), eq=first)
    frame = _frame(spark, [first, date(1, 1, 3)], T.DateType())
    verdicts = [list(row.values()) for row in _compiled_verdicts(declared, frame)]
    assert verdicts == [[True, True], [True, False]]  # both are in the calendar


def test_a_whole_pattern_lets_no_line_break_pass(spark: SparkSession):
    declared = _contract(T.StringType(), str_matches=whole("a|bb"))
    frame = _frame(spark, ["a", "bb", "ab", "a\n", "a\r\n", "a\u2028", ""], T.StringType())
    kept = [next(iter(row.values())) for row in _compiled_verdicts(declared, frame)]
    assert kept == [True, True, False, False, False, False, False]
