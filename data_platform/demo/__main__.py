"""`make demo`: load files into tables, and account for every row."""

import argparse
import sys
import time
from pathlib import Path

import click

from data_platform.build.platform import Platform
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.printing import STOPPING, waiting
from data_platform.contracts.errors import DeclarationError
from data_platform.databases.errors import DatabaseError
from data_platform.demo.landing import land_folder, land_generated
from data_platform.demo.outcome import print_outcome
from data_platform.demo.report import print_report
from data_platform.engine.reach import require_reachable
from data_platform.landing.arrivals.queue import QueueError
from data_platform.runs.home import prepare_home
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError
from data_platform.storage.errors import LakeError
from data_platform.telemetry.wording import counted

SEED = 2011


def main() -> None:
    try:
        _main()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="a folder of shop files, instead of generated ones"
    )
    data = parser.parse_args().data
    settings = settings_from_env()
    try:
        require_reachable(settings.spark)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    prepare_home(settings)
    landing = Platform(settings).bucket
    started = time.monotonic()
    _say(f"Landing {data or 'two months of generated, dirty shop files'} in {settings.landing_uri}")
    try:
        count = land_folder(data, landing) if data else land_generated(landing, seed=SEED)
        _say(f"{count} files are there; starting Dagster")
        unexpected = _run(settings)
        good = print_report(settings) and not unexpected
    except (DatabaseError, DeclarationError, LakeError, QueueError) as error:
        sys.exit(f"error: {error}")
    if unexpected:
        _say(f"{counted(unexpected, 'run')} failed, for the reasons above the report")
    _say(f"done in {time.monotonic() - started:.0f} s")
    sys.exit(ExitCode.DONE if good else ExitCode.FAILED)


def _run(settings: Settings) -> int:
    """Run everything that the sensors request; returns the number of runs that failed for another
    reason than held back days."""
    from data_platform.cli.declared import declarations_checked
    from data_platform.operations.repair import instance_of
    from data_platform.runs.in_process import asked_for, run_until_quiet
    from data_platform.runs.scope import Scope
    from data_platform.runs.stopping import Stop

    (tables, definitions), platform, ended = declarations_checked(), Platform(settings), []
    said = {"announce": lambda request: _say(asked_for(request)), "waiting": waiting, "by": "demo"}
    with Stop(lambda: _say(STOPPING)) as stop, instance_of(platform) as instance:
        scope = Scope(instance, platform, tables)
        for ran in run_until_quiet(definitions, scope, stop=stop, **said):
            ended.append(ran.state)
            print_outcome(ran)
        if stop.asked:
            _say("stopped; nothing is half published, and `make demo` goes on from there")
            sys.exit(stop.exit_code)
    if not ended:
        _say("nothing new landed and nothing is stale: no run was needed")
    return ended.count("failed")


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {text}", err=True)


if __name__ == "__main__":
    main()
