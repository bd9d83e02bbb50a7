"""An engine that stops answering is lost; one that has closed the session is not."""

import os
import signal
import threading

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.warm import liveness
from data_platform.engine.warm.liveness import answers, watch
from data_platform.engine.warm.place import Place, Spec
from data_platform_tests.support.warm_engines import attached, soon

pytestmark = pytest.mark.connect_only


@pytest.fixture(autouse=True)
def _asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "_ASKED_EVERY", 0.05)


@pytest.mark.parametrize("by", [signal.SIGSTOP, signal.SIGKILL])
def test_an_engine_that_stops_answering_is_lost(
    place: Place, spec: Spec, by: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "BUSY_ANSWERS_WITHIN", 2)
    engine, lost = attached(place, spec), threading.Event()
    engine.release()  # its own watch
    watch(engine.address, lost.set)

    os.killpg(engine.pid, by)

    assert lost.wait(60)


def test_an_engine_that_closed_the_session_is_not_lost(place: Place, spec: Spec) -> None:
    engine, lost = attached(place, spec), threading.Event()
    watch(engine.address, lost.set)

    session = SparkSession.builder.remote(engine.address).create()
    assert session.range(2).count() == 2
    session.stop()

    soon(lambda: not answers(engine.address))
    assert not lost.wait(1)
    assert place.is_locked("server")


def test_a_watch_that_was_ended_reports_nothing(
    place: Place, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "BUSY_ANSWERS_WITHIN", 2)
    engine, lost = attached(place, spec), threading.Event()
    watch(engine.address, lost.set)()
    engine.release()

    os.killpg(engine.pid, signal.SIGKILL)

    assert not lost.wait(1)
