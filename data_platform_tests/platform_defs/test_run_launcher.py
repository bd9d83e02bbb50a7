"""A code server that is about to end refuses runs: the queue keeps them."""

import inspect
from typing import Any, cast

import pytest
from dagster._grpc.server import DagsterApiServer

from data_platform.build.dagster_internals import LaunchFailed, RunLauncher, Unreachable
from data_platform.platform_defs.run_launcher import ENDING, PatientRunLauncher


def refused(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    def launch_run(self: RunLauncher, context: object) -> None:
        raise LaunchFailed(why)

    monkeypatch.setattr(RunLauncher, "launch_run", launch_run)
    PatientRunLauncher().launch_run(cast(Any, None))


def test_a_server_that_ends_counts_as_one_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Unreachable, match="about to end"):
        refused(monkeypatch, f"Tried to start a run on a server {ENDING}")


def test_any_other_refusal_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaunchFailed, match="no such job"):
        refused(monkeypatch, "no such job")


def test_a_server_that_ends_says_so_in_these_words() -> None:
    assert ENDING in inspect.getsource(DagsterApiServer.StartRun)
