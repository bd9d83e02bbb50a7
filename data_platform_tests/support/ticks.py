"""Ticks of sensors, as Dagster's daemon stores them."""

import datetime as dt

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

_LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Ticks:
    """The ticks of a running sensor, as Dagster's daemon stores them."""

    def __init__(
        self, instance: dg.DagsterInstance, name: str, last: dt.datetime = _LONG_AGO
    ) -> None:
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("data_platform"), "__repository__"),
            name,
        )
        self._instance = instance
        self._state = InstigatorState(
            origin,
            InstigatorType.SENSOR,
            InstigatorStatus.RUNNING,
            SensorInstigatorData(last_tick_timestamp=last.timestamp()),
        )
        instance.add_instigator_state(self._state)
        self._moments = iter(range(1, 100))

    def add(self, error: str = "") -> None:
        """A tick, which failed if it has the text of an error."""
        failed = SerializableErrorInfo(f"ValueError: {error}", [], "ValueError") if error else None
        self._instance.create_tick(
            TickData(
                instigator_origin_id=self._state.instigator_origin_id,
                instigator_name=self._state.instigator_name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.FAILURE if failed else TickStatus.SKIPPED,
                timestamp=float(next(self._moments)),
                selector_id=self._state.selector_id,
                error=failed,
            )
        )
