"""A run's session on a warm engine, and its queries, end with the run."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from data_platform.engine.warm import engines
from data_platform.engine.warm.liveness import answers
from data_platform.engine.warm.place import Place, Spec, session_address
from data_platform_tests.support.warm_engines import attached, soon

pytestmark = pytest.mark.connect_only


TICKS = """
import sys, time
from pathlib import Path
from pyspark.sql import SparkSession
from data_platform.engine.warm.attach import attach
from data_platform.engine.warm.place import Place, Spec, session_address

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


@pytest.mark.parametrize("engine", ["spec", "of_java"])
def test_the_queries_of_a_killed_run_are_interrupted(
    place: Place, engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    spec: Spec = request.getfixturevalue(engine)
    ticks = tmp_path / "ticks"
    ours = attached(place, spec)
    script = [sys.executable, "-c", TICKS, str(place.directory), spec.to_json(), str(ticks)]
    run = subprocess.Popen(script)
    soon(ticks.exists)

    run.kill()
    run.wait()

    soon(lambda: not _grows(ticks))
    assert len(ticks.read_bytes()) < 2000  # it did not end by itself
    assert answers(ours.address)
    with place.locked("attach", 60):
        assert place.users() == ({Path(ours._user.file.name).name}, set())


def _grows(file: Path) -> bool:
    before = file.stat().st_size
    time.sleep(1)
    return file.stat().st_size > before


CONNECTS = """
import sys
from pathlib import Path
from data_platform.engine import connect
from data_platform.settings.environment import settings_at

session = connect.connected(settings_at(Path(sys.argv[1]), spark_idle=10), {})
assert session.range(2).count() == 2
print(connect._current[0].engine.address, flush=True)
input()
"""


def test_a_run_that_ends_closes_its_session(place: Place, tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", CONNECTS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    address = run.stdout.readline().strip()
    assert answers(address)

    with place.locked("attach", 60):  # so that the engine does not do it
        run.communicate("\n")

        assert run.returncode == 0
        assert place.users() == (set(), set())
        server = address.split(";session_id=")[0]
        assert answers(session_address(server, str(uuid4()))) and not answers(address)


SERVES = """
import sys
from data_platform.engine.warm import engines

engines._NEVER = int(sys.argv[1])
print(engines.start_sail("256m"), flush=True)
input()
"""


@contextmanager
def _session_of_sail(timeout: int) -> Iterator[SparkSession]:
    """A session of a Sail that closes sessions which are idle for so many seconds."""
    script = [sys.executable, "-c", SERVES, str(timeout)]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        session = SparkSession.builder.remote(server.stdout.readline().strip()).create()
        yield session
        session.client.close()
        server.kill()


def test_an_idle_session_is_kept() -> None:
    with _session_of_sail(2) as short, _session_of_sail(engines._NEVER) as kept:
        for session in (short, kept):
            session.range(3).createOrReplaceTempView("rows")

        soon(lambda: not _has_rows(short))

        assert kept.table("rows").count() == 3


def _has_rows(session: SparkSession) -> bool:
    time.sleep(5)  # a request would start its time again
    try:
        return session.catalog.tableExists("rows")
    except PySparkException:  # the session is closed
        return False


def test_an_abandoned_session_is_closed(place: Place, spec: Spec) -> None:
    first, other = attached(place, spec), attached(place, spec)
    session = SparkSession.builder.remote(first.address).create()
    session.range(3).createOrReplaceTempView("rows")

    first.abandon()

    soon(lambda: len(list((place.directory / "users").iterdir())) == 1)
    soon(lambda: not answers(first.address))
    assert answers(other.address)
    session.client.close()
    session.stop()
