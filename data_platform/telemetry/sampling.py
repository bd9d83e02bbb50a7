"""Sampling by OpenTelemetry's samplers of traces whose ids are run ids."""

import hashlib
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult


class OfRuns(Sampler):
    """Asks another sampler, with a hash in place of the trace id.

    A ratio is compared with the id's last 64 bits, and in a UUID two of these are always the same.
    Every process gives the same answer for a trace.
    """

    def __init__(self, asked: Sampler) -> None:
        self._asked = asked

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *others: Any, **named: Any
    ) -> SamplingResult:
        """What the other sampler says."""
        mixed = int.from_bytes(hashlib.sha256(trace_id.to_bytes(16)).digest()[:16])
        return self._asked.should_sample(parent_context, mixed, name, *others, **named)

    def get_description(self) -> str:
        """The other sampler's, and that it is asked for a hash."""
        return f"OfRuns{{{self._asked.get_description()}}}"
