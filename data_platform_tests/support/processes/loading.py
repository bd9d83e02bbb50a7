"""A process that loads tables of the checkout, and can be killed at work.

`python -m data_platform_tests.support.processes.loading HOME PLACE TABLE...`: PLACE is what
differs from a home whose files are in its directory, as JSON, and `spark` if the engine does. It
says "ready" once it is, and again after each line of its input, for which it does everything that
the sensors would ask for of the tables: so that it is killed at work and not at its imports, and
can load again without another session's start. What failed is on its standard error, and its status
says so in the end.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.operations.repair import instance_of
from data_platform.platform_defs.assembly import definitions
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import run_until_quiet
from data_platform.runs.scope import Scope
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform_tests.support.tables import TABLES


def load(home: Path, place: dict[str, str], tables: Sequence[Table]) -> list[str]:
    """What failed."""
    fields: dict[str, Any] = dict(place)
    if "spark" in fields:
        fields["spark"] = Engine(fields["spark"])
    settings = settings_at(home, **fields)
    prepare_home(settings)
    platform = Platform(settings)
    with instance_of(platform) as instance:
        scope = Scope(instance, platform, tuple(tables))
        runs = list(run_until_quiet(definitions(tables, settings), scope))
    if not runs:
        return ["nothing was to be done"]
    return [failure for run in runs for failure in run.failures]


def main(home: str, place: str, *names: str) -> int:
    tables = [table for table in TABLES if str(table.id) in names]
    status = 0
    print("ready", flush=True)
    for _ in sys.stdin:
        for failure in load(Path(home), json.loads(place), tables):
            print(failure, file=sys.stderr)
            status = 1
        print("ready", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
