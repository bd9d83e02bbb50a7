"""A run's console output: one line per step, without Dagster's prefixes."""

import logging
import sys

import dagster as dg

from data_platform.build.dagster_internals import error_outside_steps, use_logger
from data_platform.build.failures import cause

_FAILED = dg.DagsterEventType.STEP_FAILURE.value
# Dagster's own line, without an event, for each step below one that failed.
_NOT_EXECUTED = "Dependencies for step "


@dg.logger(
    {"failures": dg.Field(bool, default_value=True, description="Whether it says why steps fail.")},
    description="One short line for each thing a person wants to know.",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Messages of steps from INFO on, and why steps fail; Dagster's own bookkeeping stays in its
    event log."""
    logger = logging.Logger("data_platform.run", logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("  %(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(_Messages(failures=context.logger_config["failures"]))
    logger.addHandler(handler)
    return logger


def as_usual_console() -> None:
    """Use `console` for every run of this process that names no logger.

    Backfills and runs launched in the UI use a job of Dagster's own that cannot be configured; its
    default prints each message after three ids.
    """
    use_logger(console, {"failures": True})


class _Messages(logging.Filter):
    """Passes messages as written; of Dagster's events only failures, with their causes: of steps,
    and of runs that failed outside of their steps."""

    def __init__(self, *, failures: bool) -> None:
        super().__init__()
        self._failures = failures

    def filter(self, record: logging.LogRecord) -> bool:
        metadata = getattr(record, "dagster_meta", None) or {}
        event = metadata.get("dagster_event")
        if event is None:
            record.msg = metadata.get("orig_message", record.msg)
            return not record.msg.startswith(_NOT_EXECUTED)
        why = _why_failed(event) if self._failures else None
        record.msg = why or record.msg
        return why is not None


def _why_failed(event: dg.DagsterEvent) -> str | None:
    """Why it failed; None if the event is not a failure, or one that a step has reported
    already."""
    if event.event_type_value == _FAILED:
        return f"{event.step_key} failed: {cause(event.step_failure_data.error)}"
    error = error_outside_steps(event)
    return f"the run failed: {cause(error)}" if error else None
