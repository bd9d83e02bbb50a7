"""Which run it was: find."""

from dataclasses import asdict

import click

from data_platform.cli import printing as out
from data_platform.cli.options import JSON, open_platform
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted


@click.command()
@click.argument("name", metavar="ID")
@JSON
@reporting
def find(name: str, as_json: bool) -> None:
    """The run that ID leads to, and what it built.

    ID is a run's, a trace's, a backfill's, an attempt's (`_attempt` of a rejected row, a folder of
    data files), or a snapshot's.
    """
    from data_platform.operations.finding import find as runs_of

    found = runs_of(open_platform(), name)
    if as_json:
        out.as_json([asdict(each) for each in found])
        return
    for each in found:
        out.paragraph(each.line)
        out.records(counted(len(each.built), "attempt"), each.built, counts=["rows"])
