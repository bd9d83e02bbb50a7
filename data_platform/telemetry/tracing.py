"""Spans of a run: its own, its steps', and the phases of a table's step.

A span has no text of an exception, which may quote rows: its type alone.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from data_platform.tables.identity import TableId
from data_platform.telemetry.ids import RUN, context_of
from data_platform.telemetry.otlp import telemetry

Attributes = Mapping[str, AttributeValue]
_PREFIX = "data_platform."
_MOST_OBJECTS, _LONGEST_KEY = 128, 256  # that a span names; characters
_causes: dict[str, list[str]] = {}  # keys of landed objects by run, until its span is recorded


@dataclass
class Phase:
    """A phase of a table's step. Without an export its span records nothing."""

    name: str
    span: Span = trace.INVALID_SPAN
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """How long it took; 0 until it has ended."""

    def set_figures(self, **attributes: AttributeValue) -> None:
        """Add figures to its span."""
        self.span.set_attributes(_named(attributes))


@contextmanager
def phase(name: str, run_id: str, table: TableId, **attributes: AttributeValue) -> Iterator[Phase]:
    """A phase of a table's step, such as `plan`."""
    found = Phase(name)
    try:
        with _span_of(found, run_id, table, attributes):
            yield found
    finally:
        found.seconds = time.monotonic() - found.began


@contextmanager
def _span_of(found: Phase, run_id: str, table: TableId, attributes: Attributes) -> Iterator[None]:
    exporting = telemetry()
    if exporting is None:
        yield
        return
    with exporting.tracer().start_as_current_span(
        found.name,
        exporting.within(context_of(run_id, step_key(table))),
        attributes=_named({"run": run_id, "table": str(table), **attributes}),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        found.span = span
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def caused_by(run_id: str, keys: Sequence[str]) -> None:
    """Name the landed objects that caused a run, in the phase that reads them and in the span of
    the run, which this process records."""
    if keys and is_traced(run_id):
        _causes.setdefault(run_id, []).extend(keys)
        trace.get_current_span().set_attributes(_named(objects_named(keys)))


def causes_of(run_id: str) -> Mapping[str, AttributeValue]:
    """The attributes of a run's span that name the landed objects that caused it; once."""
    return objects_named(_causes.pop(run_id, ()))


def objects_named(keys: Sequence[str]) -> dict[str, int | list[str]]:
    """How many objects there are, and the first of them; of a long key its end."""
    if not keys:
        return {}
    shown = [key if len(key) <= _LONGEST_KEY else f"…{key[1 - _LONGEST_KEY :]}" for key in keys]
    return {"objects": len(keys), "object_keys": shown[:_MOST_OBJECTS]}


def step_key(table: TableId) -> str:
    """The key that Dagster gives a table's step."""
    return str(table).replace("/", "__")


def record(
    name: str,
    run_id: str,
    step: str | None,
    times: tuple[float, float],
    attributes: Attributes,
    error: str | None = None,
) -> None:
    """Record the span of a run (`step` is RUN), of one of its steps, or of a part of the run
    (None), with its begin and end in seconds since 1970; `error` is the type of what it failed
    with."""
    exporting = telemetry()
    if exporting is None:
        return
    parent = Context() if step == RUN else exporting.within(context_of(run_id))
    began, ended = (int(moment * 10**9) for moment in (times[0], max(times)))
    with exporting.ids.with_ids_of(None if step is None else context_of(run_id, step)):
        span = exporting.tracer().start_span(
            name, parent, start_time=began, attributes=_named({"run": run_id, **attributes})
        )
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, error))
    span.end(ended)


def is_traced(run_id: str) -> bool:
    """Whether the trace of a run is recorded and exported."""
    exporting = telemetry()
    return exporting is not None and exporting.samples(context_of(run_id))


def flush() -> None:
    """Put into the spool what was recorded so far."""
    if exporting := telemetry():
        exporting.flush()


def _named(attributes: Attributes) -> dict[str, AttributeValue]:
    return {_PREFIX + name: value for name, value in attributes.items()}
