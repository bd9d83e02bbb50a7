"""The retail rules once more, in plain Python: what Spark's tables are compared with.

Written from the rules alone, row by row, and slow: it shares no code, no expression and no
formula with the transformations.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

COLUMNS = (
    "InvoiceNo", "StockCode", "Description", "Quantity",
    "InvoiceDate", "UnitPrice", "CustomerID", "Country",
)  # fmt: skip
KEY = re.compile(r"online_retail/(\d{4}-\d{2}-\d{2})([._-][^/]*)?\.csv")
FIELD = re.compile(r'"((?:[^"]|"")*)"(?:,|\Z)|([^,]*)(?:,|\Z)', re.DOTALL)


class Received(NamedTuple):
    """A data row of an object; `fields` in the order of COLUMNS, None for an unquoted empty."""

    day: date
    object: str
    number: int
    fields: tuple[str | None, ...]
    rescued: bool


class Line(NamedTuple):
    day: date
    invoice_no: str
    stock_code: str
    description: str | None
    quantity: int
    invoiced_at: datetime
    unit_price: Decimal
    customer_id: int | None
    country: str
    line_type: str
    is_product: bool

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price

    @property
    def product_sale(self) -> bool:
        return self.is_product and self.line_type == "sale"


@dataclass
class Silver:
    """What becomes of the rows received; `origins` are those of the published lines, in order."""

    received: int = 0
    published: list[Line] = field(default_factory=list)
    origins: list[Received] = field(default_factory=list)
    quarantined: list[tuple[Received, set[str]]] = field(default_factory=list)
    duplicates: list[tuple[Received, Received]] = field(default_factory=list)


def read(root: Path) -> list[Received]:
    """The rows of every object of the shop under `root` that is UTF-8."""
    rows: list[Received] = []
    for path in sorted(root.rglob("*.csv")):
        key = path.relative_to(root).as_posix()
        match = KEY.fullmatch(key)
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        if match:
            rows += parse(text, key=key, day=date.fromisoformat(match[1]))
    return rows


def parse(text: str, *, key: str, day: date) -> Iterable[Received]:
    header, *records = [_fields(record) for record in _records(text)]
    for number, values in enumerate(records, start=1):
        named = dict(zip(header, values, strict=False))
        fields = tuple(named.get(name) for name in COLUMNS)
        yield Received(day, key, number, fields, len(values) != len(COLUMNS))


def _records(text: str) -> Iterable[str]:
    pending = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        pending += line
        if pending.count('"') % 2:  # a newline inside quotes
            pending += "\n"
        elif pending:
            yield pending
            pending = ""


def _fields(record: str) -> list[str | None]:
    values: list[str | None] = []
    for match in FIELD.finditer(record):
        quoted, plain = match.groups()
        values.append(quoted.replace('""', '"') if quoted is not None else plain or None)
        if match.end() == len(record) and not match[0].endswith(","):
            break
    return values


def judge(row: Received) -> tuple[Line | None, set[str]]:
    """The typed line, or None and the names of what is wrong with the row."""
    received: dict[str, str | None] = dict(zip(COLUMNS, row.fields, strict=True))
    wrong = {"rescued"} if row.rescued else set()

    def text(name: str) -> str:
        return (received[name] or "").strip(" ")

    def typed(name: str, pattern: str, convert, fits=lambda value: True):
        value = received[name]
        if value is None or not re.fullmatch(pattern, value):
            return None
        try:
            result = convert(value)
        except ValueError:
            return None
        return result if fits(result) else None

    invoice, code, country = text("InvoiceNo"), text("StockCode").upper(), text("Country")
    quantity = typed("Quantity", "-?[0-9]+", int, _is_int)
    price = typed(
        "UnitPrice", r"-?[0-9]+(\.[0-9]{1,3})?", Decimal, lambda value: abs(value) < 10**9
    )
    at = typed(
        "InvoiceDate",
        "[0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2}",
        lambda value: datetime.strptime(value, "%Y-%m-%d %H:%M:%S"),
        lambda value: value.second < 60,
    )
    customer = typed("CustomerID", r"[0-9]+(\.0+)?", lambda v: int(v.split(".")[0]), _is_int)
    if not re.fullmatch("C?[0-9]{6}", invoice):
        wrong.add("invoice_no")
    if not code:
        wrong.add("stock_code")
    if not quantity:
        wrong.add("quantity")
    if at is None or at.date() != row.day:
        wrong.add("invoiced_at")
    if price is None or price < 0:
        wrong.add("unit_price")
    if customer is None and received["CustomerID"] is not None:
        wrong.add("customer_id")
    if not country:
        wrong.add("country")
    if wrong or quantity is None or at is None or price is None:
        return None, wrong
    kind = "cancellation" if invoice[0] == "C" else "sale" if quantity > 0 else "adjustment"
    is_product = bool(re.match("[0-9]{5}", code))
    description = text("Description") or None
    return Line(
        row.day,
        invoice,
        code,
        description,
        quantity,
        at,
        price,
        customer,
        country,
        kind,
        is_product,
    ), wrong


def _is_int(value: int) -> bool:
    return -(2**31) <= value < 2**31


def silver(rows: Iterable[Received]) -> Silver:
    result = Silver()
    first: dict[tuple, Received] = {}
    for row in sorted(rows, key=lambda row: (row.object, row.number)):
        result.received += 1
        line, wrong = judge(row)
        if line is None:
            result.quarantined.append((row, wrong))
        elif (row.day, row.fields) in first:
            result.duplicates.append((row, first[row.day, row.fields]))
        else:
            first[row.day, row.fields] = row
            result.published.append(line)
            result.origins.append(row)
    return result


def daily_sales(lines: Iterable[Line]) -> set[tuple]:
    groups = defaultdict(list)
    for line in lines:
        groups[line.day, line.country].append(line)
    table = set()
    for (day, country), group in groups.items():
        sales = [line for line in group if line.product_sale]
        gross = sum((line.amount for line in sales), Decimal(0))
        cancelled = sum(
            (x.amount for x in group if x.is_product and x.line_type == "cancellation"), Decimal(0)
        )
        charges = sum((line.amount for line in group if not line.is_product), Decimal(0))
        orders = len({line.invoice_no for line in sales})
        customers = len({line.customer_id for line in sales} - {None})
        units = sum(line.quantity for line in sales)
        net = gross + cancelled
        table.add((day, country, orders, customers, units, gross, cancelled, net, charges))
    return table


def customer_segments(lines: Iterable[Line], months: Iterable[date]) -> set[tuple]:
    sales = [x for x in lines if x.product_sale and x.customer_id is not None]
    table: set[tuple] = set()
    for month in months:
        last = _last_day(month)
        before = _last_day(month.replace(year=month.year - 1))
        bought = defaultdict(list)
        for line in sales:
            if before < line.day <= last:
                bought[line.customer_id].append(line)
        recency = {k: (last - max(x.day for x in v)).days for k, v in bought.items()}
        frequency = {k: len({x.invoice_no for x in v}) for k, v in bought.items()}
        monetary = {k: sum((x.amount for x in v), Decimal(0)) for k, v in bought.items()}
        r = _quintiles({k: -days for k, days in recency.items()})
        f, m = _quintiles(frequency), _quintiles(monetary)
        for k in bought:
            rfm = recency[k], frequency[k], monetary[k]
            table.add((month, k, *rfm, r[k], f[k], m[k], _segment(r[k], f[k])))
    return table


def _last_day(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _quintiles(values: dict) -> dict:
    """SQL's ntile(5): as equal as can be, the larger ones first."""
    ordered = sorted(values, key=lambda customer: (values[customer], customer))
    size, larger = divmod(len(ordered), 5)
    tiles = [tile for tile in range(1, 6) for _ in range(size + (tile <= larger))]
    return dict(zip(ordered, tiles, strict=True))


def _segment(r: int, f: int) -> str:
    if r >= 4 and f >= 4:
        return "champion"
    if f >= 4:
        return "loyal"
    if r >= 4 and f <= 2:
        return "new"
    if r <= 2 and f >= 3:
        return "at_risk"
    return "lost" if r <= 2 and f <= 2 else "regular"


def product_demand(lines: Iterable[Line], days: Iterable[date] | None = None) -> dict:
    """(day, stock_code) -> (units, trading_days, mean_units, sd_units, spike)."""
    sold: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    trading = set()
    for line in lines:
        trading.add(line.day)
        if line.product_sale:
            sold[line.stock_code][line.day] += line.quantity
    calendar = sorted(trading)
    window = {
        day: [d for d in calendar if timedelta(0) < day - d <= timedelta(days=90)][-28:]
        for day in calendar
    }
    wanted = trading if days is None else set(days)
    table = {}
    for code, units_of in sold.items():
        for day, units in units_of.items():
            if day not in wanted:
                continue
            past = [units_of.get(d, 0) for d in window[day]]
            n = len(past)
            mean = statistics.fmean(past) if n else None
            sd = statistics.stdev(past) if n > 1 else None
            usual = mean is None or sd is None or units <= mean + 3 * sd
            spike = n >= 7 and units >= 50 and not usual
            table[day, code] = (units, n, mean, sd, spike)
    return table
