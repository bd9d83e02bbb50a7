"""From a bucket's listing to a run: what a sensor does on a tick, and the daily reconciliation.

Nothing is remembered here. What is new is decided against the ledger, so a process that is killed
between any two steps loses nothing: the next tick finds the same work again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from data_platform.landing.ledger import Ledger
from data_platform.landing.ledger_tables import Entry
from data_platform.landing.objects import Bucket, LandedObject
from data_platform.landing.recording import Recorded
from data_platform.landing.source import Source


@dataclass(frozen=True)
class Reconciliation:
    """The full listing against the ledger.

    `repaired` keys are those that no tick had recorded, `new` and reopened ones; `vanished` keys
    are in the bucket no more since the last look.
    """

    listed: int
    new: tuple[str, ...]
    vanished: tuple[str, ...]
    repaired: tuple[str, ...]
    unknown: tuple[str, ...]


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
    failed = {e.key: e.id for e in ledger.failed() if e.bucket == bucket.name and e.available}
    recorded, _ = _record_all(bucket, sources, ledger, now, failed)
    return recorded


def reconcile(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime
) -> Reconciliation:
    """List everything, record what the ticks missed, and mark what is gone."""
    known = ledger.present(bucket.name)
    recorded, vanished = _record_all(bucket, sources, ledger, now, known)
    return Reconciliation(
        listed=recorded.listed,
        new=recorded.new,
        vanished=vanished,
        repaired=recorded.new + recorded.reopened,
        unknown=recorded.unknown,
    )


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
