"""A run of a role's tables: `python -m data_platform_tests.buckets.role_run HOME PLACE ROLE`.

PLACE is what differs from a home whose files are in its directory, as JSON. `ingest` builds the
tables that files land for, `transform` all others. The process has the credentials of its role and
no other. It fails where a run does.
"""

import json
import sys
from pathlib import Path

from data_platform.assets import BronzeTable
from data_platform.build.platform import Platform
from data_platform.operations.repair import instance_of
from data_platform.platform_defs.assembly import definitions
from data_platform.runs.home import prepare_home
from data_platform.runs.in_process import run_until_quiet
from data_platform.runs.scope import Scope
from data_platform.settings.environment import settings_at
from data_platform_tests.support.tables import TABLES


def main(home: Path, place: dict[str, str], role: str) -> list[str]:
    """What failed."""
    tables = tuple(
        table for table in TABLES if isinstance(table, BronzeTable) == (role == "ingest")
    )
    settings = settings_at(home, **place)
    prepare_home(settings)
    platform = Platform(settings)
    with instance_of(platform) as instance:
        scope = Scope(instance, platform, tables)
        runs = list(run_until_quiet(definitions(tables, settings), scope))
    assert runs, "nothing was to be done"
    return [failure for run in runs for failure in run.failures]


if __name__ == "__main__":
    if failures := main(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]):
        sys.exit("\n".join(failures))
