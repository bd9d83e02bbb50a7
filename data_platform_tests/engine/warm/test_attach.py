"""A home has one warm engine, which whoever needs it finds, starts, and starts again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_platform.build.failures import failures_explained
from data_platform.engine import connect
from data_platform.engine.java import chosen_java
from data_platform.engine.session import spark_config
from data_platform.engine.warm import attach as warm
from data_platform.engine.warm.attach import Attached, answers, attach
from data_platform.engine.warm.place import Found, Place, Spec
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.storage.locks import try_lock

pytestmark = pytest.mark.connect_only


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def end(place: Place) -> None:
    if (found := place.read()) and place.is_locked("server"):
        os.killpg(found.pid, signal.SIGKILL)
        wait(lambda: not place.is_locked("server"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "engine")
    place.make()
    yield place
    end(place)


@pytest.fixture
def spec() -> Spec:
    return Spec(
        kind="sail",
        key="this",
        owner=os.getpid(),
        idle=600,
        memory="256m",
        path=sys.path,
        config={},
        variables={},
    )


def attached(place: Place, spec: Spec) -> Attached:
    found = attach(place, spec)
    assert found, place.log.read_text()
    return found


def test_many_that_need_an_engine_at_once_share_one_whose_sessions_are_apart(
    place: Place, spec: Spec
) -> None:
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


def test_an_engine_that_was_killed_is_started_again(place: Place, spec: Spec) -> None:
    first = attached(place, spec)
    os.kill(first.pid, signal.SIGKILL)
    wait(lambda: not place.is_locked("server"))

    second = attached(place, spec)

    assert second.pid != first.pid and answers(second.address)


def test_an_engine_that_does_not_answer_is_started_again(
    place: Place, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attached(place, spec)
    os.kill(first.pid, signal.SIGSTOP)
    monkeypatch.setattr(warm, "_ANSWERS_BUSY_WITHIN", 1)

    second = attached(place, spec)

    assert second.pid != first.pid and answers(second.address)


def test_it_stays_as_long_as_somebody_uses_it_and_then_for_a_while(
    place: Place, spec: Spec
) -> None:
    user = attached(place, replace(spec, idle=1))
    time.sleep(2)
    assert answers(user.address)

    user.let_go()

    wait(lambda: not place.is_locked("server"))
    assert place.read() is None


def test_it_ends_with_its_owner_once_nobody_uses_it(place: Place, spec: Spec) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    user = attached(place, replace(spec, owner=owner.pid))
    owner.communicate(b"\n")
    time.sleep(1)
    assert answers(user.address)

    user.let_go()

    wait(lambda: not place.is_locked("server"))


def test_of_other_code_or_settings_it_is_replaced_unless_somebody_uses_it(
    place: Place, spec: Spec
) -> None:
    changed = replace(spec, key="that")
    first = attached(place, spec)
    assert attach(place, changed) is None

    first.let_go()

    assert attached(place, changed).pid != first.pid


TICKS = """
import sys, time
from pathlib import Path
from pyspark.sql import SparkSession
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.place import Place, Spec

ticks_file = Path(sys.argv[3])

def ticking(batches):
    for batch in batches:
        for _ in range(2000):
            with ticks_file.open("a") as ticks:
                ticks.write(".")
            time.sleep(0.05)
            yield batch

engine = attach(Place(Path(sys.argv[1])), Spec.from_json(sys.argv[2]))
session = SparkSession.builder.remote(engine.address).create()
session.range(1).mapInArrow(ticking, "id long").count()
"""


def test_what_a_killed_run_executes_ends_and_the_engine_stays(
    place: Place, spec: Spec, tmp_path: Path
) -> None:
    _ends_with_its_run(place, spec, tmp_path / "ticks")


def _ends_with_its_run(place: Place, spec: Spec, ticks: Path) -> None:
    ours = attached(place, spec)
    script = [sys.executable, "-c", TICKS, str(place.directory), spec.to_json(), str(ticks)]
    run = subprocess.Popen(script)
    wait(ticks.exists)

    run.kill()
    run.wait()

    wait(lambda: not _grows(ticks))
    assert len(ticks.read_bytes()) < 2000  # it did not end by itself
    assert answers(ours.address)
    with place.locked("attach"):
        assert place.users() == ({Path(ours._user.file.name).name}, set())


def _grows(file: Path) -> bool:
    before = file.stat().st_size
    time.sleep(1)
    return file.stat().st_size > before


STARTS = """
import sys
from pathlib import Path
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.place import Place, Spec

attach(Place(Path(sys.argv[1])), Spec.from_json(sys.argv[2]))
"""


def _starting(place: Place, spec: Spec) -> tuple["subprocess.Popen[bytes]", int]:
    """A run that starts an engine which does not listen yet, and the engine's process."""
    script = [sys.executable, "-c", STARTS, str(place.directory), spec.to_json()]
    run = subprocess.Popen(script)
    wait(lambda: place.read() is not None)
    found = place.read()
    assert found and found.address is None
    return run, found.pid


def test_an_engine_whose_starter_was_killed_is_waited_for(place: Place, of_java: Spec) -> None:
    run, pid = _starting(place, of_java)
    run.kill()
    run.wait()

    assert attached(place, of_java).pid == pid


def test_a_jvm_that_starts_does_not_outlive_its_keeper(place: Place, of_java: Spec) -> None:
    run, pid = _starting(place, of_java)
    wait(lambda: _children(pid) != [])
    (jvm, *_) = _children(pid)
    os.kill(pid, signal.SIGKILL)
    run.wait()

    second = attached(place, of_java)

    assert second.pid != pid and not Path(f"/proc/{jvm}").exists()


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(each) for each in text.split()]


def test_with_a_damaged_address_a_second_engine_is_not_started(
    place: Place, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attached(place, spec)
    (place.directory / "address.json").write_text("{")
    monkeypatch.setattr(warm, "_ENDS_WITHIN", 1)

    assert attach(place, spec) is None
    assert answers(first.address)
    os.killpg(first.pid, signal.SIGKILL)


def test_files_of_an_engine_are_its_users_alone_and_go_with_the_next(
    place: Place, spec: Spec
) -> None:
    first = attached(place, spec)
    assert place.directory.stat().st_mode & 0o777 == 0o700
    (place.work / "spilled").write_text("rows")
    os.killpg(first.pid, signal.SIGKILL)
    wait(lambda: not place.is_locked("server"))

    attached(place, spec)

    assert not (place.work / "spilled").exists()
    assert (place.directory / "log.previous.txt").exists()


def test_an_engine_of_another_machine_is_neither_used_nor_killed(place: Place, spec: Spec) -> None:
    theirs = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with place.file("server") as server, place.file("keeper") as keeper:
        assert try_lock(server) and try_lock(keeper)
        place.write(Found(theirs.pid, spec.key, "sc://127.0.0.1:1", machine="another"))

        assert attach(place, spec) is None

    assert theirs.poll() is None
    theirs.kill()
    theirs.wait()


def test_an_engine_ends_with_its_home(place: Place, spec: Spec) -> None:
    user = attached(place, spec)
    shutil.rmtree(place.directory)

    wait(lambda: not answers(user.address))

    assert not place.directory.exists()


def test_the_session_of_a_run_that_gave_its_engine_up_is_closed(place: Place, spec: Spec) -> None:
    first, other = attached(place, spec), attached(place, spec)
    session = SparkSession.builder.remote(first.address).create()
    session.range(3).createOrReplaceTempView("rows")

    first.abandon()

    wait(lambda: len(list((place.directory / "users").iterdir())) == 1)
    wait(lambda: not answers(first.address))
    assert answers(other.address)
    session.client.close()
    session.stop()


def test_where_a_home_cannot_have_one_a_run_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_current", [])
    (tmp_path / "engine").write_text("in the way")

    session = connect.connected(settings_at(tmp_path, spark_idle=1), {})

    assert session.range(2).count() == 2
    session.stop()


def test_where_none_starts_there_is_none_and_the_log_says_why(place: Place, spec: Spec) -> None:
    assert attach(place, replace(spec, memory="4x")) is None

    assert "KeyError" in place.log.read_text()


def test_a_step_that_lost_its_engine_is_tried_again_on_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_current", [])
    settings = settings_at(tmp_path, spark_idle=1)
    place = Place(tmp_path / "engine")
    first = connect.connected(settings, {})
    found = place.read()
    assert found
    with pytest.raises(Exception) as failure, failures_explained():
        os.kill(found.pid, signal.SIGKILL)
        first.range(2).count()

    second = connect.connected(settings, {})

    assert type(failure.value).__name__ == "RetryRequested"
    assert SparkSession.getActiveSession() is not first
    assert second is not first and second.range(2).count() == 2
    second.stop()
    end(place)


def test_the_tables_function_that_fails_has_not_lost_its_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_current", [])
    session = connect.connected(settings_at(tmp_path, spark_idle=1), {})
    with pytest.raises(ZeroDivisionError), failures_explained():
        assert session.range(2).count() // 0

    assert not connect.is_lost()
    session.stop()
    end(Place(tmp_path / "engine"))


def test_where_others_use_one_of_other_code_a_jvm_is_a_runs_own(
    tmp_path: Path, place: Place, spec: Spec, of_java: Spec
) -> None:
    theirs = attached(place, spec)
    settings = settings_at(tmp_path, spark=Engine("local[1]"), spark_idle=1)

    ours = warm.attached(settings, of_java.config, {}, [])

    assert ours and ours.address != theirs.address and answers(ours.address)
    ours.let_go()
    os.killpg(ours.pid, signal.SIGKILL)


@pytest.fixture
def of_java(tmp_path: Path, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> Spec:
    if (java := chosen_java()) is None:
        assert not os.environ.get("CI")
        pytest.skip("there is no Java 17 or 21 for Spark")
    monkeypatch.setenv("JAVA_HOME", str(java))
    settings = settings_at(tmp_path, spark=Engine("local[1]"))
    return replace(spec, kind="local", config=spark_config(settings))


def test_a_runs_own_spark_that_does_not_start_says_why_and_leaves_nothing(
    of_java: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wrong = {**of_java.config, "spark.driver.memory": "99999999g"}

    with pytest.raises(RuntimeError, match="initialization of VM"):
        warm._own(replace(of_java, config=wrong))

    assert not list(tmp_path.glob("data-platform-*"))


def test_a_runs_own_spark_leaves_nothing_when_the_run_ends(
    of_java: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = warm._own(of_java)
    assert answers(own.address) and list(tmp_path.glob("data-platform-*"))

    own.let_go()

    wait(lambda: not list(tmp_path.glob("data-platform-*")))


def test_what_a_killed_run_executes_ends_in_a_jvm_too(
    place: Place, of_java: Spec, tmp_path: Path
) -> None:
    _ends_with_its_run(place, of_java, tmp_path / "ticks")


def test_a_jvm_does_not_outlive_the_process_that_started_it(place: Place, of_java: Spec) -> None:
    first = attached(place, of_java)
    os.kill(first.pid, signal.SIGKILL)
    wait(lambda: not place.is_locked("server"))  # which the JVM keeps, too

    second = attached(place, of_java)

    assert second.address != first.address and not answers(first.address, 1)
    session = SparkSession.builder.remote(second.address).create()
    assert session.range(3).count() == 3
    session.stop()


def test_a_session_that_was_stopped_gives_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_current", [])
    settings = settings_at(tmp_path)
    first = connect.connected(settings)
    assert connect.connected(settings) is first
    first.stop()

    second = connect.connected(settings)

    assert second.range(2).count() == 2
    second.stop()
