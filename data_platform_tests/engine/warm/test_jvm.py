"""A warm engine that is Spark in a JVM."""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import pytest
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql import SparkSession

from data_platform.engine.warm import attach as warm
from data_platform.engine.warm.liveness import answers
from data_platform.engine.warm.place import Place, Spec, server_address
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform_tests.support.warm_engines import attached, children, soon

pytestmark = pytest.mark.connect_only


STARTS = """
import sys
from pathlib import Path
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.place import Place, Spec, server_address

attach(Place(Path(sys.argv[1])), Spec.from_json(sys.argv[2]))
"""


def _starting(place: Place, spec: Spec) -> tuple["subprocess.Popen[bytes]", int]:
    """A run that starts an engine which does not listen yet, and the engine's process."""
    script = [sys.executable, "-c", STARTS, str(place.directory), spec.to_json()]
    run = subprocess.Popen(script)
    soon(lambda: place.read() is not None)
    found = place.read()
    assert found and found.address is None
    return run, found.pid


def test_an_engine_that_a_killed_run_started_is_used(place: Place, of_java: Spec) -> None:
    run, pid = _starting(place, of_java)
    run.kill()
    run.wait()

    assert attached(place, of_java).pid == pid


def test_a_starting_jvm_ends_with_its_keeper(place: Place, of_java: Spec) -> None:
    run, pid = _starting(place, of_java)
    soon(lambda: children(pid) != [])
    (jvm, *_) = children(pid)
    os.kill(pid, signal.SIGKILL)
    run.wait()

    second = attached(place, of_java)

    assert second.pid != pid and not Path(f"/proc/{jvm}").exists()


def test_a_jvm_ends_with_its_keeper(place: Place, of_java: Spec) -> None:
    first = attached(place, of_java)
    os.kill(first.pid, signal.SIGKILL)
    soon(lambda: not place.is_locked("server"))  # which the JVM keeps, too

    second = attached(place, of_java)

    assert second.address != first.address and not answers(first.address, 1)
    session = SparkSession.builder.remote(second.address).create()
    assert session.range(3).count() == 3
    session.stop()


def test_a_client_without_the_token_is_refused(place: Place, of_java: Spec) -> None:
    engine = attached(place, of_java)
    found = place.read()
    assert found and found.address and "Bearer" in found.address
    port = urlparse(found.address).port
    assert port

    assert (place.directory / "address.json").stat().st_mode & 0o777 == 0o600
    for token in (None, "of-another-home"):
        theirs = SparkSession.builder.remote(server_address(port, token)).create()
        with pytest.raises(SparkConnectGrpcException, match="UNAUTHENTICATED"):
            theirs.range(1).count()
        theirs.client.close()
    assert answers(engine.address)


def test_a_run_starts_its_own_jvm_if_others_use_an_engine_with_another_key(
    tmp_path: Path, place: Place, spec: Spec, of_java: Spec
) -> None:
    theirs = attached(place, spec)
    settings = settings_at(tmp_path, spark=Engine("local[1]"), spark_idle=1)

    ours = warm.attached(settings, of_java.config, {}, [])

    assert ours and ours.address != theirs.address and answers(ours.address)
    ours.release()
    os.killpg(ours.pid, signal.SIGKILL)


def test_a_runs_own_jvm_that_does_not_start_says_why_and_leaves_no_files(
    of_java: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wrong = {**of_java.config, "spark.driver.memory": "99999999g"}

    with pytest.raises(RuntimeError, match="initialization of VM"):
        warm._own(replace(of_java, config=wrong))

    assert not list(tmp_path.glob("data-platform-*"))


def test_a_runs_own_jvm_leaves_no_files_when_the_run_ends(
    of_java: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = warm._own(of_java)
    assert answers(own.address) and list(tmp_path.glob("data-platform-*"))

    own.release()

    soon(lambda: not list(tmp_path.glob("data-platform-*")))
