"""A sensor's tick with 10 new objects, next to a thousand and to a million old ones."""

import bisect
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.measuring import Measurement, interleaved, of_pairs, seconds
from benchmarks.workload import Workload
from data_platform.landing.arrivals.listing import OVERLAP_DAYS, partitions_of, tick
from data_platform.landing.formats.csv import Csv
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import LandedObject
from data_platform.landing.source import Source
from data_platform.runs.tags import MOST_ATTEMPTS

_PAIRS = 15
PER_DAY = 10
_FIRST = date(1700, 1, 1)
SHOP = Source(
    name="shop",
    prefix="shop/",
    pattern=r"shop/(\d{4}-\d{2}-\d{2})[._-][^/]*\.csv",
    table="bronze/bench/shop",
    format=Csv(columns=("a", "b")),
)


class SortedBucket:
    """Like S3: ordered keys with ETags, and listings that can start after a key."""

    name = "raw-landing"
    starts_after = True

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys = sorted(keys)

    def land(self, day: date) -> None:
        self.keys += [f"shop/{day}-{number:02}.csv" for number in range(PER_DAY)]

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[LandedObject]:
        start = max(prefix, start_after or "")
        for position in range(bisect.bisect_right(self.keys, start), len(self.keys)):
            if not self.keys[position].startswith(prefix):
                return
            yield landed_object(self.keys[position])

    def head(self, key: str) -> LandedObject | None:
        place = bisect.bisect_left(self.keys, key)
        return landed_object(key) if self.keys[place : place + 1] == [key] else None

    def uri(self, key: str) -> str:
        return f"memory://{key}"

    def content_hash(self, key: str) -> str:
        raise FileNotFoundError(key)


class Shop:
    """A bucket whose objects are all loaded in the ledger, ten for each day."""

    def __init__(self, folder: Path, objects: int) -> None:
        self.bucket, self.path = SortedBucket(), folder / f"ledger-{objects}.db"
        self.ledger = Ledger(f"sqlite:///{self.path}")
        self.ledger.summary()  # creates the table
        self.day = _FIRST
        for _ in range(objects // PER_DAY):
            self.bucket.land(self.day)
            self.day += timedelta(days=1)
        self._insert_all()

    def _insert_all(self) -> None:
        """Insert the rows that the ledger would, but a million at a time."""
        now = "2020-01-01 00:00:00.000000"
        rows = (
            ("raw-landing", o.key, f"{o.size}-{o.etag}", 1, o.size, now, o.etag, "shop",
             o.key[5:15], "loaded", 1, now, now)
            for o in self.bucket.list()
        )  # fmt: skip
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executemany(
                "insert into landed_objects (bucket, key, version, latest, size, modified, etag, "
                "source, partition, state, attempts, first_seen, updated) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.commit()

    def tick(self) -> float:
        """Land a day; returns the seconds until its run is requested. It then counts as loaded."""
        self._land()
        now = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        self.day += timedelta(days=1)
        took = seconds(lambda: self._decide(now))
        pending = self.ledger.pending("shop")
        assert len(pending) == PER_DAY
        self.ledger.mark_loaded({entry.id: 1 for entry in pending}, "run", "load")
        return took

    def _land(self) -> None:
        self.bucket.land(self.day)

    def _take(self, now: datetime) -> None:
        tick(self.bucket, [SHOP], self.ledger, now, overlap_days=OVERLAP_DAYS)

    def _decide(self, now: datetime) -> None:
        self._take(now)
        self.ledger.give_up("shop", attempts=MOST_ATTEMPTS)
        assert partitions_of(self.ledger.pending("shop"))


def landed_object(key: str) -> LandedObject:
    """The object of a key, always the same."""
    return LandedObject(
        key, 1000, datetime(2020, 1, 1, tzinfo=UTC), hashlib.md5(key.encode()).hexdigest()
    )


def sensor_tick(load: Workload) -> list[Measurement]:
    """The listing starts after a key; each tick sees the ten new objects and the week before."""
    many, few = (10_000, 1_000) if load.quick else (1_000_000, 1_000)
    folder = load.folder()
    large, small = Shop(folder, many), Shop(folder, few)
    pairs = interleaved(large.tick, small.tick, pairs=load.pairs(_PAIRS), warm=True)
    name = f"sensor tick, 10 new objects beside {many:,} old ones / beside {few:,}"
    return [of_pairs("sensor_tick", name, pairs, bound="at most", goal=2.0)]
