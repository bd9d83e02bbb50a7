"""Steps that are counted, and break where a test says: storage's, a catalog's, a database's."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Crash(BaseException):
    """The process dies here. No code may catch it, and what it does afterwards has no effect."""


def disk_full(step: str) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), step)


def read_only(step: str) -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS), step)


def lost_response(step: str) -> ConnectionError:
    return ConnectionError(f"no answer to {step}")


@dataclass
class Faults:
    """Counts I/O steps and raises `error` at the `at`-th; after it took effect with `after`.

    A crash lasts: every later step fails as well. So does any error with `lasting`.
    `only` counts just the steps whose name begins so.
    """

    at: int | None = None
    error: Callable[[str], BaseException] = Crash
    after: bool = False
    lasting: bool = False
    only: str = ""
    steps: list[str] = field(default_factory=list)
    raised: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def dead(self) -> bool:
        return bool(self.raised) and self.error is Crash

    def before(self, name: str) -> int:
        """Counts the step; its number, for `done`. Steps of several threads interleave."""
        if not name.startswith(self.only):
            return 0
        with self._lock:
            self.steps.append(name)
            number = len(self.steps)
        self._raise(name, number, when=not self.after)
        return number

    def done(self, name: str, number: int) -> None:
        if number:
            self._raise(name, number, when=self.after)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        number = self.before(name)
        yield
        self.done(name, number)

    def _raise(self, name: str, number: int, *, when: bool) -> None:
        due = number == self.at and when and not self.raised
        if due or self.dead or (self.raised and self.lasting and when):
            self.raised += 1
            raise self.error(name)
