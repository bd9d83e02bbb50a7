"""From a bucket's listing to a run: what a sensor does on a tick, and the daily reconciliation.

Nothing is remembered here. What is new is decided against the ledger, so a process that is killed
between any two steps loses nothing: the next tick finds the same work again.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from data_platform.landing.ledger import Ledger
from data_platform.landing.ledger_tables import Entry
from data_platform.landing.objects import Bucket, LandedObject
from data_platform.landing.recording import Recorded
from data_platform.landing.source import Source


@dataclass(frozen=True)
class Tick:
    """What a tick listed (a number of objects) and recorded."""

    listed: int
    recorded: Recorded


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


@dataclass(frozen=True)
class RunPlan:
    """One run over the range from `first_partition` to `last_partition`.

    Only `partitions`, those with something pending, are to be rebuilt. `run_key` is a hash of the
    pending versions and their attempts: the same for the same work, another for another try.
    """

    first_partition: str
    last_partition: str
    partitions: tuple[str, ...]
    run_key: str


def tick(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime, overlap_days: int
) -> Tick:
    """List what may be new and record it.

    Of a bucket that can start after a key, and a source whose keys are ordered by date, only the
    dates from `overlap_days` before the newest known one; what lands later for an earlier date is
    found by `reconcile`. Else everything below the sources' prefixes; of a bucket whose listing
    costs the same anyway, everything, which shows unknown keys at once.
    """
    if bucket.starts_after:
        listing = _recent(bucket, sources, ledger, now, timedelta(days=overlap_days))
    else:
        listing = bucket.list()
    recorded = ledger.record(listing, bucket, sources, now)
    return Tick(recorded.listed, recorded)


def reconcile(
    bucket: Bucket, sources: Sequence[Source], ledger: Ledger, now: datetime
) -> Reconciliation:
    """List everything, record what the ticks missed, and mark what is gone."""
    last_id = ledger.last_id()  # what another tick records from here on is not ours to miss
    listed: set[str] = set()

    def listing() -> Iterator[LandedObject]:
        for landed in bucket.list():
            listed.add(landed.key)
            yield landed

    recorded = ledger.record(listing(), bucket, sources, now)
    known = ledger.present(bucket.name, up_to=last_id)
    vanished = {key: id for key, id in known.items() if key not in listed}
    ledger.mark_vanished(vanished.values())
    return Reconciliation(
        listed=len(listed),
        new=recorded.new,
        vanished=tuple(sorted(vanished)),
        repaired=recorded.new + recorded.reopened,
        unknown=recorded.unknown,
    )


def plan_run(pending: Iterable[Entry], *, running: Collection[str] = ()) -> RunPlan | None:
    """The one run that covers the pending entries of a source, or None if nothing waits.

    Entries that one of the `running` runs has claimed are left to it.
    """
    waiting = [entry for entry in pending if entry.run_id not in running]
    if not waiting:
        return None
    partitions = tuple(sorted({str(entry.partition) for entry in waiting}))
    work = sorted(f"{entry.id}:{entry.attempts}" for entry in waiting)
    run_key = hashlib.sha256("\n".join(work).encode()).hexdigest()
    return RunPlan(partitions[0], partitions[-1], partitions, run_key)


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
