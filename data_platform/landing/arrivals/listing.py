"""Find new objects by listing a bucket: a sensor's tick, and the daily reconciliation.

No state is kept here. What is new is decided by comparing with the ledger, so a process that is
killed between any two steps loses nothing: the next tick finds the same work again. Arrivals
through a queue are in `queue`.
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

    `vanished` keys are no longer in the bucket. `warnings` need a person's attention; what they
    describe was left in place. With a queue, `messages` counts those that were read, and `outside`
    those about keys outside the landing prefix.
    """

    recorded: Recorded = field(default_factory=Recorded)
    vanished: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    messages: int = 0
    outside: int = 0


class Intake(Protocol):
    """How the platform learns what landed."""

    def take(self, sources: Sequence[Source], ledger: Ledger, now: datetime) -> Taken:
        """Record what landed since the last tick."""
        ...


@dataclass(frozen=True)
class ListingIntake:
    """Finds arrivals by listing the bucket, see `tick`."""

    bucket: Bucket
    overlap_days: int = OVERLAP_DAYS

    def take(self, sources: Sequence[Source], ledger: Ledger, now: datetime) -> Taken:
        return Taken(tick(self.bucket, sources, ledger, now, self.overlap_days))


@dataclass(frozen=True)
class NoIntake:
    """Takes nothing: what lands is another platform's to record."""

    def take(self, sources: Sequence[Source], ledger: Ledger, now: datetime) -> Taken:
        return Taken()


@dataclass(frozen=True)
class Inspected:
    """What `inspect` recorded; `failed` keys could not be looked at, each with the error."""

    recorded: Recorded = field(default_factory=Recorded)
    vanished: tuple[str, ...] = ()
    failed: Mapping[str, Exception] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, str]:
        """Why keys could not be looked at, by key, sorted."""
        return {key: str(self.failed[key]) for key in sorted(self.failed)}

    def __add__(self, other: "Inspected") -> "Inspected":
        return Inspected(
            self.recorded + other.recorded,
            self.vanished + other.vanished,
            {**self.failed, **other.failed},
        )


@dataclass(frozen=True)
class Reconciliation:
    """How the bucket differed from the ledger: what no tick had recorded, by key.

    `missed` keys were not in the ledger; `changed` ones have different content than was recorded
    (or landed again before they were ever loaded); `vanished` ones are no longer in the bucket.
    `unknown` ones were not in the ledger either and match no source. `failed` ones could not be
    looked at, with the reason. `by` names what the ledger was compared with.
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
        """What was wrong with each key that was corrected in the ledger, by key, sorted."""
        named = {"missed": self.missed, "changed": self.changed, "vanished": self.vanished}
        found = [(key, what) for what, keys in named.items() for key in keys]
        return dict(sorted(found))


def tick(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime, overlap_days: int
) -> Recorded:
    """List what may be new and record it.

    If the bucket can start after a key and the source's keys are ordered by date, only the dates
    from `overlap_days` before the newest known one are listed; `reconcile` finds what lands later
    for an earlier date. Otherwise everything below the sources' prefixes is listed, or the whole
    bucket if that costs the same, which shows unknown keys at once. A whole listing also shows
    which failed objects are gone, so that they are tried again when they come back. Other vanished
    objects may be many and need no mark: a run finds out when it loads them.
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
    # A long listing is minutes old when it ends; a tick may have recorded newer versions meanwhile.
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

    Costs O(keys). Another process that looked earlier may record later, so a key whose version was
    replaced is looked at again until the ledger agrees with the bucket.
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
    """The partitions to rebuild for the pending entries, in order."""
    return tuple(sorted({str(entry.partition) for entry in pending}))


def _record_all(
    bucket: Bucket,
    sources: Sequence[Source],
    ledger: Ledger,
    now: datetime,
    known: Mapping[str, int],
) -> tuple[Recorded, tuple[str, ...]]:
    """Record the full listing; mark and return those of the `known` keys (with ids) it lacks.

    They were looked up before the listing, so keys that land and are recorded meanwhile are not
    taken for vanished.
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
    """Each key's object, None if it is gone; and why a key could not be looked at."""
    seen: dict[str, LandedObject | None] = {}
    failed: dict[str, Exception] = {}

    down: list[Exception] = []

    def head(key: str) -> None:
        if down:  # every request would time out like the first, and a tick is bounded
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
    """The key to start after; None if the keys are not ordered by date."""
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
