"""`data-platform buckets`: plan, apply and audit the buckets of an environment."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from data_platform.observability import printing as out
from data_platform.observability.commands import Suggesting, reporting
from data_platform.settings import Settings

_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group(cls=Suggesting)
def buckets() -> None:
    """The buckets of the project in DATA_PLATFORM_ENV, against the standard."""


@buckets.command("plan")
@_JSON
@reporting
def plan_command(as_json: bool) -> None:
    """What `apply` would do; it changes nothing."""
    _, account, planned = _planned()
    rows = [
        {"bucket": a.bucket, "change": a.change, "command": a.command(account)} for a in planned
    ]
    if as_json:
        out.as_json(rows)
        return
    for row in rows:
        click.echo(f"{row['bucket']}: {row['change']}")
    if not rows:
        click.echo("nothing to do")


@buckets.command("apply")
@reporting
def apply_command() -> None:
    """Make what is missing and mend what deviates. It never loosens; repeating it does nothing."""
    from data_platform.buckets.provision import apply

    client, _, planned = _planned()
    apply(client, planned, lambda action: click.echo(f"{action.bucket}: {action.change}: done"))
    if not planned:
        click.echo("nothing to do")


@buckets.command("audit")
@_JSON
@reporting
def audit_command(as_json: bool) -> None:
    """Every bucket with the project's prefix; fails with the command that mends each deviation."""
    from data_platform.buckets.account import connect
    from data_platform.buckets.audit import audit

    settings = Settings.from_env(secrets=False)
    account, client = connect(settings)
    found = audit(client, account, settings.project, settings.environment, _tables(settings))
    if as_json:
        out.as_json({"buckets": found.buckets, "failures": [asdict(f) for f in found.failures]})
    else:
        _print(found.failures)
    if found.failures:
        raise click.ClickException(
            f"{len(found.failures)} deviations in {len(found.buckets)} buckets"
        )
    if not as_json:
        click.echo(f"{len(found.buckets)} buckets are as the standard says")


def _print(failures: Sequence) -> None:
    # Not a table: a command that is folded into a column cannot be copied.
    for failure in failures:
        click.echo(f"{failure.bucket}: {failure.rule}: {failure.expected}; found {failure.found}")
        if failure.loosens:
            click.echo(f"  a person's choice: {failure.loosens}")
        click.echo(f"  {failure.command}")


def _planned():
    from data_platform.buckets.account import connect
    from data_platform.buckets.provision import plan, read_states
    from data_platform.buckets.standard import bucket_specs
    from data_platform.buckets.state import list_buckets

    settings = Settings.from_env(secrets=False)
    account, client = connect(settings)
    specs = bucket_specs(settings.project, settings.environment, _tables(settings))
    own = list_buckets(client, f"{settings.project}-")
    return client, account, plan(specs, read_states(client, account, specs, own), account)


def _tables(settings: Settings):
    from data_platform.buckets.tables import elsewhere, standard_tiers
    from data_platform.definitions import OTHERS, TABLES
    from data_platform.platform_defs.table_uses import table_uses

    if said := elsewhere(settings):
        click.echo(said, err=True)
    return standard_tiers(settings, table_uses(TABLES, OTHERS))
