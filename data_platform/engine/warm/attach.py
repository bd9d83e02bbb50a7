"""Attach to a home's warm engine, and start it if it is not running."""

import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from data_platform.engine.warm import liveness
from data_platform.engine.warm.key import key_of
from data_platform.engine.warm.liveness import answers, watch
from data_platform.engine.warm.place import Found, Place, Spec, User, session_address, this_machine
from data_platform.settings.model import Settings
from data_platform.storage.waiting import wait

_log = logging.getLogger(__name__)

_STARTS_WITHIN = 150  # seconds
_ENDS_WITHIN = 30
_ATTACHES_WITHIN = 300  # another run may end an engine first, and start one


class EngineLost(Exception):
    """A warm engine has ended or stopped answering while a step used it."""


@dataclass(frozen=True)
class Attached:
    """A warm engine that this process uses until it releases it or ends.

    `address` includes the id of this process's session; `pid` is the engine's process, and `log`
    its output. `end_watch` stops asking the engine whether it answers.
    """

    address: str
    pid: int
    log: Path
    _user: User
    end_watch: Callable[[], None]

    def lost(self) -> EngineLost | None:
        """An error that says so if the engine has stopped answering."""
        if answers(self.address, liveness.BUSY_ANSWERS_WITHIN):
            return None
        return EngineLost(
            f"the warm engine (process {self.pid}) has ended or stopped answering, so the step is "
            f"run again on a new one. The engine's output is in {self.log}, and in "
            f"{self.log.with_suffix('.previous.txt').name} beside it once the new one has started"
        )

    def release(self) -> None:
        """Stop using the engine, after the session was closed."""
        self.end_watch()
        self._user.leave()

    def abandon(self) -> None:
        """Stop using the engine, and leave it to the engine to close the session."""
        self.end_watch()
        self._user.abandon()


def attached(
    settings: Settings,
    config: Mapping[str, str],
    variables: Mapping[str, str | None],
    code: Iterable[Path],
) -> Attached | None:
    """The engine of the settings' home; it ends with the process that started this one.

    `config` is the configuration of a JVM, `variables` are the environment variables with which an
    engine finds the object store, and `code` are the files of this process's own packages. If
    `attach` returns None, so does this for Sail, which can run in this process; for Spark it starts
    a JVM for this process alone.
    """
    parent = multiprocessing.parent_process()
    spec = Spec(
        kind=settings.spark.kind,
        key=key_of(settings, config, variables, code),
        owner=os.getpid() if parent is None or parent.pid is None else parent.pid,
        idle=settings.spark_idle * 60,
        memory=settings.spark_memory,
        path=[place or os.getcwd() for place in sys.path],
        config=config,
        variables=variables,
    )
    place = Place(settings.home / "engine")
    try:
        found = attach(place, spec)
    except OSError as error:  # a full disk, or a network file system without locks
        _log.warning(
            "no warm engine in %s: %s; this run starts its own engine", place.directory, error
        )
        found = None
    return found if found or spec.kind == "sail" else _own(spec)


def _own(spec: Spec) -> Attached:
    """A JVM for this process alone. PySpark is set up for Spark Connect already, so it cannot use
    Spark in this process."""
    place = Place(Path(tempfile.mkdtemp(prefix="data-platform-")))
    found = attach(place, replace(spec, owner=os.getpid(), idle=0, temporary=True))
    if found is None:
        output = place.log.read_text()[-2000:]
        shutil.rmtree(place.directory)
        raise RuntimeError(f"Spark did not start: {output}")
    return found


def attach(place: Place, spec: Spec) -> Attached | None:
    """The engine in a directory, started if necessary. None if other runs use an engine with
    another key, or if none starts; the log says which. Raises OSError if the directory cannot be
    used.
    """
    place.make()
    with place.locked("attach", _ATTACHES_WITHIN):
        others, _ = place.users()
        user = place.enter()
        try:
            found = _usable(place, spec, user, others) or _started(place, spec, others)
        except BaseException:
            user.leave()
            raise
    if found is None or found.address is None:
        user.leave()
        return None
    address = session_address(found.address, user.session)
    end_watch = watch(address, partial(_end_silent, place, found))
    return Attached(address, found.pid, place.log, user, end_watch)


def _usable(place: Place, spec: Spec, user: User, others: set[str]) -> Found | None:
    """The running engine, if this process can use it. An engine that does not answer is ended, and
    so is one with another key that no other process uses."""
    found = place.read()
    if found is None or not place.is_locked("server") or found.machine != this_machine():
        return None
    if found.address is None:  # it is starting, and the run that started it was killed
        found = _listening(place, lambda: not place.is_locked("keeper")) or found
    if place.is_locked("keeper"):
        if found.key != spec.key:
            if not others:
                _end(place, found, signal.SIGTERM)
            return None
        if found.address and _answers(session_address(found.address, user.session), others):
            return found
    _log.warning(
        "the warm engine (process %s) has ended or does not answer; it is restarted", found.pid
    )
    _end(place, found, signal.SIGKILL)
    return None


def _answers(address: str, others: set[str]) -> bool:
    """Whether the engine answers; with other users, a second request is sent if the first one
    fails, since they would lose their queries."""
    if not others:
        return answers(address)
    seconds = liveness.BUSY_ANSWERS_WITHIN / 2
    return answers(address, seconds) or answers(address, seconds)


def _end_silent(place: Place, found: Found) -> None:
    """Kill an engine that has stopped answering, so that calls that wait for it fail.

    This does not wait for the lock `attach`, since the engine's process may hold it.
    """
    now = place.read()
    if now is None or now.pid != found.pid or not place.is_locked("server"):
        return  # it has ended already
    _log.warning(
        "the warm engine (process %s) has not answered for %s seconds; it is killed, and steps "
        "that used it are retried on a new one",
        found.pid,
        liveness.BUSY_ANSWERS_WITHIN,
    )
    _end(place, found, signal.SIGKILL)


def _end(place: Place, found: Found, by: signal.Signals) -> None:
    """End an engine. Its lock `server` must be held, so that its process group still exists."""
    try:
        os.killpg(found.pid, by)  # a JVM outlives a killed parent
    except ProcessLookupError:
        return
    if not wait(lambda: not place.is_locked("server"), _ENDS_WITHIN) and by != signal.SIGKILL:
        _end(place, found, signal.SIGKILL)


def _started(place: Place, spec: Spec, others: set[str]) -> Found | None:
    if place.is_locked("server"):
        if (found := place.read()) and (others or found.machine != this_machine()):
            _log.info(
                "the warm engine runs on another machine, or other runs use it with different code "
                "or settings; this run starts its own engine"
            )
            return None
        if not wait(lambda: not place.is_locked("server"), _ENDS_WITHIN):  # it is ending
            return None
    place.prepare()
    with place.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "data_platform.engine.warm.server", str(place.directory)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C in a terminal ends the run, not the engine
        )
    assert process.stdin
    process.stdin.write(spec.to_json())
    process.stdin.close()
    found = _listening(place, lambda: process.poll() is not None)
    if found is None or found.key != spec.key:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and its JVM
        output = place.log.read_text().strip().splitlines()
        _log.warning(
            "the warm engine did not start, and this run starts its own: %s (see %s; set "
            "DATA_PLATFORM_SPARK_IDLE=0 to run without one)",
            output[-1] if output else "it printed nothing",
            place.log,
        )
        return None
    return found


def _listening(place: Place, ended: Callable[[], bool]) -> Found | None:
    """A starting engine, once it listens; None if it ends before, or takes too long."""

    def listening() -> Found | None:
        found = place.read()
        return found if found and found.address else None

    wait(lambda: listening() is not None or ended(), _STARTS_WITHIN)
    return listening()
