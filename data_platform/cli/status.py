"""The state of the platform in one screen: status."""

import datetime as dt

import click

from data_platform.cli import printing as out
from data_platform.cli.exit_codes import ExitCode
from data_platform.cli.options import JSON, declarations, open_platform
from data_platform.cli.reporting import reporting

_COUNTS = ("published", "stale", "held", "waiting", "expired")


@click.command()
@click.option("--check", is_flag=True, help="exit with 3 if something needs a decision")
@JSON
@reporting
def status(check: bool, as_json: bool) -> None:
    """What is published, stale, held back, waiting and failed, of all tables, in one screen.

    Partitions that are stale will be built by the sensors, or by `data-platform run`; what needs a
    person is listed below the tables, with what to do.
    """
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.operations.status import status as status_of

    found = status_of(platform, tables, dt.datetime.now(dt.UTC))
    if as_json:
        out.as_json(found.values)
    else:
        columns = ("table", *_COUNTS)
        out.records("partitions", [vars(each) for each in found.tables], columns=columns)
        for line in found.lines:
            out.paragraph(line)
    if check and found.needs_attention:
        raise SystemExit(ExitCode.NEEDS_DECISION)
