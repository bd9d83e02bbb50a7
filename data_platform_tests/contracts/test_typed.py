"""What a text is typed as: compared with Python's own decimal and datetime, many texts a job."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.contracts import typed

EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)
DAY_FIRST = "%d/%m/%Y %H:%M"


def _read(
    spark: SparkSession, texts: list[str | None], columns: dict[str, Column]
) -> dict[str, list[Any]]:
    """Of each column its values, in the order of the texts, in one job; moments as microseconds."""
    rows = list(enumerate(texts))
    frame = spark.createDataFrame(rows, "_n int, text string").select("_n", *(
        (F.unix_micros(c) if name.startswith("instant") else c).alias(name)
        for name, c in columns.items()
    ))  # fmt: skip
    found = frame.orderBy("_n").collect()
    return {name: [row[name] for row in found] for name in columns}


def _decimal(text: str, precision: int, scale: int) -> Decimal | None:
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        return None
    value = Decimal(text)
    with localcontext(prec=200):
        fits = abs(value) < 10 ** (precision - scale)
        return value if fits and value == round(value, scale) else None


def _integer(text: str, bits: int, pattern: str = "[+-]?[0-9]+") -> int | None:
    value = int(text.partition(".")[0]) if re.fullmatch(pattern, text) else None
    return value if value is not None and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) else None


def _date(text: str) -> dt.date | None:
    return _or_none(dt.date.fromisoformat, text, "[0-9]{4}-[0-9]{2}-[0-9]{2}")


CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?"
OFFSET = "(Z|[+-][0-9]{2}:?[0-9]{2})"


def _clock(text: str) -> dt.datetime | None:
    cut = re.sub(r"(\.[0-9]{6})0+", r"\1", text)  # what Python does not read
    return _or_none(dt.datetime.fromisoformat, cut, CLOCK)


def _instant(text: str) -> int | None:
    found = re.fullmatch(f"({CLOCK}){OFFSET}", text)
    clock = _clock(found[1]) if found else None
    if not found or clock is None:
        return None
    offset = found[4]
    if offset == "Z":
        return (clock - EPOCH) // MICROSECOND
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if minutes > 59 or (hours, minutes) > (18, 0):  # ISO 8601 as Java has it
        return None
    ahead = dt.timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    return (clock - EPOCH - ahead) // MICROSECOND


def _day_first(text: str) -> dt.datetime | None:
    pattern = "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{1,2}"
    return _or_none(lambda t: dt.datetime.strptime(t, DAY_FIRST), text, pattern)


def _comma(text: str) -> Decimal | None:
    if not re.fullmatch(r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?", text):
        return None
    return _decimal(text.replace(".", "").replace(",", "."), 9, 2)


def _or_none(read: Callable[[str], Any], text: str, pattern: str) -> Any:
    if not re.fullmatch(pattern, text):
        return None
    try:
        return read(text)
    except ValueError:
        return None


TYPES: dict[str, tuple[Callable[[], Column], Callable[[str], Any]]] = {
    "decimal(5,1)": (lambda: typed.decimal("text", 5, 1), lambda t: _decimal(t, 5, 1)),
    "decimal(3,0)": (lambda: typed.decimal("text", 3, 0), lambda t: _decimal(t, 3, 0)),
    "decimal(38,18)": (lambda: typed.decimal("text", 38, 18), lambda t: _decimal(t, 38, 18)),
    "comma": (lambda: typed.decimal("text", 9, 2, point=",", grouping="."), _comma),
    "tinyint": (lambda: typed.integer("text", "tinyint"), lambda t: _integer(t, 8)),
    "int": (lambda: typed.integer("text"), lambda t: _integer(t, 32)),
    "bigint": (lambda: typed.integer("text", "bigint"), lambda t: _integer(t, 64)),
    "whole": (
        lambda: typed.integer("text", zero_fraction=True),
        lambda t: _integer(t, 32, r"[+-]?[0-9]+(\.0+)?"),
    ),
    "date": (lambda: typed.date("text"), _date),
    "clock": (lambda: typed.timestamp_ntz("text"), _clock),
    "day first": (lambda: typed.timestamp_ntz("text", DAY_FIRST), _day_first),
    "instant": (lambda: typed.timestamp("text"), _instant),
}

_digits = st.text("0123456789", min_size=1, max_size=5)
_two = st.one_of(st.integers(0, 61).map("{:02}".format), _digits)
_year = st.one_of(
    st.integers(2, 9998).map("{:04}".format), st.sampled_from(["0000", "20265", "26"])
)
_fraction = st.one_of(st.just(""), st.text("01239", max_size=9).map(lambda t: f".{t}"))
_zones = ["", "Z", "+05:00", "-0500", "+18:00", "+18:01", "-00:00", "+05", " Europe/Oslo", "+05:60"]
_numbers = st.one_of(
    st.builds("{}{}{}{}".format, st.sampled_from(["", "-", "+"]), _digits, _fraction, st.just("")),
    st.builds("{}.{},{}".format, _digits, st.text("0123456789", min_size=2, max_size=4), _digits),
    st.builds("{},{}".format, _digits, _digits),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.integers(-(2**66), 2**66).map(str),
)
_dates = st.one_of(
    st.dates(dt.date(2, 1, 1), dt.date(9998, 12, 31)).map(str),
    st.builds("{}-{}-{}".format, _year, _two, _two),
    st.builds("{}/{}/{} {}:{}".format, _two, _two, _year, _two, _two),
    st.builds("{}-{}".format, _year, _two),
)
_moments = st.one_of(
    st.builds(
        "{}{}{}:{}{}{}".format,
        _dates,
        st.sampled_from([" ", "T", "t", "  "]),
        _two,
        _two,
        st.one_of(st.just(""), st.builds(":{}{}".format, _two, _fraction)),
        st.sampled_from(_zones),
    ),
    st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31)).map(str),
    st.builds(
        "{}{}".format,
        st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 30)).map(str),
        st.sampled_from(_zones),
    ),
)
_plain = st.one_of(_numbers, _dates, _moments)
_damaged = st.builds(
    lambda text, at, what: text[: at % (len(text) + 1)] + what + text[at % (len(text) + 1) :],
    _plain,
    st.integers(0, 30),
    st.sampled_from(
        [" ", "\n", "\t", "\x00", "٣", "\uff11", "\u2212", "e3", "d", "_", "'", "-", ",", "."]
    ),
)
TEXTS = st.lists(st.one_of(_plain, _damaged), min_size=120, max_size=120)


@settings(max_examples=max(1, (settings.default.max_examples if settings.default else 100) // 20))
@given(texts=TEXTS)
def test_a_text_is_typed_where_the_type_holds_it_exactly_and_else_is_null(
    spark: SparkSession, texts: list[str]
) -> None:
    found = _read(spark, list(texts), {name: column() for name, (column, _) in TYPES.items()})

    for name, (_, model) in TYPES.items():
        assert dict(zip(texts, found[name], strict=True)) == {t: model(t) for t in texts}, name


DAMAGED = {
    "decimal(5,1)": ["-7.55", "-7,5", "1e3", " 6", "6 ", "6\n", "99999", "NaN", "Infinity", "7."],
    "int": ["1.0", "1e3", " 6", "2147483648", "1_000", "", "-", "0x1f", "6d"],
    "whole": ["17850.5", ".0", "1.0.0"],
    "date": ["2011-3", "20265-01-06", "2026-02-30", "0000-01-01", "2026-1-5", " 2026-01-05"],
    "clock": [
        "2026-01-05T23:30:00+05:00", "2026-01-05T23:30:00Z", "2026-01-05T24:00:00", "2026-01-05",
        "2016-12-31T23:59:60", "2026-01-05T23:30:00.1234567", "2026-01-05 10:00:00 UTC", "10:00:00",
    ],
    "instant": ["2026-01-05T23:30:00", "2026-01-05T23:30:00+18:01", "2016-12-31T23:59:60Z"],
    "comma": ["1.23,5", "12345.678,00", "1,234.50", "1.234,567"],
    "day first": ["31/02/2026 10:00", "1/2/26 10:00", "1/2/2026 24:00", "2026-02-01 10:00"],
}  # fmt: skip
WHOLE = {
    "decimal(5,1)": {"-7.5": Decimal("-7.5"), "7.50": Decimal("7.5"), "0007": Decimal("7.0")},
    "int": {"-5": -5, "007": 7, "-2147483648": -(2**31)},
    "whole": {"17850.0": 17850, "17850": 17850, "-3.000": -3},
    "date": {"2024-02-29": dt.date(2024, 2, 29)},
    "clock": {"2026-01-05 06:30": dt.datetime(2026, 1, 5, 6, 30)},
    "instant": {
        "2026-01-05T23:30:00+05:00": (dt.datetime(2026, 1, 5, 18, 30) - EPOCH) // MICROSECOND
    },
    "comma": {"-1.234,50": Decimal("-1234.50"), "1234,5": Decimal("1234.50")},
    "day first": {"5/1/2026 6:03": dt.datetime(2026, 1, 5, 6, 3)},
}


def test_values_that_casts_change_are_null_and_whole_ones_are_not(spark: SparkSession) -> None:
    texts = [t for each in (*DAMAGED.values(), *WHOLE.values()) for t in each]
    found = _read(spark, [*texts, None], {name: TYPES[name][0]() for name in DAMAGED})

    for name, values in found.items():
        read = dict(zip(texts, values, strict=False))
        assert {text: read[text] for text in DAMAGED[name]} == dict.fromkeys(DAMAGED[name]), name
        assert {text: read[text] for text in WHOLE[name]} == WHOLE[name], name
        assert values[-1] is None


def test_formats_and_words(spark: SparkSession) -> None:
    columns = {
        "compact": typed.date("text", "%Y%m%d"),
        "glued": typed.date("text", "%d%m%Y"),
        "percent": typed.date("text", "%%%Y-%m-%d"),
        "instant": typed.timestamp("text", "%d.%m.%Y %H:%M:%S.%f %z"),
        "yes": typed.boolean("text", true=("Y", "yes"), false=("N",)),
        "true": typed.boolean("text"),
    }
    texts = ["20260105", "05012026", "5012026", "%2026-01-05", "5.1.2026 06:30:00.25 -0500", "Y"]
    texts += ["N", "y", "true", "TRUE", "20260229", ""]
    found = _read(spark, list(texts), columns)

    day, at = dt.date(2026, 1, 5), dt.datetime(2026, 1, 5, 11, 30, 0, 250_000)
    assert {name: {t: v for t, v in zip(texts, vs, strict=True) if v is not None}
            for name, vs in found.items()} == {
        "compact": {"20260105": day},
        "glued": {"05012026": day},
        "percent": {"%2026-01-05": day},
        "instant": {"5.1.2026 06:30:00.25 -0500": (at - EPOCH) // MICROSECOND},
        "yes": {"Y": True, "N": False},
        "true": {"true": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: typed.decimal("t", 5, 6), r"decimal\(5,6\)"),
        (lambda: typed.decimal("t", 39, 1), r"decimal\(39,1\)"),
        (lambda: typed.decimal("t", 5, 1, point=",", grouping=","), "1,234 could be either"),
        (lambda: typed.decimal("t", 5, 1, grouping="-"), "no digit or sign"),
        (lambda: typed.date("t", "%d.%m"), "has no %Y"),
        (lambda: typed.date("t", "%d.%m.%Y %H"), "%H is not read here"),
        (lambda: typed.date("t", "%d.%b.%Y"), "%b is not read here"),
        (lambda: typed.date("t", "%d.%m.%Y%"), "% is not read here"),
        (lambda: typed.timestamp("t", "%d.%m.%Y %H:%M"), "has no %z"),
        (lambda: typed.timestamp_ntz("t", "%Y-%m-%d %Y"), "stands twice"),
    ],
)
def test_a_type_or_format_that_cannot_be_read_is_refused(declare: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare()


def test_a_column_of_any_name_can_be_read(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("7",)], "`a.b``c d` string")

    assert frame.select(typed.integer("a.b`c d")).first() == (7,)


LOST = [  # text, type, the value that a careless author made of it
    ("-7.55", "decimal(5,1)", "cast(text as decimal(5,1))"),
    ("7.9", "int", "int(cast(text as double))"),
    ("20265-01-06", "date", "date'2026-01-06'"),
    ("0000-01-06", "date", "cast(text as date)"),
    ("2026-01-05T23:30:00+05:00", "timestamp_ntz", "cast(text as timestamp_ntz)"),
    ("2026-01-05 23:30:00 Europe/Oslo", "timestamp_ntz", "cast(text as timestamp_ntz)"),
    ("2026-01-05 23:30:00.1234567", "timestamp_ntz", "cast(text as timestamp_ntz)"),
    ("2026-01-05 23:30:00.1234567Z", "timestamp", "cast(text as timestamp)"),
    ("9007199254740993", "bigint", "bigint(cast(text as double))"),
]
KEPT = [
    ("-7.50", "decimal(5,1)", "cast(text as decimal(5,1))"),
    ("17850.0", "int", "int(cast(text as double))"),
    ("-7,5", "decimal(5,1)", "cast(replace(text, ',', '.') as decimal(5,1))"),
    ("5 Jan 2026", "date", "to_date(text, 'd MMM yyyy')"),
    ("2026-01-05T23:30:00", "date", "to_date(text)"),
    ("2026-01-05 23:30:00", "timestamp", "to_utc_timestamp(text, 'Europe/Oslo')"),
    ("2026-01-05 23:30:00 Europe/Oslo", "timestamp", "cast(text as timestamp)"),
    ("1.5", "double", "cast(text as double)"),
]


@pytest.mark.spark_only("Sail casts no moment to a date")
@pytest.mark.parametrize(("cases", "kept"), [(LOST, False), (KEPT, True)])
def test_a_value_that_is_not_what_its_text_says_is_told_however_it_was_typed(
    spark: SparkSession, cases: list[tuple[str, str, str]], kept: bool
) -> None:
    told = [
        spark.createDataFrame([(text,)], "text string").select(
            typed.faithful(F.col("text"), F.expr(made), T.DataType.fromDDL(type_)),
            F.expr(made).cast("string"),
        )
        for text, type_, made in cases
    ]
    for (text, *_), frame in zip(cases, told, strict=True):
        row = frame.first()
        assert row and row[1] is not None and row[0] is kept, text


_DECIMALS = {"tinyint": 0, "int": 0, "bigint": 0} | {
    f"decimal({precision},{scale})": scale
    for precision, scale in [(5, 1), (12, 3), (15, 0), (16, 2), (38, 18)]
}
_CARELESS = ("cast(text as {0})", "cast(cast(text as double) as {0})", "cast(left(text, 4) as {0})")


@settings(max_examples=max(1, (settings.default.max_examples if settings.default else 100) // 20))
@given(st.lists(_plain, min_size=80, max_size=80))
def test_a_number_is_faithful_exactly_where_it_is_the_one_that_is_written(
    spark: SparkSession, texts: list[str]
) -> None:
    made = [
        (type_, careless.format(type_).replace("cast", "try_cast"))
        for type_ in _DECIMALS
        for careless in _CARELESS
    ]
    columns = {
        f"{name}{n}": column
        for n, (type_, value) in enumerate(made)
        for name, column in {
            "value": F.expr(value),
            "told": typed.faithful(F.col("text"), F.expr(value), T.DataType.fromDDL(type_)),
        }.items()
    }
    found = _read(spark, list(texts), columns)

    for n, (type_, how) in enumerate(made):
        for text, value, told in zip(texts, found[f"value{n}"], found[f"told{n}"], strict=True):
            if value is not None:
                plain = re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text)
                assert told is (not plain or Decimal(text) == value), (text, type_, how)


@settings(max_examples=max(1, (settings.default.max_examples if settings.default else 100) // 20))
@given(st.lists(_plain, min_size=80, max_size=80))
def test_a_day_or_time_that_is_read_without_loss_is_faithful(
    spark: SparkSession, texts: list[str]
) -> None:
    made = {"date": ("date", _date), "clock": ("timestamp_ntz", _clock)}
    columns = {
        name: typed.faithful(
            F.col("text"), F.expr(f"try_cast(text as {type_})"), T.DataType.fromDDL(type_)
        )
        for name, (type_, _) in made.items()
    }
    found = _read(spark, list(texts), columns)

    for name, (_, read) in made.items():
        for text, told in zip(texts, found[name], strict=True):
            if read(text) is not None:
                assert told is True, text
