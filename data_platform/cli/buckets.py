"""`data-platform buckets`: plan, apply and audit the buckets and queues of an environment."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from data_platform.cli import printing as out
from data_platform.cli.reporting import Suggesting, reporting
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import Settings
from data_platform.telemetry.wording import counted

_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group(cls=Suggesting)
def buckets() -> None:
    """The buckets of the project in DATA_PLATFORM_ENV, and its queue, against the standard."""


@buckets.command("plan")
@_JSON
@reporting
def plan_command(as_json: bool) -> None:
    """Print what `apply` would do; changes nothing."""
    settings = settings_from_env(secrets=False)
    account, clients = _connect(settings)
    planned = _planned(settings, account, clients)
    rows = [{"name": a.name, "change": a.change, "command": a.command(account)} for a in planned]
    if as_json:
        out.as_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']}: {row['change']}")
    if not rows:
        click.echo("nothing to do")


@buckets.command("apply")
@reporting
def apply_command() -> None:
    """Create what is missing and fix what deviates. Never loosens anything; idempotent."""
    from data_platform.buckets.provision import apply
    from data_platform.buckets.unmanaged import unmanaged_landing

    settings = settings_from_env(secrets=False)
    account, clients = _connect(settings)
    planned = _planned(settings, account, clients)
    apply(clients, planned, lambda action: click.echo(f"{action.name}: {action.change}: done"))
    if not planned:
        click.echo("nothing to do")
    if not settings.queue_url and not unmanaged_landing(settings):
        click.echo(_queue_setting(settings, account, clients))


@buckets.command("audit")
@_JSON
@reporting
def audit_command(as_json: bool) -> None:
    """Check every bucket with the project's prefix; fails and prints the fix if any deviates."""
    from data_platform.buckets.audit import audit

    settings = settings_from_env(secrets=False)
    account, clients = _connect(settings)
    found = audit(
        clients, account, settings.project, settings.environment, _tables(settings, account)
    )
    if as_json:
        out.as_json(asdict(found))
    else:
        _print(found.failures)
    looked_at = f"{counted(len(found.buckets), 'bucket')} and {counted(len(found.queues), 'queue')}"
    if found.failures:
        raise click.ClickException(f"{counted(len(found.failures), 'deviation')} in {looked_at}")
    if not as_json:
        click.echo(f"{looked_at} meet the standard")


def _print(failures: Sequence) -> None:
    # Not a table: a command that is folded into a column cannot be copied.
    for failure in failures:
        click.echo(f"{failure.name}: {failure.rule}: {failure.expected}; found {failure.found}")
        if failure.loosens:
            click.echo(f"  needs a human decision: {failure.loosens}")
        click.echo(f"  {failure.command}")


def _connect(settings: Settings):
    from data_platform.buckets.account import connect
    from data_platform.cli.declared import declared_tables

    declared_tables()  # what is wrong in them is said before anybody is asked for anything
    return connect(settings)


def _planned(settings: Settings, account, clients):
    from data_platform.buckets.full_standard import standard_specs
    from data_platform.buckets.provision import plan, read_states
    from data_platform.buckets.state import list_buckets

    specs = standard_specs(settings.project, settings.environment, _tables(settings, account))
    own = list_buckets(clients.s3, f"{settings.project}-")
    return plan(specs, read_states(clients, account, specs, own), account)


def _queue_setting(settings: Settings, account, clients) -> str:
    from data_platform.buckets.provision import notified_queue
    from data_platform.buckets.standard import Purpose, bucket_specs

    specs = bucket_specs(settings.project, settings.environment)
    [landing] = [spec for spec in specs if spec.purpose is Purpose.RAW_LANDING]
    if url := notified_queue(clients, account, landing):
        return f"notifications of {landing.name} go to DATA_PLATFORM_QUEUE={url}"
    return (
        f"{landing.name} does not notify {landing.notifies} yet: "
        "`data-platform buckets audit` says why"
    )


def _tables(settings: Settings, account):
    from data_platform.buckets.tables import standard_tiers
    from data_platform.buckets.unmanaged import unmanaged_places
    from data_platform.cli.declared import declared_tables
    from data_platform.platform_defs.table_uses import table_uses

    for said in unmanaged_places(settings, account).values():
        click.echo(said, err=True)
    return standard_tiers(settings, table_uses(*declared_tables()))
