"""The names under which snapshots and data files say which run made them, and its trace."""

from data_platform.telemetry.ids import trace_of

RUN, TRACE = "data_platform.run", "data_platform.trace"


def origin(run_id: str) -> dict[str, str]:
    """Properties of a snapshot, or of a Parquet file, that a run made."""
    return {RUN: run_id, TRACE: trace_of(run_id)}
