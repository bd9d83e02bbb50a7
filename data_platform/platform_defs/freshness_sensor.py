"""A sensor that evaluates the tables' check of freshness: a table becomes late without any run.

A result is logged when it changes, when the table has, since Dagster shows a check's result for the
materialization that it was about, and otherwise a few times a day.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from data_platform.assets import Table
from data_platform.build.events import Log
from data_platform.build.freshness import Measured, finding, told
from data_platform.build.platform import Platform
from data_platform.health.causes import told as told_of_error
from data_platform.quality.overdue import Freshness
from data_platform.telemetry.wording import counted

NAME = "freshness"
_AGAIN = dt.timedelta(hours=6)


def freshness_sensors(tables: Sequence[Table]) -> list[dg.SensorDefinition]:
    """The sensor; none where no table declares how fresh it must be."""
    return [_sensor(tables)] if any(table.freshness for table in tables) else []


def _sensor(tables: Sequence[Table]) -> dg.SensorDefinition:
    kept: list[Measured] = []

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Evaluates whether tables are as fresh as they declare, without a run.",
    )
    def freshness(context: dg.SensorEvaluationContext):
        platform: Platform = context.resources.platform
        now = dt.datetime.now(dt.UTC)
        if not kept:
            kept.append(Measured(platform, tables))
        changes = platform.builds.changes()
        known: Mapping[str, Any] = json.loads(context.cursor or "{}")
        noted: dict[str, Any] = {}
        said: list[str] = []
        for table, rule in kept[0].rules():
            name = str(table.id)
            change = changes.get(name, 0)
            try:
                found = kept[0].of(table, rule, now, change)
                if _is_due(known.get(name), _digest(found, change), now):
                    if result := finding(rule, found):
                        Log(context.instance, table.key).findings([result])
                    noted[name] = [*_digest(found, change), now.timestamp()]
                    said.append(f"{name}: {told(found)}")
                else:
                    noted[name] = known[name]
            except Exception as error:  # of a database, of Dagster: all others are evaluated
                context.log.error(f"{name}: {told_of_error(error)}")
        context.update_cursor(json.dumps(noted))
        unchanged = counted(len(noted) - len(said), "table")
        return dg.SkipReason("; ".join([*said, f"{unchanged} as before"]))

    return freshness


def _digest(found: Freshness, change: int) -> list[Any]:
    """What a result must differ in to be logged again."""
    return [str(found.state), len(found.missing), change]


def _is_due(known: Sequence[Any] | None, digest: Sequence[Any], now: dt.datetime) -> bool:
    if known is None or list(known[:-1]) != list(digest):
        return True
    return now.timestamp() - known[-1] >= _AGAIN.total_seconds()
