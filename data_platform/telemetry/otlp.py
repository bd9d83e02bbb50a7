"""The exports of this process, where OpenTelemetry's variables name a collector."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from data_platform.settings.environment import given_dagster_home, variables_of

if TYPE_CHECKING:
    from data_platform.telemetry.collector import Target
    from data_platform.telemetry.export import Telemetry
    from data_platform.telemetry.metric_export import Meters
    from data_platform.telemetry.record_export import Records

_T = TypeVar("_T", bound="Telemetry | Meters | Records")
_LOG = logging.getLogger(__name__)
_lock = threading.RLock()
_process: dict[str, Telemetry | Meters | Records | None] = {}  # by signal


def telemetry() -> Telemetry | None:
    """The export of this process's traces, started on first use. None where no endpoint is set, or
    nothing can be exported, which is logged once. Raises nothing."""

    def start(folder: Path, target: Target) -> Telemetry:
        from data_platform.telemetry.export import Telemetry

        return Telemetry(folder, target)

    return _of_process("traces", start)


def meters() -> Meters | None:
    """The same for metrics."""

    def start(folder: Path, target: Target) -> Meters:
        from data_platform.telemetry.metric_export import Meters

        return Meters(folder, target)

    return _of_process("metrics", start)


def records() -> Records | None:
    """The same for log records."""

    def start(folder: Path, target: Target) -> Records:
        from data_platform.telemetry.record_export import Records

        return Records(folder, target)

    return _of_process("logs", start)


def exports(signal: str) -> bool:
    """Whether OpenTelemetry's variables name a collector for `traces`, `metrics` or `logs`."""
    return _target(signal) is not None


def stop() -> None:
    """End the exports of this process; the next use starts others."""
    with _lock:
        running = list(_process.values())
        _process.clear()
    for each in running:
        if each:
            each.stop()


def _of_process(signal: str, start: Callable[[Path, Target], _T]) -> _T | None:
    with _lock:
        if signal not in _process:
            _process[signal] = None  # what is logged meanwhile is not exported
            _process[signal] = _started(signal, start)
        return cast("_T | None", _process[signal])


def _started(signal: str, start: Callable[[Path, Target], _T]) -> _T | None:
    home, target = given_dagster_home(), _target(signal)
    if not home or target is None:
        return None
    try:
        return start(Path(home) / "telemetry", target)
    except Exception:  # a variable that OpenTelemetry refuses; no run may fail by it
        _LOG.warning("no %s are exported: check the OTEL_ variables", signal, exc_info=True)
    return None


def _target(signal: str) -> Target | None:
    given = variables_of(("OTEL_",))
    if not any(name.endswith("_ENDPOINT") for name in given):
        return None
    from data_platform.telemetry.collector import NotExported, target  # slow

    try:
        return target(signal, given)
    except NotExported as error:
        _LOG.warning("no %s are exported: %s", signal, error)
    return None


def _after_fork() -> None:
    """The parent's threads are not there, and its lock may be held."""
    global _lock
    _lock = threading.RLock()
    _process.clear()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(stop)
