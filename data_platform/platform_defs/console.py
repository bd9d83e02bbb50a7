"""What a run says on the console: a line a step, no stack of prefixes."""

import logging
import sys

import dagster as dg

from data_platform.observability.failures import cause

RUN_CONFIG = {"loggers": {"console": {"config": {}}}}
# For whoever runs it and says itself why it failed.
WITHOUT_FAILURES = {"loggers": {"console": {"config": {"failures": False}}}}
_FAILED = dg.DagsterEventType.STEP_FAILURE.value


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


class _Messages(logging.Filter):
    """As they were written; of Dagster's events the failures of steps, by their causes."""

    def __init__(self, *, failures: bool) -> None:
        super().__init__()
        self._failures = failures

    def filter(self, record: logging.LogRecord) -> bool:
        metadata = getattr(record, "dagster_meta", None) or {}
        event = metadata.get("dagster_event")
        if event is None:
            record.msg = metadata.get("orig_message", record.msg)
            return True
        if not self._failures or event.event_type_value != _FAILED:
            return False
        record.msg = f"{event.step_key} failed: {cause(event.step_failure_data.error)}"
        return True
