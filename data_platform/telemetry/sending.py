"""Send what waits in a spool, in a thread that no run waits for."""

import logging
import random
import threading
from collections import Counter
from pathlib import Path

from data_platform.telemetry.collector import Answer, Target
from data_platform.telemetry.spool import Entry, Spool

_LOG = logging.getLogger(__name__)
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds between tries while the collector does not answer
_MOST_WAIT = 600.0  # where the collector says how long
_LOOK = 5.0  # seconds between looks for what other processes have put there
_TRIES = 5  # of a request at which a collector fails
_FIRST_ANSWER = 1.5  # seconds that a process which ends waits for a collector it never reached


class Sender:
    """Sends a spool's requests, oldest first.

    A request that the collector refuses, or fails at again and again, is dropped with a warning.
    After any other error all wait, for longer and longer.
    """

    def __init__(self, spool: Spool, target: Target) -> None:
        self._spool = spool
        self._target = target
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._wait = 0.0  # 0: the last request was taken
        self._reached = False  # whether the collector has ever answered
        self._failures: Counter[Path] = Counter()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    @property
    def folder(self) -> Path:
        """The folder of the spool."""
        return self._spool.folder

    def put(self, encoding: str, body: bytes) -> None:
        """Put a request into the spool, to be sent. Raises OSError if the disk does not take it."""
        if dropped := self._spool.put(encoding, body):
            folder = self._spool.folder
            _LOG.warning("%s is full: the oldest %d requests were dropped", folder, dropped)
        self._woken.set()

    def stop(self, seconds: float) -> None:
        """Try once more to send what waits, for at most so many seconds: for less if the collector
        never answered. The next process sends the rest."""
        self._ended.set()
        self._woken.set()
        self._thread.join(seconds if self._reached else min(seconds, _FIRST_ANSWER))

    def _run(self) -> None:
        while True:
            ending = self._ended.is_set()
            try:
                self._send_all()
            except Exception as error:  # the thread must go on: nothing would say that it ended
                self._postpone(Answer("later", f"{type(error).__name__} in {self._spool.folder}"))
            if ending:
                return
            if self._wait:  # what is put there meanwhile is no reason to try earlier
                self._ended.wait(self._wait * random.uniform(0.8, 1.2))
            else:
                self._woken.wait(_LOOK)
            self._woken.clear()

    def _send_all(self) -> None:
        """Send until nothing waits, the collector does not answer, or another process sends."""
        with self._spool.exclusive() as acquired:
            while acquired and (entries := self._spool.entries()):
                for entry in entries:
                    if not self._send(entry):
                        return

    def _send(self, entry: Entry) -> bool:
        """Send a request; returns whether the next one can be sent."""
        try:
            body = entry.body()
        except FileNotFoundError:  # dropped for newer ones
            return True
        except OSError as error:
            self._drop(entry, f"it cannot be read: {error}")
            return True
        answer = self._target.send(body, entry.encoding)
        if answer.outcome == "failed":
            self._failures[entry.path] += 1
            if self._failures[entry.path] >= _TRIES:
                answer = Answer("refused", f"{answer.reason}, {_TRIES} times")
        if answer.outcome in ("later", "failed"):
            self._postpone(answer)
            return False
        if answer.outcome == "refused":
            self._drop(entry, answer.reason)
        elif self._wait:
            _LOG.warning("telemetry is sent to %s again", self._target.place)
        self._wait, self._reached = 0.0, True
        self._failures.pop(entry.path, None)
        entry.remove()
        return True

    def _drop(self, entry: Entry, reason: str) -> None:
        _LOG.warning(
            "a request to %s was dropped with the telemetry in it: %s", self._target.place, reason
        )
        entry.remove()

    def _postpone(self, answer: Answer) -> None:
        if not self._wait:
            _LOG.warning(
                "telemetry cannot be sent to %s and waits in %s: %s",
                self._target.place,
                self._spool.folder,
                answer.reason,
            )
        longer = min(max(2 * self._wait, _FIRST_WAIT), _LONGEST_WAIT)
        self._wait = longer if answer.wait is None else min(max(answer.wait, longer), _MOST_WAIT)
