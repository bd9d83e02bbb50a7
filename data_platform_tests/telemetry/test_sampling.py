"""A ratio of runs is sampled, the same ones in every process."""

import random
import uuid

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased

from data_platform.telemetry.ids import context_of
from data_platform.telemetry.sampling import OfRuns


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
def test_as_many_runs_are_sampled_as_the_ratio_says(ratio: float) -> None:
    numbers = random.Random(7)
    runs = [str(uuid.UUID(int=numbers.getrandbits(128), version=4)) for _ in range(2000)]
    sampler = OfRuns(ParentBased(TraceIdRatioBased(ratio)))

    sampled = [
        run
        for run in runs
        if sampler.should_sample(Context(), context_of(run).trace_id, "run").decision.is_sampled()
    ]

    assert len(sampled) == pytest.approx(ratio * len(runs), rel=0.2)


def test_all_are_sampled_where_no_ratio_is_set() -> None:
    trace_id = context_of(str(uuid.uuid4())).trace_id

    assert OfRuns(ALWAYS_ON).should_sample(Context(), trace_id, "run").decision.is_sampled()
