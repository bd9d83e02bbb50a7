"""`data-platform policies`: what each role may do, as documents for IAM."""

import re
from dataclasses import asdict
from pathlib import Path

import click

from data_platform.cli import printing as out
from data_platform.cli.reporting import Suggesting, reporting
from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import Settings
from data_platform.settings.values import SettingsError
from data_platform.telemetry.wording import unknown

ENDPOINT = "endpoint"

_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")
_ACCOUNT = click.option(
    "--account", metavar="ID", help="AWS account, if not that of the credentials at hand"
)
_KEY = click.option("--kms-key", metavar="ARN", default="", help="of buckets with SSE-KMS")


@click.group(cls=Suggesting)
def policies() -> None:
    """What each role may do in DATA_PLATFORM_ENV, as documents for IAM; nothing is sent to AWS.

    Roles: ingest, transform, serve, person, audit, upkeep; launch, where DATA_PLATFORM_SPARK names
    a service that runs jobs; `endpoint` is the policy of a VPC's gateway endpoint.
    """


@policies.command()
@click.argument("name", metavar="ROLE")
@_ACCOUNT
@_KEY
@reporting
def show(name: str, account: str | None, kms_key: str) -> None:
    """The policy of ROLE, or of the `endpoint`; several, one after the other, where one is too
    small for all tables."""
    from data_platform.buckets.policies import text

    names = _names()
    if name not in names:
        raise click.UsageError(unknown("role", name, names))
    found = _documents(name, _site(_settings(), account, kms_key))
    if not found:
        raise SettingsError(
            f"role {name} may do nothing here: it launches jobs, and DATA_PLATFORM_SPARK names no "
            "service that runs them; set it to emr-serverless:…, emr-containers:… or glue:…"
        )
    for document in found:
        click.echo(text(document), nl=False)


@policies.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--oidc-provider", metavar="ARN", help="of a cluster, for trust policies as well")
@click.option("--namespace", metavar="NAME", help="of the service accounts {project}-{role}")
@_ACCOUNT
@_KEY
@reporting
def write(
    directory: Path,
    oidc_provider: str | None,
    namespace: str | None,
    account: str | None,
    kms_key: str,
) -> None:
    """Every policy as DIR/ROLE.json, or ROLE-1.json and so on, instead of those that were there;
    with --oidc-provider and --namespace ROLE.trust.json, too."""
    from data_platform.buckets.policies import text, trust_policy
    from data_platform.buckets.roles import Role

    if bool(oidc_provider) != bool(namespace):
        raise click.UsageError("--oidc-provider and --namespace go together")
    settings = _settings()
    site = _site(settings, account, kms_key)
    found = {name: _documents(name, site) for name in _names()}
    files = {
        f"{name}-{number}.json" if len(parts) > 1 else f"{name}.json": part
        for name, parts in found.items()
        for number, part in enumerate(parts, 1)
    }
    if oidc_provider and namespace:
        for role in (each for each in Role if found[each]):
            trust = trust_policy(oidc_provider, namespace, f"{settings.project}-{role}")
            files[f"{role}.trust.json"] = trust
    directory.mkdir(parents=True, exist_ok=True)
    for file, document in files.items():
        (directory / file).write_text(text(document), "utf-8")
        click.echo(str(directory / file))
    for path in _policies_in(directory):
        if path.name not in files:  # else it would be attached with the others
            path.unlink()
            click.echo(f"{path}: deleted, no policy any more")


@policies.command("exceptions")
@_ACCOUNT
@_KEY
@_JSON
@reporting
def exceptions_command(account: str | None, kms_key: str, as_json: bool) -> None:
    """Every resource that reaches further than one table's prefix, and why."""
    from data_platform.buckets.policies import exemptions

    found = [asdict(row) for row in exemptions(_site(_settings(), account, kms_key))]
    rows = [{**row, "actions": list(row["actions"])} for row in found]
    out.records("exceptions", rows, as_json)


@policies.command()
@click.argument("service_account", metavar="SERVICE_ACCOUNT")
@click.option("--oidc-provider", metavar="ARN", required=True, help="of the cluster")
@click.option("--namespace", metavar="NAME", required=True, help="of the service account")
@reporting
def trust(service_account: str, oidc_provider: str, namespace: str) -> None:
    """The trust policy that lets a Kubernetes service account take a role (IRSA)."""
    from data_platform.buckets.policies import text, trust_policy

    click.echo(text(trust_policy(oidc_provider, namespace, service_account)), nl=False)


def _names() -> list[str]:
    from data_platform.buckets.roles import Role

    return [*Role, ENDPOINT]


def _documents(name: str, site) -> list:
    from data_platform.buckets.policies import endpoint_policy, role_policies
    from data_platform.buckets.roles import Role

    return [endpoint_policy(site)] if name == ENDPOINT else role_policies(Role(name), site)


def _policies_in(directory: Path) -> list[Path]:
    """The policies that `write` made, now or earlier, except trust policies."""
    ours = re.compile(rf"({'|'.join(_names())})(-[0-9]+)?\.json")
    return sorted(path for path in directory.iterdir() if ours.fullmatch(path.name))


def _settings() -> Settings:
    return settings_from_env(secrets=False)  # nothing here asks the database


def _site(settings: Settings, account: str | None, key: str):
    from data_platform.buckets.account import account_of, connect
    from data_platform.buckets.grants import site
    from data_platform.cli.declared import declared_tables
    from data_platform.platform_defs.table_uses import table_uses

    uses = table_uses(*declared_tables())
    if account is None:
        owner, _ = connect(settings)
    elif re.fullmatch(r"\d{12}", account):
        owner = account_of(settings, account)
    else:
        raise SettingsError(f"--account is {account!r}; write the twelve digits of an AWS account")
    return site(settings, owner, uses, key=key)
