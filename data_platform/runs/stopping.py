"""Stop a run with Ctrl-C: the first one ends it cleanly, the second one kills the process.

A signal's handler may raise anywhere: between the commits of a publication, or while waiting for
the JVM's answer, which the next call would then take for its own. So the run has its own thread,
where no handler raises. The main thread marks the run as canceling and cancels its Spark jobs; its
steps check for that before they begin and again before they publish.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType, TracebackType
from typing import Self, TypeVar

import dagster as dg

from data_platform.databases.errors import LeaseLost
from data_platform.databases.fencing import fenced, lease_of, require_held_now
from data_platform.engine.session import cancel_jobs

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger(__name__)
_LOOKS_EVERY = 0.2  # seconds
_T = TypeVar("_T")


class Stop:
    """Whether this process was asked to stop, by a signal while the context is entered.

    The first signal calls `announce` within `supervise` and raises KeyboardInterrupt outside of it.
    """

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self._announce = announce
        self._signal: int | None = None
        self._supervising = False
        self._before: dict[int, object] = {}

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """The shell's exit code for a process that a signal ended: 130 after Ctrl-C."""
        return 128 + (self._signal or signal.SIGINT)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._heard) for each in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]

    def supervise(self, work: Callable[[], _T], cancel: Callable[[], None]) -> _T:
        """The result of `work`, done in its own thread; raises what it raises.

        Once asked to stop, calls `cancel` again and again until the work has ended.
        """
        found: list[_T] = []
        errors: list[BaseException] = []

        def worked() -> None:
            # A terminal sends Ctrl-C to child processes, too, and those that capture a step's
            # output for Dagster would end before the step. They inherit this mask.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                found.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=copy_context().run, args=(worked,), daemon=True)
        self._supervising = True
        try:
            thread.start()
            while thread.is_alive():
                thread.join(_LOOKS_EVERY)
                if self.asked and thread.is_alive():
                    _tried(cancel)
        finally:
            self._supervising = False
        if errors:
            raise errors[0]
        return found[0]

    def _heard(self, number: int, _: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)  # at any moment: a killed run leaves nothing broken
        self._signal = number
        if not self._supervising:
            raise KeyboardInterrupt
        self._announce()


def _tried(cancel: Callable[[], None]) -> None:
    """Call `cancel`, which is called again if it fails: the session may be ending, or the database
    locked."""
    try:
        cancel()
    except Exception as error:
        _log.debug("not canceled yet: %s", error)


def cancel_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Mark a started run as canceling and cancel its Spark jobs."""
    run = instance.get_run_by_id(run_id)
    if run and run.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(run)
    if run and run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
        cancel_jobs()


@contextmanager
def stoppable(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """A part of a run that is skipped, or whose result is discarded, once the run is canceled or
    counts as dead.

    Raises DagsterExecutionInterruptedError if it is canceled, LeaseLost if it counts as dead.
    """
    require_going_on(instance, run_id)
    try:
        yield
    except Exception:  # usually from a canceled Spark job
        require_going_on(instance, run_id)
        raise
    require_going_on(instance, run_id)


def require_going_on(instance: dg.DagsterInstance, run_id: str) -> None:
    """Raises DagsterExecutionInterruptedError if the run is being canceled, LeaseLost if it counts
    as dead."""
    with fenced(lease_of(run_id)):
        require_held_now()
    run = instance.get_run_by_id(run_id)
    if run and run.is_finished:  # before it took its lease
        raise LeaseLost(
            f"run {run_id} is marked as {run.status.value.lower()} already, so nothing of it is "
            "written; what is still due is built by the next run"
        )
    if run and run.status is dg.DagsterRunStatus.CANCELING:
        raise dg.DagsterExecutionInterruptedError("the run is being canceled") from None
