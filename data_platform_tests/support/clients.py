"""A table of clients that daily changes are merged into, and its step without Dagster.

The changes are written without Spark, as a silver table would be; what the table must hold is
computed in plain Python from all of them.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandera.pyspark as pa
import pyarrow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from data_platform.assets import gold
from data_platform.build.merged import build_merged
from data_platform.build.planning import Plan, plan
from data_platform.build.platform import Platform
from data_platform.build.result import StepResult
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.lake.writing.publish import StagedWrite, publish
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import WHOLE_TABLE, TableId
from data_platform_tests.support.lake_home import LakeHome

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

CHANGES = TableId.parse("silver/shop/client_changes")
_CHANGES = T.StructType(
    [
        T.StructField("day", T.DateType(), False),
        T.StructField("client", T.LongType(), False),
        T.StructField("changed", T.LongType(), False),
        T.StructField("city", T.StringType(), True),
        T.StructField("_source_object", T.StringType(), False),
        T.StructField("_row_number", T.LongType(), False),
        T.StructField("_ingested_at", T.TimestampType(), True),
    ]
)

Change = tuple[int, int, str | None]  # client, changed, city
Days = Mapping[str, Sequence[Change]]


@contract(
    table="gold/shop/clients",
    merge_on=("client",),
    latest=("changed",),
    owner="team:shop",
    version="1",
)
class Client(pa.DataFrameModel):
    """One row per client, as it was last changed."""

    client: T.LongType = column(ge=0, description="number of the client")
    changed: T.LongType = column(lt=10**6, description="when")
    city: T.StringType = column(nullable=True, description="where the client lives")


@gold(contract=Client, partitions=None)
def clients(client_changes: DataFrame) -> DataFrame:
    """One row per client, as it was last changed."""
    return client_changes.withColumn("city", F.upper("city"))


class Clients:
    """The changes of each day, as last written, and the table that they are merged into."""

    table = clients

    def __init__(self, home: Path, spark: SparkSession) -> None:
        settings = settings_at(home)
        prepare_home(settings)
        self.platform, self.spark = Platform(settings), spark
        self.days: dict[str, Sequence[Change]] = {}
        self._arrived: dict[str, dt.datetime] = {}  # of each day, when it landed last
        self._landings = 0
        self._lake = LakeHome(home)
        self._lake.make(CHANGES, _CHANGES)

    def changes(self, days: Days) -> None:
        """Replace these days' changes, in one commit: they have landed again, each as an object."""
        self._landings += 1
        at = dt.datetime(2011, 3, 10, tzinfo=dt.UTC) + dt.timedelta(seconds=self._landings)
        rows = [
            (dt.date.fromisoformat(day), *row, f"{day}.csv", number, at)
            for day, changed in days.items()
            for number, row in enumerate(changed, start=1)
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(_CHANGES)
        of_row = (pyarrow.string(), pyarrow.int64(), pyarrow.timestamp("us", "UTC"))
        types = (pyarrow.date32(), pyarrow.int64(), pyarrow.int64(), pyarrow.string(), *of_row)
        data = pyarrow.table(
            [pyarrow.array(c, t) for c, t in zip(columns, types, strict=True)],
            names=_CHANGES.names,
        )
        self._lake.publish(self._lake.stage(data, days, table=CHANGES))
        self.days |= days
        self._arrived |= dict.fromkeys(days, at)

    @property
    def newest(self) -> set[Change]:
        """What the table must hold: of each client the last change, of those that tie the last
        that arrived."""
        found: dict[int, tuple] = {}
        for day, rows in self.days.items():
            for number, (client, changed, city) in enumerate(rows):
                rank = (changed, self._arrived[day], day, number)
                row = (rank, (client, changed, city and city.upper()))
                found[client] = max(found.get(client, row), row)
        return {row for _, row in found.values()}

    def plan(self, *, only_stale: bool = True) -> Plan:
        return plan(self.table, self.platform, [WHOLE_TABLE], only_stale=only_stale)

    def build(self, planned: Plan) -> StepResult:
        return build_merged(self.table, planned, self.platform, self.spark, "run00001")

    def publish(self, write: StagedWrite) -> None:
        publish(self.platform.lake, self.platform.builds, write)

    def run(self, *, only_stale: bool = True) -> StepResult | None:
        """As a run would; None where nothing is due."""
        planned = self.plan(only_stale=only_stale)
        if not planned.keys:
            return None
        result = self.build(planned)
        self.publish(result.write)
        return result

    @property
    def rows(self) -> list[Change]:
        """What a reader sees."""
        data = self.platform.lake.load(self.table.id).scan().to_arrow()
        return [(row["client"], row["changed"], row["city"]) for row in data.to_pylist()]

    @property
    def snapshots(self) -> list[int]:
        return [s.snapshot_id for s in self.platform.lake.load(self.table.id).snapshots()]


def read_by(result: StepResult | None) -> str:
    """What a build says it was made from."""
    assert result
    [found] = [f for f in result.findings if f.check == "conservation"]
    assert found.passed and found.blocking
    return found.description.partition("received: ")[2].rstrip(")")
