"""What landed, as far as the platform has come with it: entered in the ledger, settled, due."""

import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import suppress

from data_platform.assets import Table
from data_platform.build.planning import Plan, current_versions, plan
from data_platform.build.platform import Platform
from data_platform.lake.look import Look
from data_platform.landing.arrivals.listing import Arrived, Listing, partitions_of
from data_platform.landing.ledger.tables import State
from data_platform.runs.tags import MOST_ATTEMPTS
from data_platform.storage.errors import LakeError

_DECLARED: tuple[State, ...] = ("pending", "loaded", "failed", "moving")


def record_arrivals(
    platform: Platform,
    landed: Sequence[Table],
    now: dt.datetime,
    *,
    listed: bool = False,
    redeclared: bool = False,
) -> Arrived:
    """Enter in the ledger what landed, and what became of what waited there; `landed` are the
    bronze tables, whose declarations may have changed where `redeclared`: costs O(ledger). What
    was `listed` a moment ago is not listed again."""
    settle_arrivals(platform, landed)
    sources = [table.source for table in landed if table.source]
    known = listed and isinstance(platform.arrivals, Listing)
    arrived = Arrived() if known else platform.arrivals.take(sources, platform.ledger, now)
    for table in landed:
        if table.source:
            platform.ledger.give_up(
                table.source.name, attempts=MOST_ATTEMPTS, declaration=table.version
            )
    states = _DECLARED if redeclared else _DECLARED[:1]
    platform.ledger.move(sources, now, states=states)
    for table in landed:
        platform.ledger.reopen(_failed_otherwise(table, platform))
    return arrived


def settle_arrivals(platform: Platform, landed: Sequence[Table]) -> None:
    """Enter what killed runs had published, in the ledger and in the register of builds, before
    anything else is entered."""
    for table in landed:
        prepared = platform.ledger.prepared(table.source.name) if table.source else []
        found = {*prepared, *platform.builds.uncommitted(table.id)}
        keys = [k for k in found if table.partitions and table.partitions.has_partition_key(k)]
        if keys:
            # where its table cannot be read, its plan says so, and the others go on
            with suppress(LakeError, ValueError):
                settle(table, platform, keys)


def settle(table: Table, platform: Platform, keys: Iterable[str]) -> None:
    """Mark as loaded what a run that was killed after its commit had published of these partitions.

    Before anything is planned: an object that went away since would else count as never loaded.
    """
    assert table.source is not None
    found = current_versions(platform, table.id, list(keys))
    platform.ledger.settle(table.source.name, found)
    platform.builds.commit(table.id, found)


def due_of_bronze(table: Table, platform: Platform, look: Look | None = None) -> Plan:
    """What a bronze table has to build. It costs as much as may be due, whatever has ever landed.

    That are the partitions for which something waits or that something moves between, and those
    whose newest attempt was held back or is of another declaration; what is due of them is decided
    as for every table, by the plan.
    """
    assert table.source is not None and table.partitions is not None
    waiting = partitions_of(platform.ledger.pending(table.source.name))
    moving = platform.ledger.moving(table.source.name)
    asked = {*waiting, *moving, *platform.builds.doubtful(table.id, table.version)}
    known = [key for key in sorted(asked) if table.partitions.has_partition_key(key)]
    return plan(table, platform, known, only_stale=True, look=look)


def _failed_otherwise(table: Table, platform: Platform) -> list[int]:
    """The objects that could not be read as they were declared before: maybe they can, now."""
    found = platform.ledger.failed(table.source.name) if table.source else []
    return [entry.id for entry in found if entry.declaration != table.version]
