"""Ids of traces and spans: a run's trace has the run's id, without its dashes.

So either is found by the other, in any tool, and processes that do not know of each other record
parts of one trace: the id of the span of a run, or of a step, follows from the run and the step.
"""

import hashlib
import uuid

from opentelemetry.trace import SpanContext, format_trace_id

RUN = ""  # the step of the run's own span


def trace_of(run_id: str) -> str:
    """The trace id of a run, 32 hexadecimal digits."""
    return format_trace_id(_trace_id(run_id))


def run_of(trace_id: str) -> str:
    """The id of the run that has this trace. Raises ValueError if it is no trace id."""
    return str(uuid.UUID(trace_id))


def context_of(run_id: str, step: str = RUN) -> SpanContext:
    """The context of a run's span, or of that of one of its steps."""
    return SpanContext(_trace_id(run_id), _span_id(run_id, step), is_remote=True)


def _trace_id(run_id: str) -> int:
    try:
        return uuid.UUID(run_id).int
    except ValueError:  # a run that was given an id of another form
        return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:16])


def _span_id(run_id: str, step: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{run_id}/{step}".encode()).digest()[:8]) or 1
