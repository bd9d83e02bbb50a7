"""What a run says on the console: a line a step, no stack of prefixes."""

import logging
import sys

import dagster as dg

RUN_CONFIG = {"loggers": {"console": {"config": {}}}}


@dg.logger({}, description="One short line for each thing a person wants to know.")
def console(_: dg.InitLoggerContext) -> logging.Logger:
    """Messages of steps from INFO on; Dagster's own bookkeeping stays in its event log."""
    logger = logging.Logger("data_platform.run", logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("  %(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(_of_a_person)
    logger.addHandler(handler)
    return logger


def _of_a_person(record: logging.LogRecord) -> bool:
    metadata = getattr(record, "dagster_meta", None) or {}
    about_itself = bool(metadata.get("dagster_event"))
    record.msg = metadata.get("orig_message", record.msg)
    return not about_itself or record.levelno >= logging.ERROR
