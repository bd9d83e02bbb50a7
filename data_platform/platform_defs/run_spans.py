"""Record a run and its steps as spans when Dagster's log says that they have ended.

Dagster's log has the end of every run, whoever notices it: the run's own process, or the daemon for
one that was killed. So each run has one span, and every asset's step has one.
"""

import logging
from collections.abc import Mapping

import dagster as dg

from data_platform.runs.tags import BACKFILL_ID_TAG, DECIDED, RANGE_END, RANGE_START, TRACE
from data_platform.telemetry.ids import RUN, trace_of
from data_platform.telemetry.otlp import telemetry
from data_platform.telemetry.tracing import flush, record

_LOG = logging.getLogger(__name__)
_ENDS = {
    dg.DagsterEventType.RUN_SUCCESS: "success",
    dg.DagsterEventType.RUN_FAILURE: "failure",
    dg.DagsterEventType.RUN_CANCELED: "canceled",
}
_STEP_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS: "success",
    dg.DagsterEventType.STEP_FAILURE: "failure",
}
_TAGS = {
    "backfill": BACKFILL_ID_TAG,
    "sensor": "dagster/sensor_name",
    "schedule": "dagster/schedule_name",
    "partition": "dagster/partition",
    "first_partition": RANGE_START,
    "last_partition": RANGE_END,
}


class RunSpans:
    """The spans of the runs whose events an instance stores."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, str], float] = {}

    def see(self, instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> None:
        """Record what has ended with this event. Never raises: it is only reported."""
        if telemetry() is None or entry.dagster_event is None:
            return
        try:
            self._see(instance, entry, entry.dagster_event)
        except Exception:  # whatever it is, a run must not fail by it
            _LOG.warning("run %s: a span is missing", entry.run_id, exc_info=True)

    def _see(
        self, instance: dg.DagsterInstance, entry: dg.EventLogEntry, event: dg.DagsterEvent
    ) -> None:
        kind, step = event.event_type, event.step_key or ""
        if kind == dg.DagsterEventType.RUN_START:
            instance.add_run_tags(entry.run_id, {TRACE: trace_of(entry.run_id)})
        elif kind == dg.DagsterEventType.STEP_START:
            self._began[entry.run_id, step] = entry.timestamp
        elif ended := _STEP_ENDS.get(kind):
            began = self._began.pop((entry.run_id, step), entry.timestamp)
            record(
                f"step {step.replace('__', '/')}",
                entry.run_id,
                step,
                (began, entry.timestamp),
                {"step": step, "status": ended},
                "failed" if ended == "failure" else None,
            )
        elif ended := _ENDS.get(kind):
            _record_run(instance, entry, ended)


def _record_run(instance: dg.DagsterInstance, entry: dg.EventLogEntry, ended: str) -> None:
    found = instance.get_run_record_by_id(entry.run_id)
    if found is None:
        return
    run, created = found.dagster_run, found.create_timestamp.timestamp()
    started = found.start_time or entry.timestamp
    decided = _seconds(run.tags, DECIDED, created)
    if DECIDED in run.tags:
        record("decide", run.run_id, None, (decided, created), _said(run.tags))
    record("wait", run.run_id, None, (created, started), {})
    record(
        f"run {run.job_name}",
        run.run_id,
        RUN,
        (decided, entry.timestamp),
        {"job": run.job_name, "status": ended, **_said(run.tags)},
        ended if ended != "success" else None,
    )
    flush()


def _said(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: tags[tag] for name, tag in _TAGS.items() if tag in tags}


def _seconds(tags: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(tags[name])
    except (KeyError, ValueError):
        return default
