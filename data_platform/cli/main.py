"""The `data-platform` command: what the Dagster UI does not serve.

Every command reads or repairs state; none needs a server. `--json` prints what a script reads.
A command belongs in the module of its concern, and into COMMANDS.
"""

import atexit
import gc
import sys
from pathlib import Path

import click

from data_platform.cli.audit_log import audit_log
from data_platform.cli.backing_up import backup, relocate, restore
from data_platform.cli.buckets import buckets
from data_platform.cli.doctor import doctor
from data_platform.cli.environments import environment
from data_platform.cli.exploring import shell, try_
from data_platform.cli.finding import find
from data_platform.cli.freshness import freshness
from data_platform.cli.incidents import incidents
from data_platform.cli.landing import landing
from data_platform.cli.lineage import lineage
from data_platform.cli.metrics import metrics
from data_platform.cli.migrating import migrate
from data_platform.cli.new import new
from data_platform.cli.package import package
from data_platform.cli.policies import policies
from data_platform.cli.quarantine import quarantine
from data_platform.cli.reading import export, history, show, tables
from data_platform.cli.reporting import Suggesting
from data_platform.cli.running import held, run, stale
from data_platform.cli.settings import settings
from data_platform.cli.site import site
from data_platform.cli.sql import sql
from data_platform.cli.status import status
from data_platform.cli.upkeep import clean, drop, expire, release, rollback

# Objects made by imports are never garbage: with Python's own thresholds the collector would take a
# quarter of the time of imports, and a third of a short command's at exit.
_COLLECTED_AFTER = (100_000, 50, 100)

COMMANDS = (
    *(tables, show, sql, export, history, find, lineage),
    *(run, status, stale, held),
    *(incidents, metrics, freshness, site),
    *(new, try_, shell, doctor, settings),
    *(landing, quarantine),
    *(rollback, release, drop, expire, clean, migrate),
    environment,
    *(backup, restore, relocate),
    *(buckets, policies, package, audit_log),
)


def _freeze() -> None:
    if "duckdb" not in sys.modules:  # which reports on standard error what is not collected at exit
        gc.freeze()


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from data_platform.operations.versions import installed_version

        click.echo(f"data-platform {installed_version()}")
        context.exit()


@click.group(cls=Suggesting, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Look at and repair the platform's tables. TABLE is written silver/retail/order_lines.

    State is read from DATA_PLATFORM_HOME, by default the home of the last demo.

    \b
    Exit codes
      0    success
      1    something failed; the reason is printed
      2    invalid usage
      3    needs a human decision: partitions held back by their checks,
           landed objects that are unreadable or match no source, tables
           that are requested repeatedly with no new input (status,
           stale, held and landing exit with it if given --check)
      130  interrupted (143: terminated); run the same command again
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # as `python -m` has it: packages that DATA_PLATFORM_DOMAINS names
    gc.set_threshold(*_COLLECTED_AFTER)
    atexit.register(_freeze)


for command in COMMANDS:
    main.add_command(command)
