"""Creating and migrating the tables of all databases: migrate."""

import click

from data_platform.cli.audit_log import recorded
from data_platform.cli.reporting import reporting
from data_platform.settings.environment import settings_from_env


@click.command()
@reporting
def migrate() -> None:
    """Create or migrate the tables of all databases, before processes of a new version start.

    Not needed on one machine, where the first process does it; a deployment does it once, so that
    a failure leaves the old version running.
    """
    settings = settings_from_env()
    from data_platform.build.platform import Platform
    from data_platform.runs.instance import open_instance, upgrade_storage

    with open_instance(settings) as instance:
        upgrade_storage(instance, settings)
    click.echo(f"Dagster: {settings.dagster_database or settings.dagster_home}")
    platform = Platform(settings)
    with recorded(platform, "migrate"):  # which migrates the ledger's database
        platform.ledger.summary()
    click.echo(f"ledger and builds: {settings.ledger_uri}")
    if settings.catalog_uri != "glue":
        platform.lake.tables()
        click.echo(f"catalog: {settings.catalog_uri}")
