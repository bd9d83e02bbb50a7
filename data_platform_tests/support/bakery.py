"""Two answers over a table that no code declares, in a home where no run gets as far as Spark."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import dagster as dg
import pandera.pyspark as pa
from dagster._core.events import DagsterEvent
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import gold
from data_platform.contracts.columns import column
from data_platform.contracts.declare import contract
from data_platform.platform_defs.assembly import definitions
from data_platform.platform_defs.resources import resources
from data_platform_tests.support.homes import Home, home_at
from data_platform_tests.support.lake_home import LakeHome

# pandera reads a type and its arguments from the annotation, which is no type to a type checker.
# pyright: reportInvalidTypeForm=false

DAILY = dg.DailyPartitionsDefinition("2011-03-07", end_date="2011-03-11")
MONTHLY = dg.MonthlyPartitionsDefinition("2011-03-01", end_date="2011-05-01")
FAILURE, CANCELED = dg.DagsterEventType.PIPELINE_FAILURE, dg.DagsterEventType.PIPELINE_CANCELED
_INS = {"sales": "silver/shop/sales"}


@contract(
    table="gold/bakery/days", partition_by="day", owner="team:bakery", version="1", lineage=False
)
class Days(pa.DataFrameModel):
    """What was sold on a day."""

    day: T.DateType = column(description="the day")


@contract(
    table="gold/bakery/months",
    partition_by="month",
    owner="team:bakery",
    version="1",
    lineage=False,
)
class Months(pa.DataFrameModel):
    """What was sold in a month."""

    month: T.DateType = column(description="its first day")


@gold(contract=Days, partitions=DAILY, ins=_INS)
def days(sales: DataFrame) -> DataFrame:
    """What was sold on a day."""
    return sales


@gold(contract=Months, partitions=MONTHLY, ins=_INS)
def months(sales: DataFrame) -> DataFrame:
    """What was sold in a month."""
    return sales


@dg.resource
def no_jvm(_) -> None:
    raise RuntimeError("the JVM cannot start")


class Bakery(Home):
    """A home where every run fails before its first step."""

    @cached_property
    def definitions(self) -> dg.Definitions:
        whole = definitions(self.tables, self.settings)
        return dg.Definitions(
            assets=whole.assets,
            jobs=whole.jobs,
            sensors=whole.sensors,
            resources={**resources(self.settings), "pyspark": no_jvm},
            executor=dg.in_process_executor,
            loggers=whole.loggers,
        )

    @property
    def sales(self) -> LakeHome:
        """The undeclared table, to be written without Spark."""
        lake = LakeHome(self.settings.home, database=self.settings.dagster_database)
        lake.make()
        return lake


@contextmanager
def bakery_at(directory: Path, database: str = "") -> Iterator[Bakery]:
    with home_at(directory, (days, months), database=database) as home:
        yield Bakery(**vars(home))


def ended(
    instance: dg.DagsterInstance,
    request: dg.RunRequest,
    *,
    minutes_ago: float = 0,
    how: dg.DagsterEventType = FAILURE,
) -> str:
    """A run of the request that came to its end so long ago; its id."""
    assert request.job_name
    run = dg.DagsterRun(job_name=request.job_name, tags=request.tags)
    instance.add_run(run)
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes_ago)
    event = DagsterEvent(how.value, job_name=request.job_name)
    instance.report_dagster_event(event, run.run_id, timestamp=at.timestamp())
    return run.run_id
