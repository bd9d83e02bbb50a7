"""Observe the tables that are not as fresh as they declare, one cause for each."""

import datetime as dt
from collections.abc import Callable, Iterator

from data_platform.access.ranges import as_ranges
from data_platform.assets import Table
from data_platform.build.freshness import Measured, told
from data_platform.contracts.freshness import CHECK
from data_platform.quality.overdue import Freshness, State
from data_platform.telemetry.incidents import Cause, Kind, Severity


def late_tables(
    measured: Measured, now: dt.datetime, trouble: Callable[[Table, Exception], object]
) -> Iterator[Cause]:
    """A cause for each late table. A table that cannot be measured is said to `trouble`."""
    changes = measured.platform.builds.changes()
    for table, rule in measured.rules():
        try:
            found = measured.of(table, rule, now, changes.get(str(table.id), 0))
        except Exception as error:
            trouble(table, error)
            continue
        if found.is_late:
            yield _cause(table, found)


def _cause(table: Table, found: Freshness) -> Cause:
    return Cause(
        kind=Kind.FRESHNESS,
        subject=str(table.id),
        rule=CHECK,
        severity=Severity.ERROR if found.state is State.ERROR else Severity.WARNING,
        owner=table.owner,
        title=f"{table.id} is late: {told(found)}",
        partitions=as_ranges(found.missing),
        look=f"data-platform freshness {table.id}",
        mend="see with `data-platform landing` and `data-platform status` whether its files have "
        "landed and its runs work; where no data is due, say so in the table's expected days",
    )
