"""Random expressions of the functions that tables use, over rows of odd values."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from functools import cache
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
        -1.005,
        0.285,
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


def _same(of: Column) -> Column:
    """As it is; `one_of` does not join the choices of a mapped strategy with its own."""
    return of


@cache
def ints(depth: int) -> Exprs:
    leaf = st.one_of(_cols("i", "j", "l"), _lit(0, 1, -1, 7))
    return st.one_of(leaf.map(_same), _ints(depth - 1).map(_same)) if depth else leaf


@cache
def doubles(depth: int) -> Exprs:
    leaf = st.one_of(_cols("d", "e"), _lit(0.5, -1.0))
    return st.one_of(leaf.map(_same), _doubles(depth - 1).map(_same)) if depth else leaf


@cache
def decimals(depth: int) -> Exprs:
    leaf = st.one_of(_cols("m", "k"), _lit(_D("1.5"), _D("-0.05")))
    return st.one_of(leaf.map(_same), _decimals(depth - 1).map(_same)) if depth else leaf


@cache
def texts(depth: int) -> Exprs:
    leaf = st.one_of(_cols("s", "t"), _lit(*_TEXTS))
    return st.one_of(leaf.map(_same), _of_texts(depth - 1).map(_same)) if depth else leaf


@cache
def truths(depth: int) -> Exprs:
    leaf = _cols("b")
    return st.one_of(leaf.map(_same), _truths(depth - 1).map(_same)) if depth else leaf


@cache
def days(depth: int) -> Exprs:
    leaf = _cols("day", "other")
    return st.one_of(leaf.map(_same), _days(depth - 1).map(_same)) if depth else leaf


@cache
def moments(depth: int) -> Exprs:
    leaf = _cols("at")
    return st.one_of(leaf.map(_same), _moments(depth - 1).map(_same)) if depth else leaf


def _chosen(of: Exprs, n: int) -> Exprs:
    """An expression that takes one of two values."""
    return st.one_of(
        st.builds(lambda c, a, b: F.when(c, a).otherwise(b), truths(n), of, of),
        st.builds(lambda c, a: F.when(c, a), truths(n), of),
        _one(F.coalesce, F.greatest, F.least, F.nullif)(of, of),
    )


def _ints(n: int) -> Exprs:
    return st.one_of(
        _one(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)(ints(n), ints(n)),
        _one(lambda a, b: a % b, F.pmod, F.try_add, F.try_multiply)(ints(n), ints(n)),
        _one(lambda a: -a, F.abs, F.sign)(ints(n)),
        _one(F.length, F.ascii, F.octet_length)(texts(n)),
        st.builds(F.instr, texts(n), st.sampled_from(_TEXTS)),
        _one(F.year, F.month, F.dayofmonth, F.dayofweek, F.weekofyear, F.quarter)(days(n)),
        _one(F.hour, F.minute, F.second)(moments(n)),
        st.builds(F.datediff, days(n), days(n)),
        st.builds(lambda a, to: a.try_cast(to), texts(n), st.sampled_from(["int", "bigint"])),
        st.builds(
            lambda a, to: a.cast(to), ints(n), st.sampled_from(["smallint", "int", "bigint"])
        ),
        st.builds(lambda a, to: a.cast(to), decimals(n), st.sampled_from(["int", "bigint"])),
        st.builds(lambda a: a.cast("int"), doubles(n)),
        _one(F.floor, F.ceil)(doubles(n)),
        st.builds(lambda a: a.cast("int"), truths(n)),
        st.builds(lambda a, p: F.size(F.split(a, p)), texts(n), _pattern),
        _chosen(ints(n), n),
    )


def _doubles(n: int) -> Exprs:
    return st.one_of(
        _one(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)(doubles(n), doubles(n)),
        _one(lambda a, b: a / b, F.try_divide)(doubles(n), doubles(n)),
        st.builds(lambda a, b: a / b, ints(n), ints(n)),
        st.builds(lambda a, b: a * b, ints(n), doubles(n)),
        st.builds(lambda a, b: a + b, _cols("m"), doubles(n)),
        _one(F.abs, F.sqrt, lambda a: -a)(doubles(n)),
        st.builds(F.nanvl, doubles(n), doubles(n)),
        st.builds(F.round, doubles(n), _small),
        st.builds(F.bround, doubles(n), _small),  # refused
        st.builds(lambda a: a.cast("double"), st.one_of(ints(n), _cols("m"))),
        st.builds(lambda a: a.try_cast("double"), texts(n)),
        _chosen(doubles(n), n),
    )


def _decimals(n: int) -> Exprs:
    return st.one_of(
        _one(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)(decimals(n), decimals(n)),
        _one(lambda a, b: a * b, lambda a, b: a % b)(decimals(n), ints(n)),
        _one(F.abs, lambda a: -a, F.ceil, F.floor)(decimals(n)),
        st.builds(lambda c, a, b: F.when(c, a).otherwise(b), truths(n), decimals(n), ints(n)),
        _one(F.coalesce, F.greatest, F.least)(ints(n), decimals(n)),
        st.builds(F.round, decimals(n), _small),
        st.builds(F.bround, decimals(n), _small),
        st.builds(lambda a, b: a / b, decimals(n), st.one_of(ints(n), decimals(n))),  # refused
        st.builds(
            lambda a, to: a.cast(to),
            st.one_of(ints(n), decimals(n), doubles(n)),
            st.sampled_from(["decimal(12,2)", "decimal(38,10)"]),
        ),
        st.builds(lambda a: a.try_cast("decimal(9,1)"), doubles(n)),
        st.builds(lambda a: a.try_cast("decimal(12,2)"), texts(n)),
        _chosen(decimals(n), n),
    )


def _of_texts(n: int) -> Exprs:
    return st.one_of(
        _one(F.upper, F.lower, F.trim, F.ltrim, F.rtrim, F.reverse)(texts(n)),
        st.builds(F.substring, texts(n), _small, _small),
        _one(F.concat, lambda a, b: F.concat_ws("-", a, b))(texts(n), texts(n)),
        _one(F.lpad, F.rpad)(texts(n), st.integers(0, 4), st.sampled_from(["x", "ab"])),
        st.builds(F.regexp_replace, texts(n), _pattern, st.sampled_from(["", "-", "$1", "<$0>"])),
        st.builds(lambda a, p: F.regexp_extract(a, p, 0), texts(n), _pattern),
        st.builds(lambda a, p: F.regexp_extract(a, rf"^(?:{p})\z", 0), texts(n), _pattern),
        st.builds(
            lambda a, b, c: F.replace(a, F.lit(b), F.lit(c)),
            texts(n),
            *[st.sampled_from(_TEXTS)] * 2,
        ),
        st.builds(lambda a, p, at: F.split(a, p)[at], texts(n), _pattern, st.integers(0, 2)),
        st.builds(lambda a, at: F.substring_index(a, "-", at), texts(n), _small),
        st.builds(lambda a: F.translate(a, "ab1", "x"), texts(n)),
        st.builds(
            lambda a: a.cast("string"),
            st.one_of(ints(n), decimals(n), days(n), moments(n), truths(n)),
        ),
        st.builds(F.date_format, st.one_of(days(n), moments(n)), _format),
        _chosen(texts(n), n),
    )


def _truths(n: int) -> Exprs:
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
        *(compared(of) for of in (ints(n), doubles(n), decimals(n), texts(n), days(n), moments(n))),
        compared(st.one_of(ints(n), decimals(n))),
        st.builds(lambda a: a.isNull(), st.one_of(ints(n), texts(n), doubles(n))),
        st.builds(lambda a, p: a.rlike(p), texts(n), _pattern),
        st.builds(
            lambda a, p: a.like(p), texts(n), st.sampled_from(["a%", "%\n%", "_", "%-%", "a\\_%"])
        ),
        st.builds(
            lambda f, a, b: f(a, b),
            st.sampled_from([Column.startswith, Column.endswith, Column.contains]),
            *(texts(n), texts(n)),
        ),
        _one(lambda a, b: a & b, lambda a, b: a | b)(truths(n), truths(n)),
        st.builds(lambda a: ~a, truths(n)),
        st.builds(F.isnan, doubles(n)),
        st.builds(lambda a: a.try_cast("boolean"), texts(n)),
    )


def _days(n: int) -> Exprs:
    return st.one_of(
        _one(F.date_add, F.date_sub, F.add_months)(days(n), _small),
        st.builds(F.trunc, days(n), st.sampled_from(["month", "year", "week", "quarter"])),
        st.builds(F.last_day, days(n)),
        st.builds(F.next_day, days(n), st.sampled_from(["Mon", "Sunday"])),
        st.builds(lambda a: a.cast("date"), moments(n)),
        st.builds(lambda a: a.try_cast("date"), texts(n)),
        st.builds(lambda a, f: F.to_date(F.try_to_timestamp(a, F.lit(f))), texts(n), _format),
        _chosen(days(n), n),
    )


def _moments(n: int) -> Exprs:
    return st.one_of(
        st.builds(F.date_trunc, st.sampled_from(["hour", "day", "week", "month"]), moments(n)),
        st.builds(lambda a: a.cast("timestamp"), days(n)),
        st.builds(lambda a: a.try_cast("timestamp"), texts(n)),
        st.builds(lambda a, f: F.try_to_timestamp(a, F.lit(f)), texts(n), _format),
        st.builds(lambda a, n: a + F.make_interval(hours=F.lit(n)), moments(n), _small),
        _chosen(moments(n), n),
    )


anything: Exprs = st.one_of(
    *(of(3).map(_same) for of in (ints, doubles, decimals, texts, truths, days, moments))
)
