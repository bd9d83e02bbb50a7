"""A process that loads a home: `python -m data_platform_tests.soak.pipeline HOME TABLES PLACE`.

PLACE is what differs from a home whose files are in its directory, as JSON.

It says "ready" and loads for each line that it reads, so that it can be killed at work and not at
its imports, and can load again without another session's start.
"""

import json
import sys
from pathlib import Path

from data_platform.build.platform import Platform
from data_platform.operations.repair import instance_of
from data_platform.platform_defs.assembly import definitions
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import run_until_quiet
from data_platform.runs.scope import Scope
from data_platform.settings.environment import settings_at
from data_platform_tests.support.tables import TABLES


def load(home: Path, count: int, place: dict[str, str]) -> None:
    """Everything the sensors ask for of the first `count` tables."""
    tables = TABLES[:count]
    settings = settings_at(home, **place)
    prepare_home(settings)
    platform = Platform(settings)
    with instance_of(platform) as instance:
        scope = Scope(instance, platform, tables)
        runs = list(run_until_quiet(definitions(tables, settings), scope))
    for failure in (failure for run in runs for failure in run.failures):
        print(failure, file=sys.stderr)


if __name__ == "__main__":
    print("ready", flush=True)
    for _ in sys.stdin:
        load(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
        print("ready", flush=True)
