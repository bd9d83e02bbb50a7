"""Read tables by name in a Spark session, for the shell and for notebooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.build.trial import Trial, trial
from data_platform.engine.session import start_session
from data_platform.lake.files import files_by_partition
from data_platform.lake.reads import ReadPlan
from data_platform.lake.upkeep.browse import key_of
from data_platform.operations.repair import declared
from data_platform.tables.identity import WHOLE_TABLE, TableId


@dataclass(frozen=True)
class Exploration:
    """Read-only access to the platform and the declared `tables`."""

    platform: Platform
    tables: Sequence[Table]

    @cached_property
    def spark(self) -> SparkSession:
        """The process's session, started on first use."""
        return start_session(self.platform.settings)

    def table(self, name: str, partition: str | None = None) -> DataFrame:
        """The published rows of `layer/domain/name`, or of one partition. Raises UnknownTable, and
        NotThere for an invalid partition key."""
        loaded = self.platform.lake.load(TableId.parse(name))
        files = files_by_partition(loaded, key_of(loaded, partition))
        listed = [file for group in files.values() for file in group]
        return ReadPlan.of(loaded, listed).dataframe(self.spark, self.platform.storage)

    def attempt(self, name: str, partition: str = WHOLE_TABLE, *, limit: int = 20) -> Trial:
        """Run the function of a declared table on one partition and judge its rows; see `trial`."""
        table = declared(self.tables, TableId.parse(name))
        return trial(table, self.platform, self.spark, partition, limit=limit)
