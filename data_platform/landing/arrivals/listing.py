"""From a bucket to a run: what a sensor does on a tick, and the daily reconciliation.

Nothing is remembered here. What is new is decided against the ledger, so a process that is killed
between any two steps loses nothing: the next tick finds the same work again. How arrivals are
heard of through a queue is `queue`'s.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Protocol

from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.ledger.recording import Recorded
from data_platform.landing.ledger.tables import Entry
from data_platform.landing.places.objects import Bucket, LandedObject
from data_platform.landing.source import Source
from data_platform.storage.s3_errors import StoreError, is_passing

OVERLAP_DAYS = 7
LOOKS_AT_ONCE = 10  # as many connections as boto3 keeps


@dataclass(frozen=True)
class Taken:
    """What a tick found, recorded in the ledger.

    `vanished` keys are no longer in the bucket. `warnings` need a person; what they are about is
    still where it was. Through a queue, `messages` were read, of which `outside` told of
    keys that are not below the landing prefix.
    """

    recorded: Recorded = field(default_factory=Recorded)
    vanished: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    messages: int = 0
    outside: int = 0


class Intake(Protocol):
    """How the platform hears of what landed."""

    def take(self, sources: Sequence[Source], ledger: Ledger, now: datetime) -> Taken:
        """Record what landed since the last time: a tick."""
        ...


@dataclass(frozen=True)
class ListingIntake:
    """Arrivals are found by listing the bucket, see `tick`."""

    bucket: Bucket
    overlap_days: int = OVERLAP_DAYS

    def take(self, sources: Sequence[Source], ledger: Ledger, now: datetime) -> Taken:
        return Taken(tick(self.bucket, sources, ledger, now, self.overlap_days))


@dataclass(frozen=True)
class Inspected:
    """What `inspect` recorded; `failed` keys could not be looked at, each with the error."""

    recorded: Recorded = field(default_factory=Recorded)
    vanished: tuple[str, ...] = ()
    failed: Mapping[str, Exception] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, str]:
        """Why keys could not be looked at, in the order of the keys."""
        return {key: str(self.failed[key]) for key in sorted(self.failed)}

    def __add__(self, other: "Inspected") -> "Inspected":
        return Inspected(
            self.recorded + other.recorded,
            self.vanished + other.vanished,
            {**self.failed, **other.failed},
        )


@dataclass(frozen=True)
class Reconciliation:
    """What is in the bucket against the ledger: what no tick had recorded, by key.

    `missed` keys were not known, `changed` ones have other content than was recorded (or landed
    again, never having been loaded), `vanished` ones are no longer in the bucket. `unknown` ones
    were not known either, and match no source. `failed` ones could not be looked at, with the
    reason. `by` is what the ledger was compared with.
    """

    listed: int
    missed: tuple[str, ...]
    changed: tuple[str, ...]
    vanished: tuple[str, ...]
    unknown: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    by: str = "its listing"

    @property
    def repaired(self) -> dict[str, str]:
        """What was wrong with each key that the ledger now has right, in the order of the keys."""
        named = {"missed": self.missed, "changed": self.changed, "vanished": self.vanished}
        found = [(key, what) for what, keys in named.items() for key in keys]
        return dict(sorted(found))


def tick(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime, overlap_days: int
) -> Recorded:
    """List what may be new and record it.

    Of a bucket that can start after a key, and a source whose keys are ordered by date, only the
    dates from `overlap_days` before the newest known one; what lands later for an earlier date is
    found by `reconcile`. Else everything below the sources' prefixes; of a bucket whose listing
    costs the same anyway, everything, which shows unknown keys at once. It then shows as well
    which failed objects are gone, so that they are tried again when they come back; other ones
    may be many, and need no marking: a run finds what went before it was loaded.
    """
    if bucket.starts_after:
        listing = _recent(bucket, sources, ledger, now, timedelta(days=overlap_days))
        return ledger.record(listing, bucket, sources, now)
    failed = {e.key: e.id for e in ledger.failed() if e.bucket == bucket.name}
    recorded, _ = _record_all(bucket, sources, ledger, now, failed)
    return recorded


def reconcile(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime
) -> Reconciliation:
    """List everything, record what the ticks missed, and mark what is gone."""
    known = ledger.present(bucket.name)
    recorded, vanished = _record_all(bucket, sources, ledger, now, known)
    # A listing of many keys is minutes old at its end, and a tick may have known better.
    looked = inspect(bucket, {*recorded.reopened, *vanished}, sources, ledger, now)
    return Reconciliation(
        listed=recorded.listed,
        missed=recorded.new,
        changed=recorded.reopened,
        vanished=vanished,
        unknown=recorded.unknown,
        failed=looked.reasons,
    )


def inspect(
    bucket: Bucket,
    keys: Collection[str],
    sources: Sequence[Source],
    ledger: Ledger,
    now: datetime,
) -> Inspected:
    """Record what the bucket holds now under exactly these keys, and mark those that are gone.

    Costs O(keys). Who looked before us may record after us: so what replaced something is looked at
    again, until the ledger has what is there.
    """
    known = ledger.present(bucket.name, keys)
    seen, failed = _heads(bucket, keys)
    there = (seen[key] for key in sorted(seen))
    recorded = ledger.record(filter(None, there), bucket, sources, now)
    gone = tuple(sorted(key for key in known if key in seen and seen[key] is None))
    ledger.mark_vanished(known[key] for key in gone)
    found = Inspected(recorded, gone, failed)
    if replaced := {*recorded.reopened, *gone}:
        again = inspect(bucket, replaced, sources, ledger, now)
        found += replace(again, recorded=replace(again.recorded, unchanged=0))
    return found


def partitions_of(pending: Iterable[Entry]) -> tuple[str, ...]:
    """The partitions to rebuild for what is pending, in order."""
    return tuple(sorted({str(entry.partition) for entry in pending}))


def _record_all(
    bucket: Bucket,
    sources: Sequence[Source],
    ledger: Ledger,
    now: datetime,
    known: Mapping[str, int],
) -> tuple[Recorded, tuple[str, ...]]:
    """Record the full listing; mark, and name, which of the `known` keys (with ids) it lacks.

    They were looked up before: what lands, and is recorded, meanwhile is not ours to miss.
    """
    missing = dict(known)

    def listing() -> Iterator[LandedObject]:
        for landed in bucket.list():
            missing.pop(landed.key, None)
            yield landed

    recorded = ledger.record(listing(), bucket, sources, now)
    ledger.mark_vanished(missing.values())
    return recorded, tuple(sorted(missing))


def _heads(
    bucket: Bucket, keys: Collection[str]
) -> tuple[dict[str, LandedObject | None], dict[str, Exception]]:
    """Each key's object, None where there is none; and why a key could not be looked at."""
    seen: dict[str, LandedObject | None] = {}
    failed: dict[str, Exception] = {}

    down: list[Exception] = []

    def head(key: str) -> None:
        if down:  # each look would wait as long as the first, and a tick is bounded
            failed[key] = down[0]
            return
        try:
            seen[key] = bucket.head(key)
        except (OSError, StoreError) as error:
            failed[key] = error
            if isinstance(error, ConnectionError) or is_passing(str(error)):
                down.append(error)

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        list(pool.map(head, keys))
    return seen, failed


def _recent(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime, overlap: timedelta
) -> Iterator[LandedObject]:
    starts: dict[str, list[str | None]] = {}
    for source in sources:
        starts.setdefault(source.prefix, []).append(_start_after(source, ledger, now, overlap))
    for prefix, marks in starts.items():
        earliest = None if None in marks else min(mark for mark in marks if mark is not None)
        yield from bucket.list(prefix, earliest)


def _start_after(source: Source, ledger: Ledger, now: datetime, overlap: timedelta) -> str | None:
    """The key to start after; None where the order of the keys is not that of the dates."""
    newest = ledger.newest(source.name) if source.date_ordered else None
    if newest is None or newest.partition is None:
        return None
    try:
        known = date.fromisoformat(newest.partition[:10])
    except ValueError:
        return None
    if not newest.key.startswith(source.prefix + newest.partition[:7]):
        return None
    # A date in the future is a typing error: it must not hide what lands today.
    return source.prefix + (min(known, now.date()) - overlap).isoformat()
