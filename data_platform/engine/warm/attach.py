"""Use a home's warm engine: found by its address, started by the first process that needs it."""

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

from data_platform.engine.waiting import wait
from data_platform.engine.warm import liveness
from data_platform.engine.warm.key import key_of
from data_platform.engine.warm.liveness import answers, watch
from data_platform.engine.warm.place import Found, Place, Spec, User, session_address, this_machine
from data_platform.settings.model import Settings

_log = logging.getLogger(__name__)

_STARTS_WITHIN = 150  # seconds
_ENDS_WITHIN = 30
_ATTACHES_WITHIN = 300  # another run may have to end an engine first, and start one


@dataclass(frozen=True)
class Attached:
    """A warm engine that this process uses, until it is let go or the process ends.

    `address` names this process's session.
    """

    address: str
    pid: int
    _user: User
    _end_watch: Callable[[], None]

    def is_lost(self) -> bool:
        """Whether it does not answer any more."""
        return not answers(self.address, liveness.BUSY_ANSWERS_WITHIN)

    def let_go(self) -> None:
        """Stop using it; the session is closed."""
        self._end_watch()
        self._user.leave()

    def abandon(self) -> None:
        """Stop using it; if it still runs, it closes the session."""
        self._end_watch()
        self._user.abandon()


def attached(
    settings: Settings,
    config: Mapping[str, str],
    variables: Mapping[str, str | None],
    code: Iterable[Path],
) -> Attached | None:
    """The engine of the settings' home, which ends with the process that started this one.

    `config` is Spark's, for a JVM; `variables` are those by which an engine finds the store; `code`
    are the files of this process's own packages. None where `attach` gives none and Sail can be had
    in this process instead; a JVM is its own then.
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
    except OSError as error:  # a full disk, or one without locks, as some of a network are
        _log.warning("no warm engine in %s: %s; this run has its own", place.directory, error)
        found = None
    return found if found or spec.kind == "sail" else _own(spec)


def _own(spec: Spec) -> Attached:
    """A Spark for this process alone, which is a client of Spark Connect already."""
    place = Place(Path(tempfile.mkdtemp(prefix="data-platform-")))
    found = attach(place, replace(spec, owner=os.getpid(), idle=0, temporary=True))
    if found is None:
        said = place.log.read_text()[-2000:]
        shutil.rmtree(place.directory)
        raise RuntimeError(f"Spark does not start: {said}")
    return found


def attach(place: Place, spec: Spec) -> Attached | None:
    """The engine of a place. None if it cannot be had: others use one of another key, or none
    starts; the log says which.
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
    return Attached(address, found.pid, user, watch(address, partial(_end_silent, place, found)))


def _usable(place: Place, spec: Spec, user: User, others: set[str]) -> Found | None:
    """The engine that is there, if it can be used; one that nobody can use any more is ended."""
    found = place.read()
    if found is None or not place.is_locked("server") or found.machine != this_machine():
        return None
    if found.address is None:  # whoever started it has ended meanwhile
        found = _listening(place, lambda: not place.is_locked("keeper")) or found
    if found.key != spec.key and others and place.is_locked("keeper"):
        return None
    seconds = liveness.BUSY_ANSWERS_WITHIN if others else liveness.ANSWERS_WITHIN
    if (
        found.address is None
        or not place.is_locked("keeper")
        or not answers(session_address(found.address, user.session), seconds)
    ):
        _log.warning(
            "the warm engine (process %s) is gone or does not answer; it is restarted", found.pid
        )
        _end(place, found, signal.SIGKILL)
    elif found.key == spec.key:
        return found
    else:
        _end(place, found, signal.SIGTERM)
    return None


def _end_silent(place: Place, found: Found) -> None:
    """End an engine that has stopped answering, so that calls that wait for it fail.

    This does not wait for the lock `attach`, which the engine's own process may hold.
    """
    now = place.read()
    if now is None or now.pid != found.pid or not place.is_locked("server"):
        return  # it has ended already
    _log.warning(
        "the warm engine (process %s) has not answered for %s seconds; it is ended, and what used "
        "it is retried on a new one",
        found.pid,
        liveness.BUSY_ANSWERS_WITHIN,
    )
    _end(place, found, signal.SIGKILL)


def _end(place: Place, found: Found, by: signal.Signals) -> None:
    """End an engine whose lock is held, so that its process group is still its own."""
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
                "the warm engine is another machine's, or others use it with other code or "
                "settings; this run has its own"
            )
            return None
        if not wait(lambda: not place.is_locked("server"), _ENDS_WITHIN):  # it ends
            return None
    place.prepare()
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
    found = _listening(place, lambda: process.poll() is not None)
    if found is None or found.key != spec.key:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and its JVM
        said = place.log.read_text().strip().splitlines()
        _log.warning(
            "no warm engine started, and this run has its own: %s (%s has more; with "
            "DATA_PLATFORM_SPARK_IDLE=0 none is tried)",
            said[-1] if said else "it printed nothing",
            place.log,
        )
        return None
    return found


def _listening(place: Place, ended: Callable[[], bool]) -> Found | None:
    """The engine that starts, once it listens; None if it ends before that, or takes too long."""

    def listening() -> Found | None:
        found = place.read()
        return found if found and found.address else None

    wait(lambda: listening() is not None or ended(), _STARTS_WITHIN)
    return listening()
