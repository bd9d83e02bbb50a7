"""Generate months of dirty shop files for the demo and tests, deterministic for a seed.

The format is that of `domains/retail/landing.py`, with every kind of dirt in the real data and
more. The expected outcome is known for each row; the manifest has the counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from data_platform.demo.dirt import BREAKS, harmless
from data_platform.demo.shop import Line, Shop

FIRST_DAY, LAST_DAY = date(2010, 12, 1), date(2011, 12, 31)
DEFAULT_START = date(2011, 3, 1)
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
THRESHOLD_PERCENT = 1  # of a day's rows: a strictly larger quarantined share holds the day back
SATURDAY = 5

Outcome = Literal["published", "quarantined", "duplicate"]


@dataclass(frozen=True)
class Counts:
    """The expected counts of a day's rows; `published` as if the day were not held back."""

    rows: int
    published: int
    quarantined: int
    duplicates: int

    @property
    def held_back(self) -> bool:
        """Whether too many of its rows are quarantined."""
        return self.quarantined * 100 > self.rows * THRESHOLD_PERCENT


@dataclass(frozen=True)
class Reupload:
    """A second version of an object that `generate` wrote, and its day's counts with it."""

    key: str
    day: date
    content: bytes
    counts: Counts


@dataclass(frozen=True)
class Manifest:
    """What was written, and the expected result.

    `files` counts all objects; those in `failed` cannot be read and those in `unknown` match no
    source. `days` has the counts of the others' rows. The re-upload is not written here, but by
    `land`.
    """

    files: int
    failed: tuple[str, ...]
    unknown: tuple[str, ...]
    days: dict[date, Counts]
    reupload: Reupload

    @property
    def rows(self) -> int:
        """All rows of the days."""
        return sum(counts.rows for counts in self.days.values())

    @property
    def quarantined(self) -> int:
        """Of all days, those held back included."""
        return sum(counts.quarantined for counts in self.days.values())

    @property
    def duplicates(self) -> int:
        """Of all days, those held back included."""
        return sum(counts.duplicates for counts in self.days.values())

    @property
    def published(self) -> int:
        """Rows in the silver table: none of a day held back."""
        return sum(c.published for c in self.days.values() if not c.held_back)

    @property
    def held_back(self) -> tuple[date, ...]:
        """The days that are held back, in order."""
        return tuple(day for day, counts in self.days.items() if counts.held_back)

    def after_reupload(self) -> Manifest:
        """The manifest once the re-upload has landed."""
        return replace(self, days={**self.days, self.reupload.day: self.reupload.counts})


class _Row(NamedTuple):
    fields: tuple[str | None, ...]
    outcome: Outcome = "published"


def generate(target: Path, seed: int, start: date = DEFAULT_START, months: int = 2) -> Manifest:
    """Write the shop's files of `months` months from `start` under `target/online_retail/`.

    Each trading day has about 500 rows. Raises ValueError if a day is outside
    2010-12-01..2011-12-31 or there are too few days for every kind of dirt, OSError if a file
    cannot be written.
    """
    random = Random(seed)
    days = _trading_days(start, months, random)
    shop = Shop(random)
    late, reuploaded, dirty = days[3], days[8], days[14]
    rows = {day: _day(shop, day, number) for number, day in enumerate(days)}
    rows[dirty] = _very_dirty(rows[dirty], random)
    files = {_key(day): _content(rows[day]) for day in days}
    files[_key(days[5])] = b"\xef\xbb\xbf" + files[_key(days[5])]
    files[_key(days[6])] = _content(rows[days[6]], newline="\r\n")

    second = [*_repeats(rows[late], 4), *map(_good, shop.lines(late, invoices=6))]
    files[_key(late, "-late")] = _content(second)
    again = [*_changed(rows[reuploaded]), *map(_good, shop.lines(reuploaded, invoices=3))]
    failed = {
        _key(days[11], "-latin1"): _content(_day(shop, days[11], 0)).decode().encode("latin-1"),
        _key(days[12], ".part2"): _content(_day(shop, days[12], 0)) + b'545999,22423,"CAKE ST',
    }
    unknown = {f"online_retail/summary-{start:%Y-%m}.csv": b"month,rows\n"}
    counts = {day: _counts(rows[day]) for day in days} | {late: _counts(rows[late] + second)}
    written = files | failed | unknown
    for key, content in written.items():
        _write(target / key, content)
    return Manifest(
        files=len(written),
        failed=tuple(sorted(failed)),
        unknown=tuple(unknown),
        days=counts,
        reupload=Reupload(_key(reuploaded), reuploaded, _content(again), _counts(again)),
    )


def land(target: Path, reupload: Reupload) -> None:
    """Replace the first version of the object with the second."""
    _write(target / reupload.key, reupload.content)


def _trading_days(start: date, months: int, random: Random) -> list[date]:
    """Every day except Saturdays and two days without sales per month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    end = date(year, month + 1, 1)
    if not (FIRST_DAY <= start < end <= LAST_DAY + timedelta(days=1)):
        raise ValueError(
            f"start={start}, months={months}: the shop's days are {FIRST_DAY} to {LAST_DAY}"
        )
    open_days = [
        day
        for day in (start + timedelta(days=n) for n in range((end - start).days))
        if day.weekday() != SATURDAY
    ]
    # The first days have fixed roles (the fourth has the late file), so they stay open.
    quiet = set(random.sample(open_days[15:], min(2 * months, max(0, len(open_days) - 20))))
    days = [day for day in open_days if day not in quiet]
    if len(days) < 20:
        raise ValueError(f"start={start}, months={months}: {len(days)} trading days, 20 are needed")
    return days


def _day(shop: Shop, day: date, number: int) -> list[_Row]:
    """A day of the shop with the usual dirt, well under the threshold."""
    lines = shop.lines(day, invoices=shop.random.randrange(30, 46))
    while len(lines) < 320:
        lines += shop.lines(day, invoices=5)
    rows = [_good(harmless(line, shop.random)) for line in lines]
    if number % 3 == 0:
        written_off = shop.random.choice(lines)._replace(invoice=shop.number(), description=None)
        rows.append(_good(written_off._replace(quantity="-12", price="0.0", customer=None)))
    if number % 10 == 2:
        popular = shop.products[number % 7]
        rows.append(
            _good(lines[-1]._replace(invoice=shop.number(), code=popular.code, quantity="1440"))
        )
    kinds = list(BREAKS)
    for kind in (kinds[2 * number % len(kinds)], kinds[(2 * number + 1) % len(kinds)]):
        _insert(rows, _broken(shop.random.choice(lines), kind), shop.random)
    for repeat in _repeats(rows, len(rows) // 100):
        _insert(rows, repeat, shop.random)
    return rows


def _broken(line: Line, kind: str) -> _Row:
    return _Row(BREAKS[kind](line), "quarantined")


def _good(line: Line) -> _Row:
    return _Row(line)


def _very_dirty(rows: list[_Row], random: Random) -> list[_Row]:
    """Repeats three percent of the lines without their price."""
    spoiled = random.sample(_published(rows), 3 * len(rows) // 100)
    return [
        *rows,
        *(_Row((*row.fields[:5], "n/a", *row.fields[6:]), "quarantined") for row in spoiled),
    ]


def _changed(rows: list[_Row]) -> list[_Row]:
    """The re-uploaded day: half of the good lines, with quantity 13 in place of 12."""
    kept = _published(rows)[: len(rows) // 2]
    return [
        _Row((*row.fields[:3], "13", *row.fields[4:])) if row.fields[3] == "12" else row
        for row in kept
    ]


def _published(rows: list[_Row]) -> list[_Row]:
    return [row for row in rows if row.outcome == "published"]


def _repeats(rows: list[_Row], count: int) -> list[_Row]:
    good = _published(rows)
    return [_Row(row.fields, "duplicate") for row in good[5 :: len(good) // (count + 1)][:count]]


def _insert(rows: list[_Row], row: _Row, random: Random) -> None:
    rows.insert(random.randrange(len(rows) // 2, len(rows) + 1), row)


def _counts(rows: list[_Row]) -> Counts:
    outcomes = [row.outcome for row in rows]
    return Counts(
        rows=len(rows),
        published=outcomes.count("published"),
        quarantined=outcomes.count("quarantined"),
        duplicates=outcomes.count("duplicate"),
    )


def _key(day: date, suffix: str = "") -> str:
    return f"online_retail/{day}{suffix}.csv"


def _content(rows: list[_Row], newline: str = "\n") -> bytes:
    records = (",".join(map(_field, row.fields)) for row in rows)
    return newline.join([HEADER, *records, ""]).encode()


def _field(value: str | None) -> str:
    """The field in RFC 4180 format: empty for None, quoted for ""."""
    if value is None:
        return ""
    if value == "" or any(character in value for character in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _write(path: Path, content: bytes) -> None:
    """Write the file atomically, since a sensor may be listing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
