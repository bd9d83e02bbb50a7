"""Send what waits in a spool, in a thread that no run waits for."""

import logging
import random
import threading
from collections.abc import Mapping

from data_platform.telemetry.collector import Target
from data_platform.telemetry.spool import Spool

_LOG = logging.getLogger(__name__)
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds between tries while the collector does not answer
_LOOK = 5.0  # seconds between looks for what other processes have put there


class Sender:
    """Sends a spool's requests, oldest first, to the targets of their signals.

    A request that the collector refuses is dropped with a warning. After any other error all wait,
    for longer and longer.
    """

    def __init__(self, spool: Spool, targets: Mapping[str, Target]) -> None:
        self._spool = spool
        self._targets = targets
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._wait = 0.0  # 0: the last request was taken
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def wake(self) -> None:
        """Something was put into the spool."""
        self._woken.set()

    def stop(self, seconds: float) -> None:
        """Send what waits, for at most so many seconds, and not at all if the collector did not
        answer the last time: the next process sends it."""
        self._ended.set()
        self._woken.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            ending = self._ended.is_set()
            if not (ending and self._wait):
                self._send_all()
            if ending:
                return
            if self._wait:  # what is put there meanwhile is no reason to try earlier
                self._ended.wait(self._wait * random.uniform(0.8, 1.2))
            else:
                self._woken.wait(_LOOK)
            self._woken.clear()

    def _send_all(self) -> None:
        """Send until nothing waits, the collector does not answer, or another process sends."""
        try:
            with self._spool.alone() as may:
                while may and (entries := self._known()):
                    for entry in entries:
                        if not self._send(entry):
                            return
        except OSError as error:  # of the spool
            self._failed(f"{self._spool.folder}: {error}", None)

    def _known(self):
        return [entry for entry in self._spool.entries() if entry.signal in self._targets]

    def _send(self, entry) -> bool:
        """Whether the next one can be sent."""
        try:
            body = entry.body()
        except FileNotFoundError:  # it gave way to newer ones
            return True
        target = self._targets[entry.signal]
        answer = target.send(body, entry.encoding)
        if answer.outcome == "later":
            self._failed(f"{target.url}: {answer.said}", answer.wait)
            return False
        if answer.outcome == "refused":
            _LOG.warning(
                "%s refused %d bytes of %s, which are dropped: %s",
                target.url,
                len(body),
                entry.signal,
                answer.said,
            )
        elif self._wait:
            _LOG.warning("telemetry is sent again to %s", target.url)
        self._wait = 0.0
        entry.remove()
        return True

    def _failed(self, why: str, wait: float | None) -> None:
        if not self._wait:
            _LOG.warning(
                "telemetry cannot be sent and waits in %s until it can: %s", self._spool.folder, why
            )
        longer = min(max(2 * self._wait, _FIRST_WAIT), _LONGEST_WAIT)
        self._wait = longer if wait is None else min(max(wait, _FIRST_WAIT), 10 * _LONGEST_WAIT)
