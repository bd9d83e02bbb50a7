"""Which partitions are held back: their newest attempt did not pass, and would not pass again.

A partition is either up to date, stale or held back: an attempt that was held back with other
inputs, or under another declaration, says nothing about the present ones.
"""

from collections.abc import Iterable, Mapping

from data_platform.assets import Table
from data_platform.build.planning import stale_plan
from data_platform.build.platform import Platform
from data_platform.lake.builds import Build
from data_platform.quality.mapping import Dimension


def held_now(table: Table, platform: Platform) -> dict[str, Build]:
    """By partition, the attempt that was held back. The cost is that of such attempts alone.

    If the table cannot be planned, all of them: nothing says then that one would pass.
    """
    found = platform.builds.held_back(table.id)
    known = [k for k in sorted(found) if not table.partitions or _has(table, k)]
    if not known:
        return {}
    planned = stale_plan(table, platform, known)
    if planned is None:
        return {key: found[key] for key in known}
    # Of what could not be read nothing is in the digests; if it is gone there is nothing to hold.
    inputs = {*planned.digests, *unreadable(table, platform)}
    return {key: found[key] for key in known if key in inputs and key not in planned.keys}


def unreadable(table: Table, platform: Platform) -> dict[str, dict[str, str]]:
    """The errors of its source's failed objects, by partition and key."""
    found: dict[str, dict[str, str]] = {}
    for entry in platform.ledger.failed(table.source.name) if table.source else ():
        found.setdefault(entry.partition or "", {})[entry.key] = entry.error or "unknown"
    return found


def expired_now(table: Table, platform: Platform, keys: Iterable[str]) -> Mapping[str, str]:
    """By partition, why it is due but cannot be built: a version of a dimension that it reads has
    expired. With what to do."""
    hows = map(table.how, table.inputs)
    if not any(isinstance(how, Dimension) and how.changes == "as_of" for how in hows):
        return {}
    planned = stale_plan(table, platform, keys)
    return planned.expired if planned else {}


def _has(table: Table, key: str) -> bool:
    return table.partitions is not None and table.partitions.has_partition_key(key)
