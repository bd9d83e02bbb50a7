"""The audit: every bucket with the project's prefix, and the queues, against the standard."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_platform.buckets import actions
from data_platform.buckets.account import Account, Clients
from data_platform.buckets.full_standard import Spec, judge, rules, standard_specs
from data_platform.buckets.provision import States, read_states
from data_platform.buckets.queue_standard import QueueSpec
from data_platform.buckets.standard import Purpose, QueuePurpose, TableTiers, bucket_specs
from data_platform.buckets.state import list_buckets
from data_platform.settings.model import Environment

EXISTS = "exists"
UNEXPECTED = "unexpected"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A rule that the bucket or queue `name` breaks, and the `command` that fixes it.

    `purpose` is None for a bucket that is not in the standard. `loosens` says what the command
    takes away, if anything: `apply` does not run such a command.
    """

    rule: str
    name: str
    purpose: Purpose | QueuePurpose | None
    expected: str
    found: str
    command: str
    loosens: str = ""


@dataclass(frozen=True)
class Audit:
    """An audit's result. `buckets` and `queues`: all that were checked or missing, by name."""

    buckets: tuple[str, ...]
    queues: tuple[str, ...]
    failures: tuple[Failure, ...]


def rules_of(purpose: Purpose | QueuePurpose) -> dict[str, str]:
    """Name and description of every rule for buckets, or queues, of a purpose."""
    kind = "bucket" if isinstance(purpose, Purpose) else "queue"
    own = {rule.name: rule.description for rule in rules(purpose)}
    return {EXISTS: f"The {kind} is there.", **own}


def audit(
    clients: Clients,
    account: Account,
    project: str,
    environment: Environment,
    tables: tuple[TableTiers, ...] = (),
) -> Audit:
    """Check the environment's two queues and five buckets, existing or not, and every other bucket
    of the account with the project's prefix. Buckets of other environments are held to the same
    rules, except those of tables and of the queue, which only their own deployments know.

    Raises BucketError if something may not be read: what could not be checked has not passed.
    """
    names = list_buckets(clients.s3, f"{project}-")
    specs = _specs(names, project, environment, tables)
    states = read_states(clients, account, specs, names)
    return compare(specs, states, names, account)


def compare(specs: Sequence[Spec], states: States, names: Sequence[str], account: Account) -> Audit:
    """The audit of what was read; `names` are the account's buckets with the project's prefix."""
    failures = [failure for spec in specs for failure in _failures(spec, states, account)]
    queues = {spec.name for spec in specs if isinstance(spec, QueueSpec)}
    expected = {spec.name for spec in specs} - queues
    for name in sorted(set(names) - expected):
        failures.append(
            Failure(
                rule=UNEXPECTED,
                name=name,
                purpose=None,
                expected="no bucket of this name",
                found="it is not in the standard",
                command=actions.deletion(name, account).command(account),
                loosens="the bucket is deleted, if it is empty",
            )
        )
    return Audit(tuple(sorted({*expected, *names})), tuple(sorted(queues)), tuple(failures))


def _specs(
    names: Sequence[str],
    project: str,
    environment: Environment,
    tables: tuple[TableTiers, ...],
) -> list[Spec]:
    others = [other for other in Environment if other is not environment]
    there = [
        spec
        for other in others
        for spec in bucket_specs(project, other, tables=None, notifies=False)
        if spec.name in names
    ]
    return [*standard_specs(project, environment, tables), *there]


def _failures(spec: Spec, states: States, account: Account) -> list[Failure]:
    if spec.name not in states:
        kind = "queue" if isinstance(spec, QueueSpec) else "bucket"
        return [
            Failure(
                rule=EXISTS,
                name=spec.name,
                purpose=spec.purpose,
                expected=f"a {kind} for {spec.standard.holds}",
                found=f"no such {kind}",
                command=_apply(spec, account),
            )
        ]
    return [
        Failure(
            rule=rule.name,
            name=spec.name,
            purpose=spec.purpose,
            expected=deviation.expected,
            found=deviation.found,
            command=deviation.action.command(account),
            loosens=deviation.loosens,
        )
        for rule, deviation in judge(spec, states[spec.name], account)
    ]


def _apply(spec: Spec, account: Account) -> str:
    # A command that only creates the bucket would leave it unconfigured.
    settings = {
        "ENV": spec.environment,
        "PROJECT": spec.project,
        "AWS_REGION": account.region,
        **({"AWS_ENDPOINT": account.endpoint} if account.endpoint else {}),
    }
    given = " ".join(f"DATA_PLATFORM_{name}={value}" for name, value in settings.items())
    return f"{given} data-platform buckets apply"
