"""Random histories of landing, deleting, running, rolling back and declaring otherwise, against a
dictionary.

Bronze is the platform's own, silver is judged in plain Python (`lake.shop`) and gold counts its
rows there, so a history needs no Spark. After each run the tables, the ledger, what is held back
and what is stale must be what the model says, whatever came before.
"""

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from data_platform.assets import BronzeTable, JudgedTable, Table, bronze, gold
from data_platform.build.held import held_now
from data_platform.build.planning import current_versions, plan, plan_all
from data_platform.build.platform import Platform
from data_platform.contracts.declare import contract
from data_platform.lake.upkeep.browse import partition_rows
from data_platform.lake.upkeep.rollback import plan_rollback
from data_platform.landing.source import Source, day
from data_platform.operations.repair import put_back, stale_partitions
from data_platform.quality.mapping import trailing
from data_platform.runs.arrivals import due_of_bronze, record_arrivals
from data_platform.storage.errors import LakeError
from data_platform_tests.support.places import Place
from data_platform_tests.support.small_shop import DAYS, RECEIVED, SHOP, SmallShop, sales
from data_platform_tests.support.sums import Dates, publish_rows, stored

SOAK = settings().max_examples >= 1000
LAST = "2011-03-20"  # the day that one of the declarations does not have
SHORTER = dg.DailyPartitionsDefinition("2011-03-01", end_date=LAST)
KEYS = [
    f"shop/{name}.csv"
    for name in ("2011-03-01", "2011-03-01-late", "2011-03-02", "2011-03-03-late", LAST)
]


def next_day(text: str) -> str:
    """As if the files were named by the day before theirs; the last one is right."""
    after = dt.date.fromisoformat(text) + dt.timedelta(days=1)
    return text if text == LAST else after.isoformat()


@dataclass(frozen=True)
class Declaration:
    shifted: bool = False
    shorter: bool = False
    only_on_time: bool = False  # files that are late belong to no source

    @property
    def source(self) -> Source:
        pattern = r"shop/(\d{4}-\d{2}-\d{2})\.csv" if self.only_on_time else SHOP.pattern
        return replace(SHOP, pattern=pattern, partition=next_day if self.shifted else day)

    @property
    def received(self) -> BronzeTable:
        return _received(self)

    def place(self, key: str) -> str | None:
        text = key.removeprefix("shop/").removesuffix(".csv")
        if self.only_on_time and text.endswith("-late"):
            return None
        found = text.removesuffix("-late")
        found = next_day(found) if self.shifted else found
        return None if self.shorter and found == LAST else found


@cache
def _received(declared: Declaration) -> BronzeTable:
    return bronze(
        source=declared.source,
        partitions=SHORTER if declared.shorter else DAYS,
        owner=RECEIVED.owner,
        description=RECEIVED.description,
        retention=RECEIVED.retention,
    )


@cache
def _counts() -> JudgedTable:
    """How many rows silver has of a day and the day before."""

    def counts(a: DataFrame) -> DataFrame:
        """The count, in Python: see `History.count`."""
        return a

    of = contract(
        table="gold/shop/counts", partition_by=("at",), owner="team:shop", version="1",
        lineage=False,
    )(Dates)  # fmt: skip
    ins = {"a": trailing(days=1, of=str(sales.id))}
    return gold(contract=of, partitions=DAYS, ins=ins)(counts)


@dataclass(frozen=True)
class Pin:
    """What a rollback put into a partition of silver: it stays while all this is the same."""

    rows: list[tuple[Any, ...]]
    bronze: str | None
    threshold: float


@dataclass
class Model:
    """What lies in the bucket, by key (None: unreadable), and what bronze has: rows and partition
    of each key. A key that was deleted, or cannot be read, keeps the rows it had."""

    bucket: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    place: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def run(self, declared: Declaration) -> None:
        self.failed &= self.bucket.keys()
        for key in {*self.bucket, *self.rows}:
            place = declared.place(key)
            if place is None:
                self.failed.discard(key)
                continue
            if key in self.bucket:
                content = self.bucket[key]
                if content is None:
                    self.failed.add(key)
                else:
                    self.failed.discard(key)
                    self.rows[key] = content
            if key in self.rows:
                self.place[key] = place

    @property
    def bronze(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, rows in self.rows.items():
            found.setdefault(self.place[key], []).extend(rows)
        return {place: sorted(rows) for place, rows in found.items() if rows}


class History:
    """The platform and the model, side by side."""

    def __init__(self, folder: Path) -> None:
        (folder / "landing").mkdir()
        self.model = Model()
        self.declared = Declaration()
        self.threshold = 0.5
        self.ahead = dt.timedelta()
        self.shop = SmallShop(folder, Place.directory(folder), clock=self.now)
        self.pins: dict[str, Pin] = {}

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.ahead

    @property
    def current(self) -> SmallShop:
        contract = replace(cast(Any, sales.contract), quarantine_threshold=self.threshold)
        sold = replace(sales, contract=contract)
        return replace(self.shop, received=self.declared.received, sold=sold)

    # What happens

    def land(self, key: str, rows: tuple[str, ...] | None) -> None:
        self.model.bucket[key] = rows
        text = "\n".join(["sku,amount", *rows, ""]).encode() if rows is not None else b"\xff\x00"
        self.shop.place.write(f"{self.shop.place.root}/landing/{key}", text)

    def delete(self, key: str) -> None:
        if key in self.model.bucket:
            del self.model.bucket[key]
            self.shop.place.delete(f"{self.shop.place.root}/landing/{key}")

    def tick(self) -> None:
        record_arrivals(self.shop.platform(), [self.declared.received], self.now())

    def declare(self, declared: Declaration) -> None:
        self.declared = declared

    def contract(self, threshold: float) -> None:
        self.threshold = threshold

    def clock(self, days: int) -> None:
        self.ahead += dt.timedelta(days=days)

    def roll_back(self, number: int) -> None:
        """Silver, to one of the snapshots that it remembers."""
        platform = self.shop.platform()
        silver = platform.lake.find(sales.id)
        if silver is None or not silver.snapshots():
            return
        to = silver.snapshots()[number % len(silver.snapshots())].snapshot_id
        then = [tuple(row.values()) for row in silver.scan(snapshot_id=to).to_arrow().to_pylist()]
        try:
            planned = plan_rollback(
                platform.lake, platform.builds, platform.storage, sales.id, to=to
            )
        except LakeError:  # what it rejected then is forgotten
            return
        if planned is None:
            return
        put_back(platform, self.current.sold, planned)
        received = current_versions(platform, RECEIVED.id, None)
        for key in planned.versions:
            rows = [row for row in then if str(row[0]) == key]
            self.pins[key] = Pin(sorted(rows), received.get(key), self.threshold)

    def run(self) -> None:
        self.model.run(self.declared)
        self.current.run()
        platform = self.shop.platform()
        received = current_versions(platform, RECEIVED.id, None) if self.there(RECEIVED) else {}
        self.pins = {
            key: pin
            for key, pin in self.pins.items()
            if (pin.bronze, pin.threshold) == (received.get(key), self.threshold)
        }
        self.count(platform)
        self.check()

    def count(self, platform: Platform) -> None:
        """Build what is stale of gold, from the files that its plan names."""
        planned = plan_all(_counts(), platform)
        rows = {
            key: (dt.date.fromisoformat(key), planned.rows_of("a", key)) for key in planned.keys
        }
        if rows:
            publish_rows(platform, _counts(), rows, planned)

    # What must hold after a run

    def check(self) -> None:
        shop, model = self.current, self.model
        platform = shop.platform()
        assert self.received() == model.bronze
        assert [e.key for e in platform.ledger.pending(SHOP.name)] == []
        assert due_of_bronze(shop.received, platform).keys == ()
        keys = shop.received.partitions.get_partition_keys()  # type: ignore[union-attr]
        assert plan(shop.received, platform, keys, only_stale=True).keys == ()
        tables = [shop.received, shop.sold, *([_counts()] if self.there(sales) else [])]
        assert stale_partitions(platform, tables) == []
        assert stored(platform, _counts()) == self.counted(platform)
        assert {e.key for e in platform.ledger.failed()} == model.failed
        self.check_unread(platform)
        self.check_judged(platform)
        assert shop.run() == set()

    def check_unread(self, platform: Any) -> None:
        """A day of which nothing could be read is held back, and no other."""
        held = set(held_now(self.current.received, platform))
        wanting = {self.declared.place(key) for key in self.model.failed} - {None}
        having = set(self.model.place.values())
        assert held <= wanting - having
        counts = partition_rows(platform.lake, RECEIVED.id) if self.there(RECEIVED) else {}
        assert wanting - having - counts.keys() <= held

    def check_judged(self, platform: Any) -> None:
        """Silver has the good rows of each day, unless too many were bad; then it is held back."""
        held = set(held_now(self.current.sold, platform))
        silver = {str(row[0]): 0 for row in self.shop.rows(sales.id)}
        for row in self.shop.rows(sales.id):
            silver[str(row[0])] += 1
        for place, rows in self.model.bronze.items():
            if self.declared.shorter and place == LAST:
                continue
            bad = sum(row.endswith(",x") for row in rows)
            good = {row.split(",")[0] for row in rows if not row.endswith(",x")}  # one for each key
            if place in self.pins:
                assert place not in held
                continue
            assert (place in held) == (bad / len(rows) > self.threshold), place
            if place not in held:
                assert silver.get(place, 0) == len(good)
        for place, pin in self.pins.items():
            found = [row for row in self.shop.rows(sales.id) if str(row[0]) == place]
            assert [row[:3] for row in found] == [row[:3] for row in pin.rows], place

    def counted(self, platform: Platform) -> dict[str, int]:
        """Of each day that silver has, its rows and those of the day before."""
        silver = partition_rows(platform.lake, sales.id) if self.there(sales) else {}

        def before(key: str) -> str:
            return (dt.date.fromisoformat(key) - dt.timedelta(days=1)).isoformat()

        return {key: rows + silver.get(before(key), 0) for key, rows in silver.items()}

    def received(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in self.shop.rows(RECEIVED.id) if self.there(RECEIVED) else []:
            found.setdefault(str(row[0]), []).append(f"{row[1]},{row[2]}")
        return {place: sorted(rows) for place, rows in found.items()}

    def there(self, table: Table) -> bool:
        return self.shop.platform().lake.exists(table.id)


def _rows() -> st.SearchStrategy[tuple[str, ...] | None]:
    row = st.tuples(st.integers(0, 999), st.sampled_from(["1", "2", "x"])).map(
        lambda pair: f"s{pair[0]},{pair[1]}"
    )
    good = st.lists(row, max_size=3, unique_by=lambda text: text.split(",")[0]).map(tuple)
    return st.one_of(good, good, good, st.none())


KEY = st.sampled_from(KEYS)
DECLARED = st.builds(Declaration, st.booleans(), st.booleans(), st.booleans())
STEP = st.one_of(
    st.tuples(st.just("land"), KEY, _rows()),
    st.tuples(st.just("land"), KEY, _rows()),
    st.tuples(st.just("delete"), KEY),
    st.tuples(st.just("tick")),
    st.tuples(st.just("run")),
    st.tuples(st.just("declare"), DECLARED),
    st.tuples(st.just("contract"), st.sampled_from([0.0, 0.5, 1.0])),
    st.tuples(st.just("roll_back"), st.integers(0, 5)),
    st.tuples(st.just("clock"), st.integers(-3, 3)),
)


def played(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        for name, *arguments in [*steps, ("run",)]:
            step: Callable[..., None] = getattr(history, name)
            step(*arguments)


@settings(max_examples=1000 if SOAK else 12)
@given(st.lists(STEP, min_size=3, max_size=14))
def test_after_any_history_the_platform_is_what_the_model_says(steps: list[tuple]) -> None:
    played(steps)


A, LATE, B, LAST_KEY = KEYS[0], KEYS[1], KEYS[2], KEYS[-1]
GOOD, OTHER = ("s1,1", "s2,2"), ("s3,1",)
LAND = ("land", A, GOOD)
SHIFTED, SHORTER_ONE = Declaration(shifted=True), Declaration(shorter=True)
HISTORIES = {
    "bytes that come back after others": [LAND, ("run",), ("land", A, OTHER), ("tick",), LAND],
    "bytes that come back after broken ones": [LAND, ("run",), ("land", A, None), ("run",), LAND],
    "a clock that was ahead": [
        ("clock", 3), ("land", A, ("s1,x",)), ("run",), ("clock", -3), LAND, ("run",),
        ("land", A, OTHER),
    ],
    "a partition that leaves with what waits": [
        ("land", LAST_KEY, GOOD), ("tick",), ("declare", SHORTER_ONE), ("run",),
        ("declare", Declaration()),
    ],
    "a corrected partition function": [
        LAND, ("land", B, OTHER), ("run",), ("declare", SHIFTED), ("run",),
        ("declare", Declaration()),
    ],
    "rows that only bronze has move too": [
        LAND, ("land", B, OTHER), ("run",), ("delete", A), ("tick",), ("declare", SHIFTED),
    ],
    "a key that moves and cannot be read any more": [
        LAND, ("run",), ("land", A, None), ("declare", SHIFTED),
    ],
    "a contract that is put back": [
        ("land", A, ("s1,1", "s2,x")), ("run",), ("contract", 0.0), ("run",), ("contract", 0.5),
    ],
    "a rollback, then nothing new": [
        LAND, ("run",), ("land", A, OTHER), ("run",), ("roll_back", 0),
    ],
    "a rollback, then a late file": [
        LAND, ("run",), ("land", A, OTHER), ("run",), ("roll_back", 0), ("run",),
        ("land", LATE, ("s9,2",)),
    ],
    "a rollback, then another contract": [
        ("land", A, ("s1,1", "s2,x")), ("run",), LAND, ("run",), ("roll_back", 0), ("run",),
        ("contract", 0.0),
    ],
    "a day of which nothing could be read": [("land", A, None), ("run",), LAND],
    "a day that gives up its rows and gets something unreadable": [
        ("land", A, None), ("land", B, GOOD), ("run",), ("declare", SHIFTED),
    ],
    "what could not be read is gone": [("land", A, None), ("run",), ("delete", A), ("tick",)],
    "what could not be read is of no source any more": [
        ("land", LATE, None), ("run",), ("declare", Declaration(only_on_time=True)), ("run",),
        ("declare", Declaration()),
    ],
    "it moves away from a day with something unreadable": [
        LAND, ("land", LATE, None), ("run",), ("declare", SHIFTED),
    ],
    "the same bytes land again as a source claims them": [
        ("land", LAST_KEY, None), ("declare", SHORTER_ONE), ("tick",), ("declare", Declaration()),
        ("land", LAST_KEY, None),
    ],
}  # fmt: skip


@pytest.mark.parametrize("steps", HISTORIES.values(), ids=HISTORIES)
def test_a_history_that_once_went_wrong(steps: list[tuple]) -> None:
    played(steps)
