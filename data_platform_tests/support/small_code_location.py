"""Dagster's definitions for tests of the webserver: a job, and a table of days."""

import dagster as dg


@dg.op
def nothing() -> None: ...


@dg.job
def quiet() -> None:
    nothing()


@dg.asset(
    key=["silver", "shop", "lines"],
    partitions_def=dg.DailyPartitionsDefinition("2011-03-01", end_date="2011-03-08"),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def lines() -> None: ...


defs = dg.Definitions(assets=[lines], jobs=[quiet])
