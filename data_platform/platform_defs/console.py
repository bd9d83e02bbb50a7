"""A run's console output: one line per step, without Dagster's prefixes; or JSON lines."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace

import dagster as dg

from data_platform.build.dagster_internals import error_outside_steps, use_logger
from data_platform.build.failures import cause_without_rows
from data_platform.runs.tags import RANGE_END, RANGE_START
from data_platform.telemetry import running
from data_platform.telemetry.json_lines import stored_error
from data_platform.telemetry.logs import json_handler, logs_json

_FAILED = dg.DagsterEventType.STEP_FAILURE
_STEP_ENDS = {_FAILED, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_UP_FOR_RETRY}
_RUN_ENDS = {
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
}
# Dagster's own line, without an event, for each step below one that failed.
_NOT_EXECUTED = "Dependencies for step "


@dg.logger(
    {"failures": dg.Field(bool, default_value=True, description="Whether it says why steps fail.")},
    description="One short line for each thing a person wants to know.",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Messages of steps from INFO on, and why steps fail; Dagster's own bookkeeping stays in its
    event log."""
    logger = logging.Logger("data_platform.run", logging.DEBUG)
    if logs_json():
        handler = json_handler(logging.INFO)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setLevel(logging.INFO)
        handler.setFormatter(logging.Formatter("  %(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(_Messages(failures=context.logger_config["failures"]))
    logger.addHandler(_Follower())
    logger.addHandler(handler)
    if context.run_id:
        running.begin(context.run_id)
    return logger


def as_usual_console() -> None:
    """Use `console` for every run of this process that names no logger.

    Backfills and runs launched in the UI use a job of Dagster's own that cannot be configured; its
    default prints each message after three ids.
    """
    use_logger(console, {"failures": True})


class _Follower(logging.Handler):
    """Keeps in `telemetry.running` where the run is, and tells the record."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._follow(record)
        except Exception:  # no run fails by its log
            self.handleError(record)

    def _follow(self, record: logging.LogRecord) -> None:
        metadata = getattr(record, "dagster_meta", None) or {}
        run, event = metadata.get("run_id"), metadata.get("dagster_event")
        if not run:
            return
        kind = event.event_type if event else None
        step = metadata.get("step_key") or ""
        record.place = place = running.Running(run, step, _partitions(metadata["job_tags"]))
        if kind in _RUN_ENDS:
            running.end(run)
        else:
            running.move(replace(place, step="") if kind in _STEP_ENDS else place)


def _partitions(tags: Mapping[str, str]) -> tuple[str, ...]:
    if one := tags.get("dagster/partition"):
        return (one,)
    return tuple(dict.fromkeys(tags[tag] for tag in (RANGE_START, RANGE_END) if tag in tags))


class _Messages(logging.Filter):
    """Passes messages as written; of Dagster's events only failures, with their causes: of steps,
    and of runs that failed outside of their steps. A cause that may quote rows is told by its type:
    the run's page has its text."""

    def __init__(self, *, failures: bool) -> None:
        super().__init__()
        self._failures = failures

    def filter(self, record: logging.LogRecord) -> bool:
        metadata = getattr(record, "dagster_meta", None) or {}
        event = metadata.get("dagster_event")
        if event is None:
            record.msg = metadata.get("orig_message", record.msg)
            return not record.msg.startswith(_NOT_EXECUTED)
        failure = _failure(event) if self._failures else None
        if failure is None:
            return False
        what, error = failure
        record.failure = stored_error(error)
        record.msg = f"{what}: {cause_without_rows(event, error)}"
        return True


def _failure(event: dg.DagsterEvent) -> tuple[str, object] | None:
    """What failed, and its error; None if the event is not a failure, or one that a step has
    reported already."""
    if event.event_type is _FAILED:
        return f"{event.step_key} failed", event.step_failure_data.error
    error = error_outside_steps(event)
    return ("the run failed", error) if error else None
