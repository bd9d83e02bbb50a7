"""How fresh tables are now, and how fresh they must be."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from data_platform.access.ranges import as_ranges
from data_platform.assets import Table
from data_platform.build.freshness import Measured, in_words
from data_platform.build.platform import Platform
from data_platform.quality.overdue import Freshness
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class TableFreshness:
    """A table's freshness, and its rule in words."""

    table: TableId
    found: Freshness
    rule: str

    @property
    def record(self) -> dict[str, object]:
        """Its values by name."""
        found = self.found
        return {
            "table": str(self.table),
            "state": str(found.state),
            "newest": found.newest,
            "expected_by": found.deadline,
            "since": found.since,
            "missing": as_ranges(found.missing),
            "rule": self.rule,
        }


def freshness_of(
    platform: Platform, tables: Sequence[Table], now: dt.datetime
) -> list[TableFreshness]:
    """The freshness of those of the tables that declare how fresh they must be."""
    measured = Measured(platform, tables)
    return [
        TableFreshness(table.id, measured.of(table, rule, now), in_words(rule))
        for table, rule in measured.rules()
    ]
