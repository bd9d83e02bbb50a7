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
from data_platform.contracts.columns import column
from data_platform.contracts.contract import contract
from data_platform.lake.publish import StagedWrite, publish
from data_platform.lake.table import WHOLE_TABLE, TableId
from data_platform.observability.events import StepResult
from data_platform.platform_defs.merge import build_merged
from data_platform.platform_defs.planning import Plan, plan
from data_platform.platform_defs.platform import Platform
from data_platform.settings import Settings, prepare_home
from data_platform_tests.lake.home import Home as Lake

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

CHANGES = TableId.parse("silver/shop/client_changes")
_CHANGES = T.StructType(
    [
        T.StructField("day", T.DateType(), False),
        T.StructField("client", T.LongType(), False),
        T.StructField("changed", T.LongType(), False),
        T.StructField("city", T.StringType(), True),
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
    changed: T.LongType = column(description="when")
    city: T.StringType = column(nullable=True, description="where the client lives")


@gold(contract=Client, partitions=None)
def clients(client_changes: DataFrame) -> DataFrame:
    """One row per client, as it was last changed."""
    return client_changes.withColumn("city", F.upper("city"))


def newest(days: Days) -> set[Change]:
    """What the table must hold."""
    found: dict[int, Change] = {}
    for client, changed, city in (row for rows in days.values() for row in rows):
        row = (client, changed, city and city.upper())
        found[client] = max(found.get(client, row), row, key=_rank)
    return set(found.values())


def _rank(row: Change) -> tuple[int, bool, str]:
    return row[1], row[2] is not None, row[2] or ""


class Shop:
    """The changes of each day, as last written, and the table that they are merged into."""

    table = clients

    def __init__(self, home: Path, spark: SparkSession) -> None:
        settings = Settings.at(home)
        prepare_home(settings)
        self.platform, self._spark, self.days = Platform(settings), spark, {}
        self._lake = Lake(home)
        self._lake.make(CHANGES, _CHANGES)

    def changes(self, days: Days) -> None:
        """Replace these days' changes, in one commit."""
        rows = [
            (dt.date.fromisoformat(day), *row) for day, changed in days.items() for row in changed
        ]
        columns = zip(*rows, strict=True) if rows else [()] * 4
        types = (pyarrow.date32(), pyarrow.int64(), pyarrow.int64(), pyarrow.string())
        data = pyarrow.table(
            [pyarrow.array(c, t) for c, t in zip(columns, types, strict=True)],
            names=_CHANGES.names,
        )
        self._lake.publish(self._lake.stage(data, days, table=CHANGES))
        self.days |= days

    def plan(self, *, only_stale: bool = True) -> Plan:
        return plan(self.table, self.platform, [WHOLE_TABLE], only_stale=only_stale)

    def build(self, planned: Plan) -> StepResult:
        return build_merged(self.table, planned, self.platform, self._spark, "run00001")

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
