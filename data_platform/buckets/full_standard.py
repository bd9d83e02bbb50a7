"""The whole standard: queues and buckets, which are planned, created and audited alike."""

from collections.abc import Iterator, Sequence

from data_platform.buckets import actions, queue_actions
from data_platform.buckets.account import Account
from data_platform.buckets.actions import Action
from data_platform.buckets.deviations import Deviation, Rule
from data_platform.buckets.queue_rules import QUEUE_RULES
from data_platform.buckets.queue_standard import QueueSpec, queue_specs
from data_platform.buckets.queue_state import QueueState
from data_platform.buckets.rules import RULES
from data_platform.buckets.standard import (
    BucketSpec,
    Purpose,
    QueuePurpose,
    TableTiers,
    bucket_specs,
)
from data_platform.buckets.state import BucketState
from data_platform.settings.model import Environment

Spec = BucketSpec | QueueSpec
State = BucketState | QueueState


def standard_specs(
    project: str, environment: Environment, tables: tuple[TableTiers, ...] = ()
) -> list[Spec]:
    """All specs of an environment, in the order of creation: queues first, since S3 checks that it
    may send to a queue before it accepts a notification."""
    return [*queue_specs(project, environment), *bucket_specs(project, environment, tables)]


def rules(purpose: Purpose | QueuePurpose) -> list[Rule]:
    """The rules for buckets, or queues, of a purpose, in the order in which to fix deviations."""
    every: Sequence[Rule] = RULES if isinstance(purpose, Purpose) else QUEUE_RULES
    return [rule for rule in every if purpose in rule.purposes]


def judge(spec: Spec, state: State, account: Account) -> Iterator[tuple[Rule, Deviation]]:
    """Every rule that a bucket or queue breaks with its deviation, in the order to fix them."""
    for rule in rules(spec.purpose):
        if broken := rule.judge(spec, state, account):
            yield rule, broken


def creation(spec: Spec, account: Account) -> Action:
    """The action that creates the bucket or queue."""
    if isinstance(spec, QueueSpec):
        return queue_actions.creation(spec, account)
    return actions.creation(spec, account)
