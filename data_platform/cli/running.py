"""Building what is due, and what is not as it should be: run, stale, held."""

import click

from data_platform.cli.options import JSON, open_platform
from data_platform.observability import printing as out
from data_platform.observability.commands import reporting


@click.command()
@reporting
def run() -> None:
    """Load what landed and build what is stale, here and now: what the sensors would ask for."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.drive import asked_for, run_until_quiet
    from data_platform.platform_defs.repair import instance_of

    platform, runs, failed = open_platform(), 0, 0
    said = {"announce": lambda request: click.echo(asked_for(request)), "waiting": out.waiting}
    with instance_of(platform) as instance:
        for ran in run_until_quiet(defs(), instance, platform, TABLES, **said):
            click.echo("\n".join(ran.lines))
            runs, failed = runs + 1, failed + (not ran.success)
    if not runs:
        click.echo("nothing new landed and nothing is stale: no run was needed")
    if failed:
        raise click.ClickException(f"{failed} of {runs} runs failed, for the reasons above")


@click.command()
@JSON
@reporting
def stale(as_json: bool) -> None:
    """Partitions built under an older contract, or from inputs that changed since."""
    from data_platform.definitions import TABLES, defs
    from data_platform.platform_defs.repair import stale_partitions

    defs()  # declarations that do not fit together are an answer, too
    out.records("stale partitions", stale_partitions(open_platform(), TABLES), as_json)


@click.command()
@JSON
@reporting
def held(as_json: bool) -> None:
    """Partitions held back by their checks: since when (UTC), and why."""
    from data_platform.definitions import TABLES
    from data_platform.platform_defs.repair import held_partitions

    out.records("held back partitions", held_partitions(open_platform(), TABLES), as_json)
