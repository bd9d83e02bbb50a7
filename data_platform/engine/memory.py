"""How much memory an engine has used: this process with those that it started, such as Spark's JVM
and the Python workers."""

import resource
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from os import getpid
from pathlib import Path

_PROC = Path("/proc")
_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024  # bytes of a unit of ru_maxrss
_PARENT = 1  # in `stat`, after the name, which may have blanks


def peak_bytes() -> int:
    """The sum of the most resident memory that each of these processes has had; of this process
    alone where there is no `/proc`."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _OF_MAXRSS
    return own + sum(map(_peak_of, _started_by(getpid())))


def _started_by(parent: int) -> Iterator[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError, IndexError):  # it has ended
            after_name = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            children[int(after_name[_PARENT])].append(int(folder.name))
    waiting = children[parent]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children[pid]


def _peak_of(pid: int) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_bytes().splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
