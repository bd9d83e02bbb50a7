"""The sensors that are on, as Dagster's daemon has noted their last evaluation."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

import dagster as dg

_EVALUATED = "last_tick_timestamp"  # which schedules lack


def running_sensors(instance: dg.DagsterInstance, names: Collection[str] | None) -> Iterator[Any]:
    """The states of the sensors that are on and have been evaluated; those of these names, since
    states of before and of other code locations are there as well (None: all)."""
    for state in instance.all_instigator_state():
        is_sensor = bool(getattr(state.instigator_data, _EVALUATED, None))
        if is_sensor and state.is_running and (names is None or state.instigator_name in names):
            yield state


def last_evaluations(
    instance: dg.DagsterInstance, names: Collection[str] | None
) -> dict[str, dt.datetime]:
    """When each sensor was last evaluated."""
    found: dict[str, dt.datetime] = {}
    for state in running_sensors(instance, names):
        moment = dt.datetime.fromtimestamp(getattr(state.instigator_data, _EVALUATED), dt.UTC)
        found[state.instigator_name] = max(moment, found.get(state.instigator_name, moment))
    return found


def declared_sensors(context: dg.SensorEvaluationContext) -> set[str] | None:
    """The names of the sensors of the code location whose sensor is evaluated; None if unknown."""
    declared = context.repository_def
    return {sensor.name for sensor in declared.sensor_defs} if declared else None
