"""The export of this process, where OpenTelemetry's variables name a collector."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from data_platform.settings.environment import given_dagster_home, variables_of

if TYPE_CHECKING:
    from data_platform.telemetry.export import Telemetry

_LOG = logging.getLogger(__name__)
_lock = threading.RLock()
_process: list[Telemetry | None] = []


def telemetry() -> Telemetry | None:
    """The export of this process, started on first use. None where no endpoint is set, or nothing
    can be exported, which is logged once. Raises nothing."""
    with _lock:
        if not _process:
            _process.append(None)  # what is logged meanwhile is not exported
            _process[0] = _started()
        return _process[0]


def stop() -> None:
    """End the export of this process; the next use starts another."""
    with _lock:
        running = _process[0] if _process else None
        _process.clear()
    if running:
        running.stop()


def _started() -> Telemetry | None:
    home, given = given_dagster_home(), variables_of(("OTEL_",))
    if not home or not any(name.endswith("_ENDPOINT") for name in given):
        return None
    # Slow imports, of the SDK and its exporter.
    from data_platform.telemetry.collector import NotExported, target

    try:
        traces = target("traces", given)
        if traces is None:
            return None
        from data_platform.telemetry.export import Telemetry

        return Telemetry(Path(home) / "telemetry", traces)
    except NotExported as error:
        _LOG.warning("no telemetry is exported: %s", error)
    except Exception:  # a variable that OpenTelemetry refuses; no run may fail by it
        _LOG.warning("no telemetry is exported: check the OTEL_ variables", exc_info=True)
    return None


def _after_fork() -> None:
    """The parent's threads are not there, and its lock may be held."""
    global _lock
    _lock = threading.RLock()
    _process.clear()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(stop)
