"""The shop's tables hold, row by row, what an independent computation of the rules gives."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date

import pyarrow as pa
import pytest

from data_platform.tables.columns import LINEAGE, REPEATS_OBJECT, REPEATS_ROW, RESCUED
from data_platform.tables.outcomes import REASONS
from data_platform_tests.support.retail import oracle
from data_platform_tests.support.retail.oracle import COLUMNS, Line, Received, Silver

_AS_RECEIVED = (*LINEAGE, "day", *COLUMNS)


def require_bronze(bronze: pa.Table, landed: Iterable[Received]) -> None:
    """Bronze has every row as it was received."""
    found = _tuples(bronze, *_AS_RECEIVED, RESCUED)
    _require_same(
        ((*row, text is not None) for *row, text in found),
        ((*_as_received(row), row.rescued) for row in landed),
    )


def require_silver(published: pa.Table, expected: Silver, held_back: Collection[date] = ()) -> None:
    """Silver has the valid lines, each with the place of its row, but for days held back."""
    lines = zip(expected.origins, expected.published, strict=True)
    _require_same(
        _tuples(published, *LINEAGE, *Line._fields),
        ((row.object, row.number, *line) for row, line in lines if line.day not in held_back),
    )


def require_rejected(quarantine: pa.Table, duplicates: pa.Table, expected: Silver) -> None:
    """Quarantined rows are as received, with every reason; duplicates, with the row they repeat."""
    _require_same(
        ((*row, broken(reasons)) for *row, reasons in _tuples(quarantine, *_AS_RECEIVED, REASONS)),
        ((*_as_received(row), frozenset(wrong)) for row, wrong in expected.quarantined),
    )
    _require_same(
        _tuples(duplicates, *_AS_RECEIVED, REPEATS_OBJECT, REPEATS_ROW),
        ((*_as_received(row), first.object, first.number) for row, first in expected.duplicates),
    )


def require_gold(rows: Callable[[str], Iterable[tuple]], lines: Sequence[Line]) -> None:
    """The gold tables are computed from these lines; `rows` gives those of a table by its name."""
    months = sorted({line.day.replace(day=1) for line in lines})
    _require_same(rows("daily_sales"), oracle.daily_sales(lines))
    _require_same(rows("customer_segments"), oracle.customer_segments(lines, months))
    demand, expected = list(rows("product_demand")), oracle.product_demand(lines)
    _require_same((row[:2] for row in demand), expected.keys())
    for day, code, *row in demand:
        assert tuple(row) == tuple(map(_near, expected[day, code])), (day, code)


def rows(table: pa.Table) -> Iterable[tuple]:
    """All columns of each row."""
    return _tuples(table, *table.column_names)


def broken(reasons: Iterable[str]) -> frozenset[str]:
    """The names that the independent computation has for the broken rules."""
    return frozenset(
        "invoiced_at" if reason == "invoiced_on_day" else reason.split(".")[0] for reason in reasons
    )


def _require_same(found: Iterable[tuple], expected: Iterable[tuple]) -> None:
    """The same rows, each as often; there are some."""
    has, wanted = Counter(found), Counter(expected)
    extra, missing = has - wanted, wanted - has
    assert wanted and not extra and not missing


def _as_received(row: Received) -> tuple:
    return (row.object, row.number, row.day, *row.fields)


def _tuples(table: pa.Table, *columns: str) -> Iterable[tuple]:
    return zip(*(table[name].to_pylist() for name in columns), strict=True)


def _near(value: object) -> object:
    """Sums of doubles depend on their order; all else is exact."""
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
