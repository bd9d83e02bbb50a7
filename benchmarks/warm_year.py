"""A process that loads the year again and again in one warm session, on the engine of its settings.

PySpark builds its columns for one kind of session per process, so that a year on Sail and a plain
script on Spark need two. This one loads the year for each line of its input, and answers with the
seconds that it took.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.workload import Workload
from data_platform.settings.model import CHECKOUT


@contextmanager
def warm_years(load: Workload, engine: str) -> Iterator["WarmYears"]:
    """A process that has not loaded anything yet; it ends with the block."""
    files = load.files  # made here: both processes link the same ones
    told = json.dumps(
        [str(load.data), str(files[0].parent.parent), load.quick, load.memory, engine]
    )
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.warm_year", told],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        yield WarmYears(process)
        process.stdin.close()


class WarmYears:
    """The process seen from outside."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def seconds(self) -> float:
        """Load the year once. Raises RuntimeError if the process has ended."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            raise RuntimeError("the process that loads the year has ended")
        return float(answer)


def main() -> None:
    data, work, quick, memory, engine = json.loads(sys.argv[1])
    load = Workload(Path(data), Path(work), quick=quick, memory=memory, engine=engine)
    from benchmarks.long_runs import ours, session  # after the engine is chosen

    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what libraries print is no answer
        session(load)
        for _ in sys.stdin:
            print(ours(load)[0], file=answers, flush=True)


if __name__ == "__main__":
    main()
