"""The tables, platform and Dagster instance that runs work on, as one value."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dagster as dg

from data_platform.assets import Table
from data_platform.build.platform import Platform


@dataclass(frozen=True)
class Scope:
    """Declared tables, the platform that holds them, and Dagster's record of their runs."""

    instance: dg.DagsterInstance
    platform: Platform
    tables: Sequence[Table]

    def of(self, tables: Sequence[Table]) -> "Scope":
        """The same for other tables."""
        return replace(self, tables=tables)
