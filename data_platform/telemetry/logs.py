"""How this process logs: the levels of libraries, and the format of lines.

As text, the handlers are Dagster's and Python's own. As JSON, every handler for the console writes
JSON lines to standard error: the one for all loggers, and those that Dagster's commands and
uvicorn configure by `logging.config`, whose class for that can be replaced.
"""

import logging
import logging.config
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from pyspark.logger import PySparkLogger

from data_platform.settings.model import LogFormat
from data_platform.telemetry.json_lines import JsonLines, ToStandardError

# These log internals at INFO or WARNING; their errors are raised as exceptions.
QUIET = {
    "alembic": logging.WARNING,
    "botocore": logging.WARNING,
    "py4j": logging.ERROR,
    "pyiceberg": logging.ERROR,
    "pyspark": logging.WARNING,
    "matplotlib": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "urllib3": logging.WARNING,
}
# These log each Spark error as a line of JSON, in addition to raising it.
OF_ERRORS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")

_LOG = logging.getLogger(__name__)
_json: list[ExitStack] = []  # what ends it, while lines are JSON


def quiet_libraries() -> None:
    """Suppress log messages about the libraries' internals."""
    for name in OF_ERRORS:
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


def logs_json() -> bool:
    """Whether this process logs JSON lines."""
    return bool(_json)


def json_handler(level: int = logging.NOTSET) -> logging.Handler:
    """A handler that writes JSON lines to standard error."""
    handler = ToStandardError(level)
    handler.setFormatter(JsonLines())
    return handler


def log_as(log_format: LogFormat) -> None:
    """Log in this format from now on; idempotent."""
    if (log_format == "json") == logs_json():
        return
    if log_format == "text":
        _json.pop().close()
        return
    ending = ExitStack()
    root, handler = logging.getLogger(), json_handler(logging.WARNING)  # as Python's own
    handler.addFilter(_not_of_a_run)
    root.addHandler(handler)
    ending.callback(root.removeHandler, handler)
    _replace(ending, logging.config, "dictConfigClass", _Configurator)
    _replace(ending, sys, "excepthook", _uncaught)
    _replace(ending, threading, "excepthook", _uncaught_in_thread)
    logging.captureWarnings(True)
    ending.callback(logging.captureWarnings, False)
    _take_over(ending)
    _json.append(ending)


def _replace(ending: ExitStack, owner: Any, name: str, value: Any) -> None:
    ending.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def _not_of_a_run(record: logging.LogRecord) -> bool:
    """Whether Dagster has not handed it to the run's logger already."""
    return not hasattr(record, "dagster_meta")


class _Configurator(logging.config.DictConfigurator):
    """Configures what a library asks for, with JSON lines where it writes to the console."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(as_json(config))


def as_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of `logging.config` whose handlers for the console write JSON lines."""
    console = {
        name
        for name, handler in config.get("handlers", {}).items()
        if handler.get("class") in ("logging.StreamHandler", logging.StreamHandler)
    }
    ours = {"formatter": "json_lines", "stream": "ext://sys.stderr"}
    handlers = {
        name: {**handler, **ours} if name in console else handler
        for name, handler in config.get("handlers", {}).items()
    }
    loggers = {
        # The handler for all loggers would write its lines again.
        name: {**logger, "propagate": False} if console & {*logger.get("handlers", ())} else logger
        for name, logger in config.get("loggers", {}).items()
    }
    formatters = {**config.get("formatters", {}), "json_lines": {"()": JsonLines}}
    return {**config, "formatters": formatters, "handlers": handlers, "loggers": loggers}


def _take_over(ending: ExitStack) -> None:
    """Have handlers for the console that are there already write JSON lines; but not PySpark's,
    which are silent, and take no other format."""
    for logger in list(logging.root.manager.loggerDict.values()):
        if not isinstance(logger, logging.Logger) or isinstance(logger, PySparkLogger):
            continue
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler and _is_console(handler.stream):
                _replace(ending, handler, "stream", sys.stderr)
                _replace(ending, handler, "formatter", JsonLines())
                _replace(ending, logger, "propagate", False)


def _is_console(stream: object) -> bool:
    return stream in (sys.stdout, sys.stderr)


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    _LOG.critical("%s ends this process", kind.__name__, exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        info = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        name = failed.thread.name if failed.thread else "?"
        _LOG.error("%s ends the thread %s", failed.exc_type.__name__, name, exc_info=info)
