"""Peak memory of the year's backfill and of the plain script, each with all its processes."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.measuring import Measurement, interleaved, of_pairs
from benchmarks.one_partition import process_env
from benchmarks.workload import Workload, remove
from data_platform.settings.model import CHECKOUT, Settings

_PAIRS = 3
_EVERY = 0.1  # seconds between samples, at least
_SHARE = 0.05  # of a core for sampling, at most: the kernel locks and scans all pages


def memory(load: Workload) -> list[Measurement]:
    """Proportional set sizes, which count a page that forked workers share only once."""
    pairs = interleaved(lambda: _ours(load), lambda: _plain(load), pairs=load.pairs(_PAIRS))
    name = "peak memory of the year's backfill / of the plain script"
    note = f"{load.text}, heap limit {load.memory} for both"
    return [of_pairs("memory", name, pairs, bound="at most", goal=1.2, unit="GB", note=note)]


def _ours(load: Workload) -> float:
    settings = load.home()
    found = peak(settings, ["-m", "benchmarks.platform_runs"])
    remove(settings.home)
    return found


def _plain(load: Workload) -> float:
    settings = load.home(files=[])
    landing, target = load.files[0].parent, settings.home / "plain"
    command = ["-m", "benchmarks.plain", "--landing", str(landing), "--target", str(target)]
    found = peak(settings, [*command, "--memory", load.memory])
    remove(settings.home)
    return found


def peak(settings: Settings, arguments: list[str]) -> float:
    """Gigabytes at the highest sample while the process runs."""
    root, most = _started(settings, arguments), 0
    while root.poll() is None:
        before = time.process_time()
        most = max(most, _pss(root))
        time.sleep(max(_EVERY, (time.process_time() - before) / _SHARE))
    _require_success(root, settings, arguments)
    return most / 2**30


def _started(settings: Settings, arguments: list[str]) -> psutil.Popen:
    with _log(settings).open("w") as output:
        return psutil.Popen(
            [sys.executable, *arguments],
            env=process_env(settings),
            cwd=CHECKOUT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _require_success(process: psutil.Popen, settings: Settings, arguments: list[str]) -> None:
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{_log(settings).read_text()[-4000:]}")


def _log(settings: Settings) -> Path:
    return settings.home / "log"


def _pss(root: psutil.Process) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total
