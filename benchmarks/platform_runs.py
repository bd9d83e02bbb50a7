"""Run what is due for landed files, driven as the sensors would drive it."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from benchmarks.measuring import Stopwatch
from data_platform.build.platform import Platform
from data_platform.definitions import declared
from data_platform.operations.repair import instance_of
from data_platform.platform_defs import step
from data_platform.platform_defs.assembly import definitions
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import run_until_quiet
from data_platform.runs.scope import Scope
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import Settings


def build_everything(settings: Settings, instance: dg.DagsterInstance | None = None) -> int:
    """Tick, run and check until nothing is left to do; returns the number of runs."""
    platform = Platform(settings)
    if instance is None:
        with instance_of(platform) as own:
            return build_everything(settings, own)
    runs = 0
    tables = declared().tables
    for ran in run_until_quiet(definitions(tables, settings), Scope(instance, platform, tables)):
        if not ran.success:
            raise RuntimeError(f"a run failed: {ran.failures}")
        runs += 1
    return runs


@contextmanager
def commits_timed() -> Iterator[Stopwatch]:
    """Measures the total time of the publications in the block, with all commits of each."""
    watch, publish = Stopwatch(), step.publish_step

    def timed(*args, **kwargs):
        with watch.running():
            return publish(*args, **kwargs)

    step.publish_step = timed
    try:
        yield watch
    finally:
        step.publish_step = publish


def main() -> None:
    """Build the home of the environment's settings, in a separate process."""
    settings = settings_from_env()
    prepare_home(settings)
    build_everything(settings)


if __name__ == "__main__":
    main()
