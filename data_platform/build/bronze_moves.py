"""Plan moves of rows between partitions of a bronze table: the files they are carried from, and
the partitions that can be published together. `landing.ledger.moves` says how a key moves."""

from collections.abc import Collection, Mapping, Sequence

from data_platform.lake.catalog import LakeTable
from data_platform.lake.files import Files, files_by_partition
from data_platform.landing.ledger.tables import Entry
from data_platform.landing.parse import ParseReport

Effective = Mapping[str, list[Entry]]


def elsewhere_in_bronze(loaded: LakeTable, effective: Effective) -> Files:
    """The files of partitions from which rows have to be carried into others."""
    stored = (entry.previous for entries in effective.values() for entry in entries)
    places = {entry.stands_in for entry in stored if entry and entry.stands_in}
    return files_by_partition(loaded, places) if places else {}


def ready(reports: Sequence[ParseReport], awaited: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The partitions to publish: none drops a key's rows before another partition has them."""
    ready = {report.partition: report for report in reports}
    while True:
        read = {o.key for r in ready.values() for o in r.objects if o.error is None}
        early = [key for key in ready if awaited.get(key, set()) - read]
        if not early:
            return tuple(ready)
        for key in early:
            del ready[key]


def takers(
    reports: Sequence[ParseReport], awaited: Mapping[str, set[str]]
) -> dict[str, frozenset[str]]:
    """For each partition that gives up rows, the partitions whose reports have read them."""
    readers: dict[str, set[str]] = {}
    for report in reports:
        for read in report.objects:
            if read.error is None:
                readers.setdefault(read.key, set()).add(report.partition)
    return {
        place: frozenset(reader for key in keys for reader in readers.get(key, ())) - {place}
        for place, keys in awaited.items()
    }


def moved(effective: Effective, left: Mapping[str, list[int]], keys: Collection[str]) -> set[int]:
    """The ids of the objects that have moved once these partitions are published."""
    stored = (entry.previous for key in keys for entry in effective.get(key, ()))
    came = {entry.id for entry in stored if entry and entry.state == "moving"}
    return came.union(*(left.get(key, ()) for key in keys))
