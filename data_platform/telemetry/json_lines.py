"""Log records as JSON, one object a line.

An exception is its type and the lines of code that it passed, without its text, which may quote
rows. The message of a record is written as it is.
"""

import datetime as dt
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from traceback import extract_tb
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import format_span_id

from data_platform.telemetry.ids import context_of, trace_of
from data_platform.telemetry.running import Running, running

_FRAMES, _CAUSES = 50, 5  # of an error, at most
_PARTS_OF_A_TABLE = 3  # of a step's key


class JsonLines(logging.Formatter):
    """A record as one line.

    `record.place` (a Running) is where its run was, `record.failure` the error that Dagster has
    stored; without them it is where the process is, and `exc_info`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end. Raises nothing."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        place = getattr(record, "place", None) or running()
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "message": _message(record),
            "logger": record.name,
            **(fields_of(place) if place else {}),
        }
        error = getattr(record, "failure", None) or _error(record.exc_info)
        return json.dumps(line | ({"error": error} if error else {}), default=str)


class ToStandardError(logging.Handler):
    """Writes to what is standard error when a line is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; a failure is left to `logging.raiseExceptions`."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def fields_of(place: Running) -> dict[str, str]:
    """The run, with the trace that has its id, and the span: that of the phase that this thread is
    in, else that of the step or the run."""
    own = context_of(place.run, place.step)
    phase = trace.get_current_span().get_span_context()
    span = phase if phase.is_valid and phase.trace_id == own.trace_id else own
    found = {
        "run": place.run,
        "trace": trace_of(place.run),
        "span": format_span_id(span.span_id),
    }
    if place.step:
        found["step"] = place.step
    if place.step.count("__") == _PARTS_OF_A_TABLE - 1:
        found["table"] = place.step.replace("__", "/")
    match place.partitions:
        case (one,):
            found["partition"] = one
        case (first, last):
            found |= {"first_partition": first, "last_partition": last}
    return found


def stored_error(error: Any) -> Mapping[str, Any] | None:
    """An error as Dagster stores it (SerializableErrorInfo), without texts."""
    return _nested(
        (each.cls_name or "", [frame.strip().split("\n")[0] for frame in each.stack])
        for each in _chain(error, lambda each: each.cause)
    )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that the format does not take
        return str(record.msg)


def _error(info: Any) -> Mapping[str, Any] | None:
    if not isinstance(info, tuple) or info[1] is None:
        return None
    return _nested((type(each).__name__, _frames(each)) for each in _chain(info[1], _cause))


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> list[str]:
    frames = extract_tb(error.__traceback__)
    return [f'File "{each.filename}", line {each.lineno}, in {each.name}' for each in frames]


def _chain(error: Any, cause: Any) -> list[Any]:
    found: list[Any] = []
    while error is not None and len(found) < _CAUSES:
        found.append(error)
        error = cause(error)
    return found


def _nested(errors: Any) -> Mapping[str, Any] | None:
    """Errors, the outer one first, as objects within each other."""
    found: dict[str, Any] | None = None
    for name, stack in reversed(list[tuple[str, Sequence[str]]](errors)):
        own: dict[str, Any] = {"type": name, "stack": list(stack[-_FRAMES:])}
        found = own | ({"cause": found} if found else {})
    return found
