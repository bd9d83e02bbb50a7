"""Start the servers of Spark Connect on this machine: Sail, and Spark in a JVM."""

import ctypes
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyspark

from data_platform.engine.warm.place import (
    Place,
    Spec,
    reserved_port,
    server_address,
)
from data_platform.settings.environment import export
from data_platform.storage.waiting import is_listening, wait

_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
_NEVER = 10**8  # seconds
_STARTS_WITHIN = 120  # seconds; a JVM on a busy machine takes some
_PR_SET_PDEATHSIG = 1
_kept: list[object] = []  # when collected, a server stops and a directory is removed


@dataclass(frozen=True)
class Running:
    """A server that listens at an address."""

    address: str
    is_alive: Callable[[], bool]
    stop: Callable[[], None]


def start(spec: Spec, place: Place, lock: int) -> Running:
    """Start the engine. `lock` is a locked file descriptor, which a JVM inherits. Raises
    RuntimeError if the engine does not listen within two minutes."""
    return _sail(spec) if spec.kind == "sail" else _spark(spec, place, lock)


@cache
def start_sail(memory: str) -> str:
    """The address of this process's Sail server, which ends with the process."""
    export(
        RUST_LOG="error",  # otherwise it logs every query
        # Operators that need more memory spill to disk. The size is written as a JVM's, like `4g`.
        SAIL_RUNTIME__MEMORY_POOL__TYPE="fair",
        SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE=str(_bytes(memory)),
        # By default, a session that is idle for 15 minutes is closed. A run may do other work for
        # hours, and its session is closed when it ends.
        SAIL_SPARK__SESSION_TIMEOUT_SECS=str(_NEVER),
        SAIL_EXECUTION__CHECKPOINT__PATH=_checkpoints(),  # of `localCheckpoint`
    )
    from pysail.spark import SparkConnectServer  # slow to import

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    listening = server.listening_address
    assert listening
    _kept.append(server)
    return server_address(listening[1])


def _sail(spec: Spec) -> Running:
    return Running(start_sail(spec.memory), is_alive=lambda: True, stop=lambda: None)


def _spark(spec: Spec, place: Place, lock: int) -> Running:
    with reserved_port() as port:
        return _spark_on(port, spec, place, lock)


def _spark_on(port: int, spec: Spec, place: Place, lock: int) -> Running:
    options = spec.config.get("spark.driver.extraJavaOptions", "")
    config = {
        **spec.config,
        # Otherwise, out of memory, its threads end one by one while it keeps listening.
        "spark.driver.extraJavaOptions": (
            f'{options} -XX:+ExitOnOutOfMemoryError "-Djava.io.tmpdir={place.work}"'
        ),
        "spark.local.dir": str(place.work),
        "spark.connect.session.manager.defaultSessionTimeout": f"{_NEVER}s",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.warehouse.dir": str(place.work / "warehouse"),
    }
    home = Path(pyspark.__file__).parent
    words = [word for name, value in config.items() for word in ("--conf", f"{name}={value}")]
    command = [str(home / "bin" / "spark-submit"), *words, "--class", _CLASS, "spark-internal"]
    token = secrets.token_hex(32)
    export(
        SPARK_HOME=str(home),
        PYSPARK_PYTHON=sys.executable,
        SPARK_CONNECT_MODE_ENABLED=None,
        SPARK_CONNECT_AUTHENTICATE_TOKEN=token,  # arguments are visible to other users
    )
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        cwd=place.directory,
        pass_fds=[lock],
        preexec_fn=_end_with_parent,
    )
    export(SPARK_CONNECT_AUTHENTICATE_TOKEN=None)  # with it, this process's clients require TLS

    def stop() -> None:
        process.kill()  # it has nothing to save, and a clean shutdown might wait for clients
        process.wait()

    def has_ended() -> bool:
        return process.poll() is not None

    try:
        wait(lambda: has_ended() or is_listening("127.0.0.1", port), _STARTS_WITHIN)
        if has_ended() or not is_listening("127.0.0.1", port):
            raise RuntimeError(f"Spark Connect does not listen on port {port}")
    except BaseException:  # SIGTERM, too
        stop()
        raise
    return Running(server_address(port, token), lambda: not has_ended(), stop)


def _end_with_parent() -> None:
    """Have Linux kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _bytes(memory: str) -> int:
    return int(memory[:-1]) << {"m": 20, "g": 30}[memory[-1]]


def _checkpoints() -> str:
    """The URI of a directory that is removed when the process ends."""
    directory = tempfile.TemporaryDirectory(prefix="data-platform-")
    _kept.append(directory)
    return f"file://{directory.name}"
