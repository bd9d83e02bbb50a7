"""A home has one warm engine, which a run attaches to, starts or replaces."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from data_platform.engine.warm import attach as warm
from data_platform.engine.warm import liveness
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.liveness import answers
from data_platform.engine.warm.place import Found, Place, Spec
from data_platform.storage.locks import try_lock
from data_platform_tests.support.warm_engines import attached, soon

pytestmark = pytest.mark.connect_only


@pytest.mark.parametrize("engine", ["spec", "of_java"])
def test_concurrent_runs_share_an_engine_with_isolated_sessions(
    place: Place, engine: str, request: pytest.FixtureRequest
) -> None:
    spec: Spec = request.getfixturevalue(engine)
    with ThreadPoolExecutor(4) as pool:
        one, *others = pool.map(lambda _: attached(place, spec), range(4))

    assert {each.pid for each in others} == {one.pid}
    left, right = (SparkSession.builder.remote(each.address).create() for each in (one, others[0]))
    left.range(3).createOrReplaceTempView("rows")
    left.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    assert left.table("rows").count() == 3
    assert not right.catalog.tableExists("rows")
    assert right.conf.get("spark.sql.session.timeZone") != "Europe/Berlin"
    left.stop()
    assert right.range(2).count() == 2
    right.stop()


def test_a_killed_engine_is_replaced(place: Place, spec: Spec) -> None:
    first = attached(place, spec)
    os.kill(first.pid, signal.SIGKILL)
    soon(lambda: not place.is_locked("server"))

    second = attached(place, spec)

    assert second.pid != first.pid and answers(second.address)


def test_an_engine_that_does_not_answer_is_replaced(
    place: Place, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attached(place, spec)
    os.kill(first.pid, signal.SIGSTOP)
    monkeypatch.setattr(liveness, "BUSY_ANSWERS_WITHIN", 1)

    second = attached(place, spec)

    assert second.pid != first.pid and answers(second.address)


def test_it_ends_when_it_has_been_idle(place: Place, spec: Spec) -> None:
    user = attached(place, replace(spec, idle=1))
    time.sleep(2)
    assert answers(user.address)

    user.release()

    soon(lambda: not place.is_locked("server"))
    assert place.read() is None


def test_it_ends_after_its_owner_when_no_run_uses_it(place: Place, spec: Spec) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    user = attached(place, replace(spec, owner=owner.pid))
    owner.communicate(b"\n")
    time.sleep(1)
    assert answers(user.address)

    user.release()

    soon(lambda: not place.is_locked("server"))


def test_an_engine_with_another_key_is_replaced_unless_it_is_in_use(
    place: Place, spec: Spec
) -> None:
    changed = replace(spec, key="that")
    first = attached(place, spec)
    assert attach(place, changed) is None

    first.release()

    assert attached(place, changed).pid != first.pid


def test_with_a_damaged_address_a_second_engine_is_not_started(
    place: Place, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attached(place, spec)
    (place.directory / "address.json").write_text("{")
    monkeypatch.setattr(warm, "_ENDS_WITHIN", 1)

    assert attach(place, spec) is None
    assert answers(first.address)
    os.killpg(first.pid, signal.SIGKILL)


def test_temporary_files_are_private_and_removed_by_the_next_engine(
    place: Place, spec: Spec
) -> None:
    first = attached(place, spec)
    assert place.directory.stat().st_mode & 0o777 == 0o700
    (place.work / "spilled").write_text("rows")
    os.killpg(first.pid, signal.SIGKILL)
    soon(lambda: not place.is_locked("server"))

    attached(place, spec)

    assert not (place.work / "spilled").exists()
    assert (place.directory / "log.previous.txt").exists()


def test_an_engine_on_another_machine_is_neither_used_nor_killed(place: Place, spec: Spec) -> None:
    theirs = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with place.file("server") as server, place.file("keeper") as keeper:
        assert try_lock(server) and try_lock(keeper)
        place.write(Found(theirs.pid, spec.key, "sc://127.0.0.1:1", machine="another"))

        assert attach(place, spec) is None

    assert theirs.poll() is None
    theirs.kill()
    theirs.wait()


def test_an_engine_ends_when_its_home_is_removed(place: Place, spec: Spec) -> None:
    user = attached(place, spec)
    shutil.rmtree(place.directory)

    soon(lambda: not answers(user.address))

    assert not place.directory.exists()


def test_if_none_starts_the_log_says_why(place: Place, spec: Spec) -> None:
    assert attach(place, replace(spec, memory="4x")) is None

    assert "KeyError" in place.log.read_text()
