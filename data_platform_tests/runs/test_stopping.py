"""A wish to stop, heard of from signals, and what becomes of the run that it is about."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import dagster as dg
import pytest

from data_platform.databases.errors import LeaseLost
from data_platform.runs.stopping import Stop, cancel_run, stoppable
from data_platform.settings.model import CHECKOUT

WAIT = 60  # seconds, for what takes none


def _interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_work_goes_on_to_its_end_while_it_is_told_to_cancel(number: int, code: int) -> None:
    told, canceled = [], threading.Event()

    def work() -> str:
        _interrupt(number)
        assert canceled.wait(WAIT)
        return "ended in order"

    before = signal.getsignal(signal.SIGINT)
    with Stop(lambda: told.append(True)) as stop:
        assert not stop.asked
        assert stop.supervise(work, canceled.set) == "ended in order"
        assert stop.asked

    assert (told, stop.exit_code) == ([True], code)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cancellation_that_fails_is_tried_again() -> None:
    tries, canceled = [], threading.Event()

    def cancel() -> None:
        tries.append(True)
        if len(tries) < 3:
            raise OSError("the database is locked")
        canceled.set()

    def work() -> None:
        _interrupt()
        assert canceled.wait(WAIT)

    with Stop() as stop:
        stop.supervise(work, cancel)

    assert len(tries) >= 3


def test_outside_of_any_work_the_first_signal_interrupts_at_once() -> None:
    with Stop() as stop:
        with pytest.raises(KeyboardInterrupt):
            _interrupt()
            threading.Event().wait(WAIT)
        assert stop.asked


def test_the_error_of_the_work_is_raised() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with Stop() as stop, pytest.raises(ZeroDivisionError):
        stop.supervise(work, lambda: None)


def test_what_the_work_starts_does_not_hear_of_ctrl_c() -> None:
    """A terminal sends it to all processes of the command."""

    def work() -> int:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        child.send_signal(signal.SIGINT)
        child.communicate(b"\n", timeout=WAIT)
        return child.returncode

    with Stop() as stop:
        assert stop.supervise(work, lambda: None) == 0


def test_the_second_signal_ends_the_process_at_once() -> None:
    code = """
import threading
from data_platform.runs.stopping import Stop

def work():
    print("working", flush=True)
    threading.Event().wait()

with Stop(lambda: print("told", flush=True)) as stop:
    stop.supervise(work, lambda: None)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout
        for said in ("working", "told"):
            assert process.stdout.readline().strip() == said
            process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 130


def _run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    return instance.add_run(dg.DagsterRun(job_name="j", status=status)).run_id


def test_a_run_is_canceled_once_it_has_started() -> None:
    instance = dg.DagsterInstance.ephemeral()
    for status, then in (
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
        (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.NOT_STARTED),
        (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.SUCCESS),
    ):
        run_id = _run(instance, status)
        cancel_run(instance, run_id)
        found = instance.get_run_by_id(run_id)
        assert found and found.status is then
    cancel_run(instance, "00000000-0000-0000-0000-000000000000")  # not recorded yet


def _fails() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("work", [_fails, lambda: None])
def test_a_step_of_a_run_that_is_being_canceled_is_not_used(work: Callable[[], None]) -> None:
    instance = dg.DagsterInstance.ephemeral()
    run_id = _run(instance, dg.DagsterRunStatus.STARTED)

    with (
        pytest.raises(dg.DagsterExecutionInterruptedError),
        stoppable(instance, run_id),
    ):
        cancel_run(instance, run_id)
        work()

    begun = []
    with pytest.raises(dg.DagsterExecutionInterruptedError), stoppable(instance, run_id):
        begun.append(True)
    assert not begun


def test_a_step_of_any_other_run_is_as_it_is() -> None:
    instance = dg.DagsterInstance.ephemeral()
    run_id = _run(instance, dg.DagsterRunStatus.STARTED)

    with stoppable(instance, run_id):
        pass
    with pytest.raises(ZeroDivisionError), stoppable(instance, run_id):
        _fails()


def test_a_step_of_a_run_that_is_marked_as_failed_meanwhile_is_not_used() -> None:
    instance = dg.DagsterInstance.ephemeral()
    run_id = _run(instance, dg.DagsterRunStatus.STARTED)

    with pytest.raises(LeaseLost, match="is marked as failure"), stoppable(instance, run_id):
        run = instance.get_run_by_id(run_id)
        assert run
        instance.report_run_failed(run)
