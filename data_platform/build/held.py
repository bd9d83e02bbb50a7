"""List held back partitions: their newest build failed its checks, and would fail them again.

A partition is up to date, stale or held back. If its inputs or declaration changed since a build
was held back, that build no longer counts, and the partition is stale.
"""

from collections.abc import Iterable, Mapping

from data_platform.assets import Table
from data_platform.build.planning import stale_plan
from data_platform.build.platform import Platform
from data_platform.lake.builds import Build
from data_platform.quality.mapping import Dimension


def held_now(table: Table, platform: Platform) -> dict[str, Build]:
    """The held back build of each partition. Costs O(held back builds).

    If the table cannot be planned, all of them are returned, since none is known to be outdated.
    """
    found = platform.builds.held_back(table.id)
    known = [k for k in sorted(found) if not table.partitions or _has(table, k)]
    if not known:
        return {}
    planned = stale_plan(table, platform, known)
    if planned is None:
        return {key: found[key] for key in known}
    # Unreadable objects are not in the digest; if they are gone, nothing is held back any more.
    inputs = {*planned.digests, *unreadable(table, platform)}
    return {key: found[key] for key in known if key in inputs and key not in planned.keys}


def unreadable(table: Table, platform: Platform) -> dict[str, dict[str, str]]:
    """The errors of its source's failed objects, by partition and key."""
    found: dict[str, dict[str, str]] = {}
    for entry in platform.ledger.failed(table.source.name) if table.source else ():
        found.setdefault(entry.partition or "", {})[entry.key] = entry.error or "unknown"
    return found


def expired_now(table: Table, platform: Platform, keys: Iterable[str]) -> Mapping[str, str]:
    """For each partition that is due but cannot be built, since a version of a dimension that it
    reads has expired: which one, and what to do."""
    hows = map(table.how, table.inputs)
    if not any(isinstance(how, Dimension) and how.changes == "as_of" for how in hows):
        return {}
    planned = stale_plan(table, platform, keys)
    return planned.expired if planned else {}


def _has(table: Table, key: str) -> bool:
    return table.partitions is not None and table.partitions.has_partition_key(key)
