"""Creating and migrating the tables of all databases: migrate."""

import click

from data_platform.cli.audit_log import recorded
from data_platform.cli.reporting import reporting
from data_platform.settings.environment import settings_from_env


@click.command()
@reporting
def migrate() -> None:
    """Create or migrate the tables of all databases, before processes of a new version start.

    A deployment does it once, so that a failure leaves the old version running: in staging and prod
    nothing else creates or migrates the platform's tables. Not needed on one machine, where the
    first process does it. The audit trail has it once it has succeeded.
    """
    settings = settings_from_env()
    from data_platform.build.platform import Platform
    from data_platform.databases.migration import HEAD
    from data_platform.runs.instance import open_instance, upgrade_storage

    platform = Platform(settings)
    with open_instance(settings) as instance:
        ours = platform.builds.database
        before = ours.version()  # a later one is refused before Dagster's storage is changed
        upgrade_storage(instance, settings)
    click.echo(f"Dagster: {settings.dagster_database or settings.dagster_home}")
    if settings.catalog_uri != "glue":
        platform.lake.tables()
        click.echo(f"catalog: {settings.catalog_uri}")
    ours.migrate()  # last: an older version refuses tables newer than its own
    # The trail's own table may have been made just now, so a migration is not recorded before.
    with recorded(platform, "migrate", detail=f"{before or 'no tables'} to {HEAD}"):
        click.echo(f"ledger and builds: {settings.ledger_uri}, version {HEAD}")
