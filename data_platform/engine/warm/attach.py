"""Use a home's warm engine: found by its address, started by the first process that needs it."""

import fcntl
import hashlib
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from data_platform.engine.warm.place import Found, Place, Spec, is_listening, try_lock
from data_platform.settings.model import Settings

_log = logging.getLogger(__name__)

_ANSWERS_WITHIN = 10  # seconds
_STARTS_WITHIN = 150
_ENDS_WITHIN = 30
_PAUSE = 0.05
_kept: list[object] = []  # directories, which are removed with the process


@dataclass(frozen=True)
class Attached:
    """A warm engine that this process uses, until it is let go or the process ends."""

    address: str
    pid: int
    _users: IO[str]

    def let_go(self) -> None:
        """Use it no more."""
        self._users.close()


def attached(
    settings: Settings, config: Mapping[str, str], variables: Mapping[str, str | None]
) -> Attached | None:
    """The engine of the settings' home, which ends with the process that started this one.

    `config` is Spark's, for a JVM; `variables` are those by which an engine finds the store. None
    where `attach` gives none and Sail can be had in this process instead; a JVM is its own then.
    """
    parent = multiprocessing.parent_process()
    same = (settings.spark.text, settings.spark_memory, config, variables, sys.executable)
    digest = hashlib.sha256(json.dumps([same, sorted(own_code())]).encode())
    spec = Spec(
        kind=settings.spark.kind,
        key=digest.hexdigest(),
        owner=os.getpid() if parent is None or parent.pid is None else parent.pid,
        idle=settings.spark_idle * 60,
        memory=settings.spark_memory,
        config=config,
        variables=variables,
    )
    found = attach(Place(settings.home / "engine"), spec)
    return found if found or spec.kind == "sail" else _own(spec)


def _own(spec: Spec) -> Attached:
    """A Spark for this process alone, which is a client of Spark Connect already."""
    directory = tempfile.TemporaryDirectory(prefix="data-platform-")
    place = Place(Path(directory.name))
    found = attach(place, replace(spec, owner=os.getpid()))
    if found is None:
        raise RuntimeError(f"Spark does not start: {place.log.read_text()[-2000:]}")
    _kept.append(directory)
    return found


def own_code() -> Iterator[tuple[str, int, int]]:
    """Path, time and size of the files of each package or module that this process has imported,
    other than those of its environment. An engine runs Python code that it has imported before."""
    places = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix})
    roots = {name.partition(".")[0] for name in list(sys.modules)} - {"__main__", "__mp_main__"}
    for name in roots:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None or any(Path(file).is_relative_to(place) for place in places):
            continue
        is_package = Path(file).name == "__init__.py"
        for path in Path(file).parent.rglob("*.py") if is_package else [Path(file)]:
            with suppress(FileNotFoundError):  # a link to nothing, as some editors make
                found = path.stat()
                yield str(path), found.st_mtime_ns, found.st_size


def answers(address: str, seconds: float = _ANSWERS_WITHIN) -> bool:
    """Whether an engine at an address answers in time."""
    import grpc  # slow to import

    host, port = address.removeprefix("sc://").split(":")
    if not is_listening(host, int(port)):
        return False
    channel = grpc.insecure_channel(f"{host}:{port}")
    try:
        grpc.channel_ready_future(channel).result(timeout=seconds)
    except grpc.FutureTimeoutError:
        return False
    finally:
        channel.close()
    return True


def attach(place: Place, spec: Spec) -> Attached | None:
    """The engine of a place. None if it cannot be had: others use one of another key, or none
    starts; the log says which.
    """
    users = place.file("users")
    fcntl.flock(users, fcntl.LOCK_SH)
    with place.locked("starting"):
        found = _usable(place, spec, users) or _started(place, spec)
    if found is None:
        users.close()
        return None
    return Attached(found.address, found.pid, users)


def _usable(place: Place, spec: Spec, users: IO[str]) -> Found | None:
    """The engine that is there, if it can be used; one that nobody can use any more is ended."""
    found = place.read()
    if found is None or not place.is_locked("server"):
        return None
    if not place.is_locked("keeper") or not answers(found.address):
        _log.warning(
            "the warm engine (process %s) is gone or does not answer; it is restarted", found.pid
        )
        _end(place, found, signal.SIGKILL)
    elif found.key == spec.key:
        return found
    else:
        if try_lock(users):  # nobody else uses it
            _end(place, found, signal.SIGTERM)
        fcntl.flock(users, fcntl.LOCK_SH)  # which a try that fails gives up
    return None


def _end(place: Place, found: Found, by: signal.Signals) -> None:
    """End an engine whose lock is held, so that its process group is still its own."""
    try:
        os.killpg(found.pid, by)  # a JVM outlives a killed parent
    except ProcessLookupError:
        return
    _wait(lambda: not place.is_locked("server"), _ENDS_WITHIN)


def _started(place: Place, spec: Spec) -> Found | None:
    if place.is_locked("server") and not _wait(lambda: not place.is_locked("server"), 1):
        _log.info("others use the warm engine with other code or settings; this run has its own")
        return None
    place.clear()
    with place.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "data_platform.engine.warm.server", str(place.directory)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal is for the run
        )
    assert process.stdin
    process.stdin.write(spec.to_json())
    process.stdin.close()
    _wait(lambda: place.read() is not None or process.poll() is not None, _STARTS_WITHIN)
    if (found := place.read()) is None:
        process.kill()
        _log.warning("no warm engine started; this run has its own: see %s", place.log)
    return found


def _wait(until: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True
