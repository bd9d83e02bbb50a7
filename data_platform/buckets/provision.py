"""Plan and apply: from what there is to the standard, without taking anything away."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from data_platform.buckets import actions, notification
from data_platform.buckets.account import Account, Clients
from data_platform.buckets.actions import Action
from data_platform.buckets.errors import BucketError, refused
from data_platform.buckets.full_standard import Spec, State, creation, judge
from data_platform.buckets.queue_standard import QueueSpec
from data_platform.buckets.queue_state import queue_url, read_queue
from data_platform.buckets.standard import BucketSpec
from data_platform.buckets.state import BucketState, read_state, require_unowned

NEW = BucketState(ownership=actions.OWNER_ENFORCED)
"""What a bucket that was just made has for certain; a queue has all that the standard asks."""

States = Mapping[str, State]
"""The buckets and queues that are there, by name."""


def read_states(
    clients: Clients, account: Account, specs: Sequence[Spec], own: Collection[str]
) -> States:
    """Those of `specs` that are there; `own` are the names of the account's buckets.

    Raises ForeignBucketError where another account has one of the names, BucketError where a
    permission is missing.
    """
    states: dict[str, State] = {}
    for spec in specs:
        if isinstance(spec, QueueSpec):
            if queue := read_queue(clients.sqs, account, spec.name):
                states[spec.name] = queue
        elif spec.name in own:
            states[spec.name] = read_state(clients.s3, account, spec.name)
        else:
            require_unowned(clients.s3, account, spec.name)
    return states


def plan(specs: Sequence[Spec], states: States, account: Account) -> list[Action]:
    """What `apply` does, in its order; empty where nothing is missing.

    Deviations that can only be mended by loosening something are the audit's, not the plan's.
    """
    found: list[Action] = []
    for spec in specs:
        state = states.get(spec.name)
        if state is None:
            found.append(creation(spec, account))
            if isinstance(spec, QueueSpec):
                continue
            state = NEW
        for _, deviation in judge(spec, state, account):
            if not deviation.loosens and deviation.action not in found:
                found.append(deviation.action)
    return found


def apply(
    clients: Clients,
    planned: Sequence[Action],
    announce: Callable[[Action], None] = lambda _: None,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Do what is planned; `announce` hears of each action that is done.

    A refusal does not keep the rest from being done, except of a bucket that could not be made.
    Raises BucketError with all refusals at the end.
    """
    refusals: list[str] = []
    unmade: set[str] = set()
    for action in planned:
        if action.name in unmade:
            continue
        try:
            getattr(getattr(clients, action.service), action.operation)(**action.request)
        except ClientError as error:
            refusals.append(str(refused(action.name, error, action.service)))
            if action.operation == "create_bucket":
                unmade.add(action.name)
        except BotoCoreError as error:
            refusals.append(str(refused(action.name, error, action.service)))
            break  # no answer: the next request would only wait for one, too
        else:
            announce(action)
            if action.operation == "create_queue":
                pause(clients.settling)  # the next may name it where its dead letters go
    if refusals:
        raise BucketError("\n".join(refusals))


def told_queue(clients: Clients, account: Account, landing: BucketSpec) -> str:
    """The URL of the queue that `landing` tells of its objects as the standard says; else empty:
    who reads from a queue that is told nothing sees nothing land.

    Raises BucketError where that cannot be found out.
    """
    state = read_state(clients.s3, account, landing.name)
    told = landing.tells and not notification.judge(landing, state, account)
    return queue_url(clients.sqs, account, landing.tells) if told else ""
