"""`data-platform settings`: list the settings."""

import click

from data_platform.cli import printing as out
from data_platform.cli.options import JSON
from data_platform.cli.reporting import reporting
from data_platform.settings.environment import environment_from_env, listed


@click.command()
@JSON
@reporting
def settings(as_json: bool) -> None:
    """List every setting: the value that is set, the default, what it means. Fails after that if
    the environment is unknown, which defaults depend on."""
    out.records("settings", listed(), as_json)
    environment_from_env()
