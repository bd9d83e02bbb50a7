"""Give a span the ids that follow from its run and step (`ids`)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import SpanContext


class PlannedIds(IdGenerator):
    """Random ids, except within `with_ids_of`."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._next = threading.local()

    @contextmanager
    def with_ids_of(self, context: SpanContext | None) -> Iterator[None]:
        """Give a span that this thread starts the ids of a context (None: random ones)."""
        self._next.context = context
        try:
            yield
        finally:
            self._next.context = None

    def generate_span_id(self) -> int:
        """The planned id, else a random one."""
        planned: SpanContext | None = getattr(self._next, "context", None)
        return planned.span_id if planned else self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """The planned id, else a random one."""
        planned: SpanContext | None = getattr(self._next, "context", None)
        return planned.trace_id if planned else self._random.generate_trace_id()
