"""Plan and apply: from the buckets as they are to the standard, without taking anything away."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from data_platform.buckets import actions
from data_platform.buckets.account import Account
from data_platform.buckets.actions import Action
from data_platform.buckets.errors import BucketError, refused
from data_platform.buckets.rules import judge
from data_platform.buckets.standard import BucketSpec
from data_platform.buckets.state import BucketState, read_state, require_unowned

NEW = BucketState(ownership=actions.OWNER_ENFORCED)
"""What a bucket that `creation` made has for certain."""

States = Mapping[str, BucketState]
"""The buckets that are there, by name."""


def read_states(
    client: Any, account: Account, specs: Sequence[BucketSpec], own: Collection[str]
) -> States:
    """Those of `specs` that are there; `own` are the names of the account's buckets.

    Raises ForeignBucketError where another account has one of the names, BucketError where a
    permission is missing.
    """
    states: dict[str, BucketState] = {}
    for spec in specs:
        if spec.name in own:
            states[spec.name] = read_state(client, account, spec.name)
        else:
            require_unowned(client, account, spec.name)
    return states


def plan(specs: Sequence[BucketSpec], states: States, account: Account) -> list[Action]:
    """What `apply` does, in its order; empty where nothing is missing.

    Deviations that can only be mended by loosening something are the audit's, not the plan's.
    """
    found: list[Action] = []
    for spec in specs:
        if spec.name not in states:
            found.append(actions.creation(spec, account))
        state = states.get(spec.name, NEW)
        for _, deviation in judge(spec, state, account):
            if not deviation.loosens and deviation.action not in found:
                found.append(deviation.action)
    return found


def apply(
    client: Any, planned: Sequence[Action], announce: Callable[[Action], None] = lambda _: None
) -> None:
    """Do what is planned; `announce` hears of each action that is done.

    A refusal does not keep the rest from being done, except of a bucket that could not be made.
    Raises BucketError with all refusals at the end.
    """
    refusals: list[str] = []
    unmade: set[str] = set()
    for action in planned:
        if action.bucket in unmade:
            continue
        try:
            getattr(client, action.operation)(**action.request)
        except ClientError as error:
            refusals.append(str(refused(action.bucket, error)))
            if action.operation == "create_bucket":
                unmade.add(action.bucket)
        except BotoCoreError as error:
            refusals.append(str(refused(action.bucket, error)))
            break  # no answer: the next request would only wait for one, too
        else:
            announce(action)
    if refusals:
        raise BucketError("\n".join(refusals))
