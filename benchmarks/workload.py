"""The landed files that benchmarks load, and homes to load them into."""

import csv
import dataclasses
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from data_platform.demo.generator import generate
from data_platform.runs.home import prepare_home
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.settings.model import CHECKOUT, Environment, Settings

DEFAULT_DATA = CHECKOUT.parent / "shared" / "data" / "online_retail"
ENOUGH = 250 << 20  # bytes of input
PREFIX = "online_retail"
# Invoice numbers are six digits, from 536365 to 581587: each copy of the data gets its own, so
# that its rows are another shop's and no repeats of the first one's.
_INVOICE = re.compile(rb"^(C?)(\d{6}),", re.MULTILINE)
_STEP = 60_000
_MOST_COPIES = 7


@dataclass(frozen=True)
class Workload:
    """The source of the files, the amount of data, and a directory to work in.

    `quick` only tries the benchmarks: ten files, one copy, one pair of everything.
    """

    data: Path
    work: Path
    quick: bool = False
    memory: str = "4g"
    engine: str = "local[*]"

    def pairs(self, many: int) -> int:
        return 1 if self.quick else many

    @cached_property
    def files(self) -> list[Path]:
        """One file per day, with as many copies of the data as make the input large enough."""
        target = self.work / "landed"
        present = sorted(target.glob("*.csv"))
        if present:
            return present
        target.mkdir(parents=True)
        sources = sorted(self._source().glob("[0-9]*.csv"))[: 10 if self.quick else None]
        size = sum(path.stat().st_size for path in sources)
        copies = 1 if self.quick else min(-(-ENOUGH // size), _MOST_COPIES)
        for path in sources:
            header, _, rows = path.read_bytes().partition(b"\n")
            with (target / path.name).open("wb") as file:
                file.write(header + b"\n")
                for copy in range(copies):
                    file.write(_renumbered(rows, copy))
        return sorted(target.glob("*.csv"))

    def _source(self) -> Path:
        if self.data.is_dir():
            return self.data
        print(f"{self.data} does not exist: using a year of generated files")
        folder = self.work / "generated"
        generate(folder, seed=2011, start=date(2010, 12, 1), months=12)
        for path in (folder / PREFIX).iterdir():
            if not is_plain(path):  # the baselines support nothing else
                path.unlink()
        return folder / PREFIX

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)

    @property
    def text(self) -> str:
        return f"{len(self.files)} files, {self.bytes >> 20} MB"

    def home(self, *, files: list[Path] | None = None) -> Settings:
        """A new home with these files landed (all of them), as hard links."""
        home = Path(tempfile.mkdtemp(dir=self.work, prefix="home-"))
        settings = self.settings(home)
        prepare_home(settings)
        self.land(settings, self.files if files is None else files)
        return settings

    def settings(self, home: Path) -> Settings:
        """Settings as on a laptop: every core, the default compiler, the same heap for all."""
        return dataclasses.replace(
            settings_at(home),
            environment=Environment.LOCAL,
            spark=Engine(self.engine),
            spark_memory=self.memory,
        )

    def land(self, settings: Settings, files: list[Path]) -> None:
        landing = Path(settings.landing_uri.removeprefix("file://")) / PREFIX
        landing.mkdir(parents=True, exist_ok=True)
        for path in files:
            os.link(path, landing / path.name)

    def folder(self) -> Path:
        """A new directory for a baseline's tables."""
        return Path(tempfile.mkdtemp(dir=self.work, prefix="plain-"))


def is_plain(path: Path) -> bool:
    """Whether a file is CSV in UTF-8, with all rows as wide as the header."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return len({len(row) for row in csv.reader(file, strict=True)}) == 1
    except (UnicodeDecodeError, csv.Error):
        return False


def _renumbered(rows: bytes, copy: int) -> bytes:
    if not copy:
        return rows if rows.endswith(b"\n") else rows + b"\n"
    return _INVOICE.sub(
        lambda found: b"%s%d," % (found[1], int(found[2]) + copy * _STEP), _renumbered(rows, 0)
    )


def remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
