"""Compare a listing with the ledger: the difference, as data.

Pure except for hashing an object's bytes; `ledger` looks up what is known and applies the changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from data_platform.landing.ledger.tables import Entry
from data_platform.landing.places.objects import Bucket, LandedObject
from data_platform.landing.source import Cause, Source, Unplaced

_SHOWN = 3  # sources, in a message


@dataclass(frozen=True)
class Recorded:
    """What a listing added to the ledger, by key.

    `new` keys were never seen (or a source now claims them), `reopened` ones landed again with
    other content (or the same, but were never loaded), `unknown` ones match no source and were
    not recorded as unknown before. `unchanged` is a number of objects.
    """

    new: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unchanged: int = 0

    @property
    def listed(self) -> int:
        return len(self.new) + len(self.reopened) + len(self.unknown) + self.unchanged

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(
            self.new + other.new,
            self.reopened + other.reopened,
            self.unknown + other.unknown,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True)
class Place:
    """Where a key of a bucket belongs now."""

    bucket: str
    source: str | None
    partition: str | None


@dataclass
class Changes:
    """Rows to insert as their key's latest version, and columns to update by id."""

    insert: list[dict[str, Any]] = field(default_factory=list)
    update: dict[int, dict[str, Any]] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)  # unchanged, but landed again
    unchanged: int = 0
    moved: dict[str, Place] = field(default_factory=dict)  # by key

    @property
    def keys(self) -> list[str]:
        return [*self.new, *self.reopened, *self.unknown, *self.refreshed]

    @property
    def waiting(self) -> dict[str, tuple[str, str]]:
        """Source and partition of each key that has to be loaded."""
        rows = [(row["key"], row["source"], row["partition"]) for row in self.insert]
        rows += [(key, place.source, place.partition) for key, place in self.moved.items()]
        return {key: (source, partition) for key, source, partition in rows if source and partition}

    @property
    def any(self) -> bool:
        return bool(self.insert or self.update or self.moved)

    @property
    def recorded(self) -> Recorded:
        return Recorded(tuple(self.new), tuple(self.reopened), tuple(self.unknown), self.unchanged)


def has_to_be_read(seen: LandedObject, entry: Entry | None) -> bool:
    """Whether its bytes must be hashed to know its version; `entry` is the key's latest, if any."""
    if seen.unusable or seen.etag is not None:
        return False
    return entry is None or (entry.size, entry.modified) != (seen.size, seen.modified)


def landing_order(seen: LandedObject) -> tuple[datetime, str]:
    """The sort key for landing order within one listing: modification time, then key."""
    return seen.modified, seen.key


def arrive(rows: Sequence[dict[str, Any]], *, after: datetime | None) -> None:
    """Set increasing arrival times in rows that are about to be inserted, in their order.

    Each is later than the one before and than `after`, the last in the ledger, by at least a
    microsecond: which of two rows of a key arrived last must not depend on a clock that was set
    back, nor on the names of objects that were found together.
    """
    for row in rows:
        if after is not None and row["first_seen"] <= after:
            row["first_seen"] = after + timedelta(microseconds=1)
        after = row["first_seen"]


def versions(
    listed: Iterable[LandedObject], known: Mapping[str, Entry], bucket: Bucket
) -> dict[str, str]:
    """The version of each object; one that vanishes while it is hashed is left out."""
    found = {}
    for seen in listed:
        entry = known.get(seen.key)
        if seen.unusable:  # never read, so its bytes do not matter
            found[seen.key] = f"{seen.size}-{seen.modified.isoformat()}"
        elif seen.etag is not None:
            found[seen.key] = f"{seen.size}-{seen.etag}"
        elif entry and not has_to_be_read(seen, entry):
            found[seen.key] = entry.version
        else:
            try:
                found[seen.key] = f"{seen.size}-{bucket.content_hash(seen.key)}"
            except FileNotFoundError:
                continue
            except OSError:  # it exists, so it is recorded; the run that reads it reports the error
                found[seen.key] = f"{seen.size}-{seen.modified.isoformat()}"
    return found


def compare(
    listed: Iterable[LandedObject],
    versions: Mapping[str, str],
    known: Mapping[str, Entry],
    bucket: str,
    sources: Sequence[Source],
    now: datetime,
) -> Changes:
    """The changes that bring `known`, the latest versions by key, up to the listed objects."""
    changes = Changes()
    for seen in listed:
        if seen.key not in versions:
            continue
        version, entry = versions[seen.key], known.get(seen.key)
        if entry is None or entry.version != version or _is_back_unloaded(entry):
            match = claim(seen, sources)
            changes.insert.append(_row(seen, version, bucket, match, now))
            if entry and match["source"] and not _is_of(entry, match):
                changes.moved[seen.key] = Place(bucket, match["source"], match["partition"])
            kind = changes.new if entry is None else changes.reopened
            (kind if match["source"] else changes.unknown).append(seen.key)
        elif entry.state == "unknown" and _differs(match := claim(seen, sources), entry):
            changes.update[entry.id] = {**match, **_refreshed(seen, now)}
            if match["source"]:
                changes.moved[seen.key] = Place(bucket, match["source"], match["partition"])
                changes.new.append(seen.key)
            else:  # still unknown, for another reason
                changes.refreshed.append(seen.key)
                changes.unchanged += 1
        else:
            if entry.vanished or (entry.modified, entry.etag) != (seen.modified, seen.etag):
                changes.update[entry.id] = _refreshed(seen, now)
                changes.refreshed.append(seen.key)
            changes.unchanged += 1
    return changes


def _refreshed(seen: LandedObject, now: datetime) -> dict[str, Any]:
    """The columns of the same bytes as they are listed now: a read checks them."""
    return {"modified": seen.modified, "etag": seen.etag, "vanished": None, "updated": now}


def again(entry: Entry, now: datetime) -> dict[str, Any]:
    """A row that retries the same bytes. Its new id gives new run keys."""
    seen = LandedObject(entry.key, entry.size, entry.modified, entry.etag)
    match = {"source": entry.source, "partition": entry.partition, "state": "pending"}
    row = _row(seen, entry.version, entry.bucket, match, now)
    return {**row, "first_seen": entry.first_seen}  # unchanged, so bronze's rows are the same


def _is_of(entry: Entry, match: Mapping[str, Any]) -> bool:
    return (entry.source, entry.partition) == (match["source"], match["partition"])


def _is_back_unloaded(entry: Entry) -> bool:
    """Whether it had vanished and was not loaded; a loaded one that is back needs nothing."""
    return entry.vanished is not None and entry.state in ("pending", "failed")


def _differs(match: Mapping[str, str | None], entry: Entry) -> bool:
    return any(getattr(entry, name) != value for name, value in match.items())


def claim(seen: LandedObject, sources: Sequence[Source]) -> dict[str, str | None]:
    """The source and the partition that an object belongs to, or why it is unknown."""
    if seen.unusable:
        return _unknown("unusable", seen.unusable)
    near = [source for source in sources if seen.key.startswith(source.prefix)]  # of a thousand
    found = {source.name: source.claim(seen.key) for source in near}
    places = {name: place for name, place in found.items() if isinstance(place, str)}
    if len(places) == 1:
        [(source, partition)] = places.items()
        known = {"source": source, "partition": partition, "state": "pending"}
        return {**known, "error": None, "cause": None}
    if places:
        names = ", ".join(sorted(places))
        why = f"claimed by several sources: {names}; make their patterns exclusive"
        return _unknown("several sources", why)
    unplaced = [place for place in found.values() if isinstance(place, Unplaced)]
    if unplaced:
        return _unknown(unplaced[0].cause, "; ".join(place.why for place in unplaced))
    patterns = [f"{source.name} takes {source.pattern}" for source in sources[:_SHOWN]]
    more = f" and {len(sources) - _SHOWN} more" if len(sources) > _SHOWN else ""
    why = f"no source's pattern matches it: {', '.join(patterns) or 'none is declared'}{more}"
    return _unknown("no source", why)


def _unknown(cause: Cause, why: str) -> dict[str, str | None]:
    return {"source": None, "partition": None, "state": "unknown", "error": why, "cause": cause}


def _row(
    seen: LandedObject, version: str, bucket: str, match: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "key": seen.key,
        "version": version,
        "latest": True,
        "size": seen.size,
        "modified": seen.modified,
        "etag": seen.etag,
        "attempts": 0,
        "first_seen": now,
        "updated": now,
        "error": None,
        "cause": None,
        "vanished": None,
        **match,
    }
