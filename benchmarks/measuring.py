"""Measure pairs of timings, and compare their ratio (with quartiles) with a goal."""

import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median, quantiles
from typing import Literal

import psutil

Bound = Literal["at most", "at least", "report"]
VERSIONS = ("pyspark", "pyarrow", "dagster", "pyiceberg", "duckdb", "pandera", "sqlalchemy")


@dataclass(frozen=True)
class Measurement:
    """A measure's ratios, one for each pair, and the medians of both sides.

    `ours` and `baseline` are in `unit`. A goal is missed when the lower quartile misses it.
    """

    measure: str
    name: str
    ratios: tuple[float, ...]
    ours: float
    baseline: float
    unit: str
    bound: Bound = "report"
    goal: float = 0.0
    note: str = ""

    @property
    def quartiles(self) -> tuple[float, float, float]:
        if len(self.ratios) == 1:
            only = self.ratios[0]
            return only, only, only
        low, _, high = quantiles(self.ratios, n=4, method="inclusive")
        return low, median(self.ratios), high

    @property
    def met(self) -> bool | None:
        _, middle, _ = self.quartiles
        match self.bound:
            case "at most":
                return middle <= self.goal
            case "at least":
                return middle >= self.goal
        return None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "missed", None: "reported"}[self.met]

    @property
    def goal_text(self) -> str:
        return "-" if self.bound == "report" else f"{self.bound} {self.goal:g}"

    @property
    def text(self) -> str:
        low, middle, high = self.quartiles
        return (
            f"{self.name}: {middle:.2f} ({low:.2f} to {high:.2f}, {len(self.ratios)} pairs), "
            f"goal {self.goal_text}: {self.verdict}; {self.ours:.3g} against "
            f"{self.baseline:.3g} {self.unit}" + (f"; {self.note}" if self.note else "")
        )


def of_pairs(
    measure: str,
    name: str,
    pairs: list[tuple[float, float]],
    *,
    bound: Bound = "report",
    goal: float = 0.0,
    unit: str = "s",
    note: str = "",
    rate: bool = False,
) -> Measurement:
    """From pairs (ours, baseline); `rate`: convert times to the ratio of rates."""
    ratios = tuple(base / own if rate else own / base for own, base in pairs)
    return Measurement(
        measure,
        name,
        ratios,
        median(own for own, _ in pairs),
        median(base for _, base in pairs),
        unit,
        bound,
        goal,
        note,
    )


def interleaved(
    ours: Callable[[], float], baseline: Callable[[], float], *, pairs: int, warm: bool = False
) -> list[tuple[float, float]]:
    """Alternating values of both, with alternating order. `warm` discards a first pair."""
    found = []
    for number in range(pairs + warm):
        if number % 2:
            base, own = baseline(), ours()
        else:
            own, base = ours(), baseline()
        if number or not warm:
            found.append((own, base))
            print(f"    {own:.3g} / {base:.3g}", flush=True)
    return found


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@dataclass
class Stopwatch:
    """Adds up the time spent in `with stopwatch.running():`."""

    total: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.total += time.perf_counter() - started


def machine() -> dict[str, str]:
    """The machine and versions on which the figures were taken."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    memory = psutil.virtual_memory().total / 2**30
    return {
        "machine": f"{psutil.cpu_count()} cores ({_processor()}), {memory:.0f} GB, "
        f"{platform.system()}",
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                (java.stderr.splitlines() or ["Java unknown"])[0].replace('"', ""),
                *(f"{name} {version(name)}" for name in VERSIONS),
            ]
        ),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("model name")]
        return lines[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.machine()


def as_record(found: Measurement) -> dict:
    return asdict(found)


def from_record(record: dict) -> Measurement:
    return Measurement(**{**record, "ratios": tuple(record["ratios"])})
