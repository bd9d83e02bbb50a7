"""A run that a person stops: the first Ctrl-C lets it end in order, the second ends the process.

A signal's handler may raise anywhere: between the commits of a publication, or while the JVM's
answer is awaited, which the next call would then take for its own. So the run has a thread of its
own, where none is raised. The main thread marks it as being canceled and cancels its Spark jobs;
its steps look at that mark before they begin, and again before they publish.
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

from data_platform.engine.session import cancel_jobs

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger(__name__)
_LOOKS_EVERY = 0.2  # seconds
_T = TypeVar("_T")


class Stop:
    """Whether somebody wants this process to stop, heard of from its signals while it is entered.

    Outside of `supervise` the first signal raises KeyboardInterrupt. Calls `told` at the first one
    within it.
    """

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self._told = told
        self._signal: int | None = None
        self._supervising = False
        self._before: dict[int, object] = {}

    @property
    def asked(self) -> bool:
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """As a shell has it for who was ended by a signal: 130 after Ctrl-C."""
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
        """The result of `work`, done in a thread of its own.

        Once somebody wants to stop, calls `cancel` again and again until the work has ended.
        """
        found: list[_T] = []
        errors: list[BaseException] = []

        def worked() -> None:
            # A terminal sends Ctrl-C to the processes that are started here, too: those through
            # which Dagster prints a step's output would end before it. They inherit this.
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
            os._exit(128 + number)  # whatever is under way: what is killed leaves nothing broken
        self._signal = number
        if not self._supervising:
            raise KeyboardInterrupt
        self._told()


def _tried(cancel: Callable[[], None]) -> None:
    """It is called again: a session that is just ending, or a locked database, is no reason to
    leave the work alone."""
    try:
        cancel()
    except Exception as error:
        _log.debug("not canceled yet: %s", error)


def cancel_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Mark the run as being canceled, once it has started, and end what Spark computes for it."""
    run = instance.get_run_by_id(run_id)
    if run and run.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(run)
    if run and run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
        cancel_jobs()


@contextmanager
def stoppable(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """What a run does not begin while it is being canceled, and whose result it does not use.

    Raises DagsterExecutionInterruptedError then.
    """
    _go_on(instance, run_id)
    try:
        yield
    except Exception:  # of a Spark job that was canceled, as a rule
        _go_on(instance, run_id)
        raise
    _go_on(instance, run_id)


def _go_on(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run and run.status is dg.DagsterRunStatus.CANCELING:
        raise dg.DagsterExecutionInterruptedError("the run is being canceled") from None
