"""Record a run and its steps as spans when Dagster's log says that they have ended.

Dagster's log has the end of every run, also of one that was killed: the daemon notices it. So each
run has one span, and each of its steps.
"""

import logging
from collections.abc import Mapping

import dagster as dg

from data_platform.build.failures import error_type
from data_platform.runs.tags import BACKFILL_ID_TAG, DECIDED, RANGE_END, RANGE_START, TRACE
from data_platform.telemetry.ids import RUN, trace_of
from data_platform.telemetry.tracing import causes_of, flush, is_traced, record

_LOG = logging.getLogger(__name__)
_ENDS = {
    dg.DagsterEventType.RUN_SUCCESS: "success",
    dg.DagsterEventType.RUN_FAILURE: "failure",
    dg.DagsterEventType.RUN_CANCELED: "canceled",
}
_KINDS = {
    dg.DagsterEventType.RUN_START,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    *_ENDS,
}
_INTERRUPTED = "interrupted"
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
        """Record what has begun or ended with this event. Raises nothing: a run must not fail by
        its telemetry."""
        event = entry.dagster_event
        if event is None or event.event_type not in _KINDS:
            return
        try:
            if is_traced(entry.run_id):
                self._see(instance, entry, event)
        except Exception:
            _LOG.warning("run %s: a span is missing", entry.run_id, exc_info=True)

    def _see(
        self, instance: dg.DagsterInstance, entry: dg.EventLogEntry, event: dg.DagsterEvent
    ) -> None:
        kind, run_id, step = event.event_type, entry.run_id, event.step_key or ""
        if kind == dg.DagsterEventType.RUN_START:
            _tag(instance, run_id)
        elif kind == dg.DagsterEventType.STEP_START:
            self._began[run_id, step] = entry.timestamp
        elif kind == dg.DagsterEventType.STEP_SUCCESS:
            self._record_step(run_id, step, entry.timestamp, "success")
        elif kind == dg.DagsterEventType.STEP_FAILURE:
            self._record_step(run_id, step, entry.timestamp, "failure", error_type(event))
        else:
            status = _ENDS[kind]
            for left in self._left(instance, run_id, successful=status == "success"):
                self._record_step(run_id, left, entry.timestamp, _INTERRUPTED, _INTERRUPTED)
            _record_run(instance, entry, status)

    def _left(self, instance: dg.DagsterInstance, run_id: str, *, successful: bool) -> list[str]:
        """The steps that have begun and will not end, of a process that is gone as well."""
        if not successful:
            for stats in instance.get_run_step_stats(run_id):
                if stats.start_time and not stats.end_time:
                    self._began[run_id, stats.step_key] = stats.start_time
        return [step for known, step in self._began if known == run_id]

    def _record_step(
        self, run_id: str, step: str, ended: float, status: str, error: str | None = None
    ) -> None:
        began = self._began.pop((run_id, step), ended)
        said = {"step": step, "status": status}
        record(f"step {step.replace('__', '/')}", run_id, step, (began, ended), said, error)


def _record_run(instance: dg.DagsterInstance, entry: dg.EventLogEntry, status: str) -> None:
    found = instance.get_run_record_by_id(entry.run_id)
    if found is None:
        return
    run, created = found.dagster_run, found.create_timestamp.timestamp()
    started, began = found.start_time or entry.timestamp, created
    if DECIDED in run.tags and run.parent_run_id is None:  # a retry has the tags of the first run
        began = float(run.tags[DECIDED])
        record("decide", run.run_id, None, (began, created), _tag_attributes(run.tags))
    record("wait", run.run_id, None, (created, started), {})
    record(
        f"run {run.job_name}",
        run.run_id,
        RUN,
        (began, entry.timestamp),
        {
            "job": run.job_name,
            "status": status,
            **_tag_attributes(run.tags),
            **causes_of(run.run_id),
        },
        status if status == "failure" else None,
    )
    if run.tags.get(TRACE) != trace_of(run.run_id):
        _tag(instance, run.run_id)
    flush()


def _tag(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.add_run_tags(run_id, {TRACE: trace_of(run_id)})


def _tag_attributes(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: tags[tag] for name, tag in _TAGS.items() if tag in tags}
