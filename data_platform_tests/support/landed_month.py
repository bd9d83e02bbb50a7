"""A month of files that a deployment has built, and what its tables must hold ever after."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from data_platform.demo.generator import Manifest, generate
from data_platform_tests.support.deployment import Deployment
from data_platform_tests.support.homes import BRONZE
from data_platform_tests.support.retail.whole import require_balance, require_the_rules


@dataclass
class LandedMonth:
    """`manifest` is what is known of the files in `folder` that have landed."""

    deployment: Deployment
    folder: Path
    manifest: Manifest

    @classmethod
    def land(cls, deployment: Deployment, folder: Path) -> "LandedMonth":
        """Land a month of files, and wait until the sensors' runs have built it."""
        manifest = generate(folder, seed=3, months=1)
        deployment.land(sorted((folder / "online_retail").iterdir()), folder)
        deployment.wait_until_built()
        return cls(deployment, folder, manifest)

    def land_a_day_more(self, elsewhere: Path) -> None:
        """Land the first day of the next month, generated elsewhere, and wait until it is built."""
        month = generate(elsewhere, seed=4, start=date(2011, 4, 1), months=1)
        day, counts = next(iter(month.days.items()))
        key = f"online_retail/{day}.csv"
        shutil.copy(elsewhere / key, self.folder / key)
        self.manifest = replace(self.manifest, days={**self.manifest.days, day: counts})
        self.deployment.land([self.folder / key], self.folder)
        ledger = self.deployment.platform.ledger
        self.deployment.wait_for("that it is recorded", lambda: bool(ledger.known([key])))
        self.deployment.wait_until_built()

    def days(self) -> list[str]:
        """The most days in a row that have files and are not held back: the partitions of one
        run."""
        found = {path.name[:10] for path in (self.folder / "online_retail").glob("2*.csv")}
        row, longest = [], []
        for day in sorted(found - set(map(str, self.manifest.held_back))):
            follows = row and date.fromisoformat(day) - date.fromisoformat(row[-1]) == timedelta(1)
            row = [*row, day] if follows else [day]
            longest = max(longest, row, key=len)
        return longest

    def require_right(self) -> None:
        """Every table is as an independent computation has it."""
        platform, manifest = self.deployment.platform, self.manifest
        require_balance(platform, manifest)
        require_the_rules(platform, self.folder, manifest.failed, manifest.held_back)

    @contextmanager
    def during_a_run(self) -> Iterator[dict[str, Any]]:
        """A run of some days is at work; yields its pod. Afterwards every table is right."""
        self.deployment.backfill(BRONZE, self.days())
        yield self.deployment.pod_at_work()
        self.deployment.wait_until_built()
        self.require_right()

    def run_of(self, pod: dict[str, Any]) -> dg.DagsterRun:
        """The run that a pod executes, as it is now."""
        run_id = pod["metadata"]["labels"]["dagster/run-id"]
        [run] = [run for run in self.deployment.runs() if run.run_id == run_id]
        return run
