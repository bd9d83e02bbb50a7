"""Random expressions of the functions that tables use, over rows of odd values."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from pyspark.sql import Column
from pyspark.sql import functions as F

SCHEMA = (
    "s string, t string, i int, j int, l bigint, d double, e double, m decimal(12,3), "
    "k decimal(18,4), b boolean, day date, other date, at timestamp"
)


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


_D = Decimal
ROWS: list[tuple[Any, ...]] = [
    (
        "12",
        "a",
        1,
        3,
        5,
        1.5,
        2.0,
        _D("2.500"),
        _D("1.2345"),
        True,
        dt.date(2024, 2, 29),
        dt.date(2024, 1, 31),
        _moment("2024-02-29T23:30:15.123456"),
    ),
    (
        " x ",
        "",
        0,
        -1,
        0,
        0.0,
        -0.0,
        _D("0.000"),
        _D("-0.5000"),
        False,
        dt.date(1970, 1, 1),
        dt.date(1969, 12, 31),
        _moment("1969-12-31T23:59:59.999999"),
    ),
    (
        "-3.50",
        "-3",
        -7,
        2,
        -5,
        -2.5,
        2.5,
        _D("-2.345"),
        _D("2.5000"),
        True,
        dt.date(1500, 2, 28),
        dt.date(1582, 10, 4),
        _moment("1582-10-04T00:00:00"),
    ),
    (
        "ß",
        "İ",
        2**31 - 1,
        -(2**31),
        2**63 - 1,
        float("inf"),
        1e7,
        _D("999999999.999"),
        _D("99999999999999.9999"),
        None,
        dt.date(9999, 12, 31),
        dt.date(1, 1, 1),
        _moment("9999-12-31T23:59:59"),
    ),
    (
        "2026-01-05",
        "2026-01-05 23:30:00",
        -(2**31),
        10,
        -(2**63),
        float("nan"),
        1e-7,
        _D("0.001"),
        _D("0.0001"),
        False,
        dt.date(2026, 1, 5),
        dt.date(2025, 3, 30),
        _moment("2026-03-29T01:30:00"),
    ),
    (
        "a\nb",
        "b\n",
        7,
        4,
        12,
        123456.789,
        3.0,
        _D("12.345"),
        _D("0.1250"),
        True,
        dt.date(2026, 12, 31),
        dt.date(2026, 1, 1),
        _moment("2026-06-15T12:00:00"),
    ),
    (
        "Ünï-Cödé x_1",
        "\u0661\u0662\u00a0\u2028z",
        10,
        100,
        1000,
        -1.0,
        0.1,
        _D("1.005"),
        _D("-1.0005"),
        False,
        dt.date(2000, 2, 28),
        dt.date(2000, 3, 1),
        _moment("2000-01-01T00:00:00"),
    ),
    (None,) * 13,
]

_PATTERNS = (
    "[0-9]+",
    r"\d",
    r"\w+",
    r"\s",
    r"^\s+",
    ".",
    "[^a-z]",
    "a|b",
    r"(\d)(\d)?",
    "",
    "x*",
    "b$",
)
_FORMATS = ("yyyy-MM-dd", "dd.MM.yyyy", "yyyy-MM-dd HH:mm:ss", "M/d/yyyy H:mm")
_TEXTS = ("", "a", "12", " 7", "2024-02-30", "-", "é", "%", "a_")

Exprs = st.SearchStrategy[Column]


def _one(*of: Callable[..., Column]) -> Callable[..., Exprs]:
    """Any of these functions of the same arguments."""
    return lambda *args: st.one_of(*(st.builds(each, *args) for each in of))


def _cols(*names: str) -> Exprs:
    return st.sampled_from(names).map(F.col)


def _lit(*values: Any) -> Exprs:
    return st.sampled_from(values).map(F.lit)


_small = st.integers(-3, 5)
_pattern, _format = st.sampled_from(_PATTERNS), st.sampled_from(_FORMATS)

ints: Exprs = st.deferred(lambda: st.one_of(_cols("i", "j", "l"), _lit(0, 1, -1, 7), _ints()))
doubles: Exprs = st.deferred(lambda: st.one_of(_cols("d", "e"), _lit(0.5, -1.0), _doubles()))
decimals: Exprs = st.deferred(
    lambda: st.one_of(_cols("m", "k"), _lit(_D("1.5"), _D("-0.05")), _decimals())
)
texts: Exprs = st.deferred(lambda: st.one_of(_cols("s", "t"), _lit(*_TEXTS), _of_texts()))
truths: Exprs = st.deferred(lambda: st.one_of(_cols("b"), _truths()))
days: Exprs = st.deferred(lambda: st.one_of(_cols("day", "other"), _days()))
moments: Exprs = st.deferred(lambda: st.one_of(_cols("at"), _moments()))


def _chosen(of: Exprs) -> Exprs:
    """An expression that takes one of two values."""
    return st.one_of(
        st.builds(lambda c, a, b: F.when(c, a).otherwise(b), truths, of, of),
        st.builds(lambda c, a: F.when(c, a), truths, of),
        _one(F.coalesce, F.greatest, F.least, F.nullif)(of, of),
    )


def _ints() -> Exprs:
    return st.one_of(
        _one(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)(ints, ints),
        _one(lambda a, b: a % b, F.pmod, F.try_add, F.try_multiply)(ints, ints),
        _one(lambda a: -a, F.abs, F.sign)(ints),
        _one(F.length, F.ascii, F.octet_length)(texts),
        st.builds(F.instr, texts, st.sampled_from(_TEXTS)),
        _one(F.year, F.month, F.dayofmonth, F.dayofweek, F.weekofyear, F.quarter)(days),
        _one(F.hour, F.minute, F.second)(moments),
        st.builds(F.datediff, days, days),
        st.builds(lambda a, to: a.try_cast(to), texts, st.sampled_from(["int", "bigint"])),
        st.builds(lambda a, to: a.cast(to), ints, st.sampled_from(["smallint", "int", "bigint"])),
        st.builds(lambda a, to: a.cast(to), decimals, st.sampled_from(["int", "bigint"])),
        st.builds(lambda a: a.cast("int"), doubles),
        _one(F.floor, F.ceil)(doubles),
        st.builds(lambda a: a.cast("int"), truths),
        st.builds(lambda a, p: F.size(F.split(a, p)), texts, _pattern),
        _chosen(ints),
    )


def _doubles() -> Exprs:
    return st.one_of(
        _one(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)(doubles, doubles),
        _one(lambda a, b: a / b, F.try_divide)(doubles, doubles),
        st.builds(lambda a, b: a / b, ints, ints),
        st.builds(lambda a, b: a * b, ints, doubles),
        st.builds(lambda a, b: a + b, _cols("m"), doubles),
        _one(F.abs, F.sqrt, lambda a: -a)(doubles),
        st.builds(F.nanvl, doubles, doubles),
        st.builds(F.round, doubles, _small),
        st.builds(lambda a: a.cast("double"), st.one_of(ints, _cols("m"))),
        st.builds(lambda a: a.try_cast("double"), texts),
        _chosen(doubles),
    )


def _decimals() -> Exprs:
    return st.one_of(
        _one(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)(decimals, decimals),
        _one(lambda a, b: a * b, lambda a, b: a % b)(decimals, ints),
        _one(F.abs, lambda a: -a, F.ceil, F.floor)(decimals),
        st.builds(F.round, decimals, _small),
        st.builds(F.bround, decimals, _small),
        st.builds(lambda a: a.cast("decimal(12,2)"), st.one_of(ints, decimals, doubles)),
        st.builds(lambda a: a.try_cast("decimal(12,2)"), texts),
        _chosen(decimals),
    )


def _of_texts() -> Exprs:
    return st.one_of(
        _one(F.upper, F.lower, F.trim, F.ltrim, F.rtrim, F.reverse)(texts),
        st.builds(F.substring, texts, _small, _small),
        _one(F.concat, lambda a, b: F.concat_ws("-", a, b))(texts, texts),
        _one(F.lpad, F.rpad)(texts, st.integers(0, 4), st.sampled_from(["x", "ab"])),
        st.builds(F.regexp_replace, texts, _pattern, st.sampled_from(["", "-", "$1", "<$0>"])),
        st.builds(lambda a, p: F.regexp_extract(a, p, 0), texts, _pattern),
        st.builds(
            lambda a, b, c: F.replace(a, F.lit(b), F.lit(c)), texts, *[st.sampled_from(_TEXTS)] * 2
        ),
        st.builds(lambda a, p, at: F.split(a, p)[at], texts, _pattern, st.integers(0, 2)),
        st.builds(lambda a, at: F.substring_index(a, "-", at), texts, _small),
        st.builds(lambda a: F.translate(a, "ab1", "x"), texts),
        st.builds(lambda a: a.cast("string"), st.one_of(ints, decimals, days, moments, truths)),
        st.builds(F.date_format, st.one_of(days, moments), _format),
        _chosen(texts),
    )


def _truths() -> Exprs:
    def compared(of: Exprs) -> Exprs:
        return _one(
            lambda a, b: a == b,
            lambda a, b: a < b,
            lambda a, b: a >= b,
            lambda a, b: a != b,
            lambda a, b: a.eqNullSafe(b),
            lambda a, b: a.between(b, a),
            lambda a, b: a.isin(b, a),
        )(of, of)

    return st.one_of(
        *(compared(of) for of in (ints, doubles, decimals, texts, days, moments)),
        compared(st.one_of(ints, decimals)),
        st.builds(lambda a: a.isNull(), st.one_of(ints, texts, doubles)),
        st.builds(lambda a, p: a.rlike(p), texts, _pattern),
        st.builds(
            lambda a, p: a.like(p), texts, st.sampled_from(["a%", "%\n%", "_", "%-%", "a\\_%"])
        ),
        st.builds(
            lambda f, a, b: f(a, b),
            st.sampled_from([Column.startswith, Column.endswith, Column.contains]),
            *(texts, texts),
        ),
        _one(lambda a, b: a & b, lambda a, b: a | b)(truths, truths),
        st.builds(lambda a: ~a, truths),
        st.builds(F.isnan, doubles),
        st.builds(lambda a: a.try_cast("boolean"), texts),
    )


def _days() -> Exprs:
    return st.one_of(
        _one(F.date_add, F.date_sub, F.add_months)(days, _small),
        st.builds(F.trunc, days, st.sampled_from(["month", "year", "week", "quarter"])),
        st.builds(F.last_day, days),
        st.builds(F.next_day, days, st.sampled_from(["Mon", "Sunday"])),
        st.builds(lambda a: a.cast("date"), moments),
        st.builds(lambda a: a.try_cast("date"), texts),
        st.builds(lambda a, f: F.to_date(F.try_to_timestamp(a, F.lit(f))), texts, _format),
        _chosen(days),
    )


def _moments() -> Exprs:
    return st.one_of(
        st.builds(F.date_trunc, st.sampled_from(["hour", "day", "week", "month"]), moments),
        st.builds(lambda a: a.cast("timestamp"), days),
        st.builds(lambda a: a.try_cast("timestamp"), texts),
        st.builds(lambda a, f: F.try_to_timestamp(a, F.lit(f)), texts, _format),
        st.builds(lambda a, n: a + F.make_interval(hours=F.lit(n)), moments, _small),
        _chosen(moments),
    )


anything: Exprs = st.one_of(ints, doubles, decimals, texts, truths, days, moments)
