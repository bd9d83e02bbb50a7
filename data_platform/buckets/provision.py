"""Plan and apply the changes that bring buckets and queues up to the standard; nothing is removed
or loosened."""

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
"""The state of a bucket just created; a queue is created as the standard requires."""

States = Mapping[str, State]
"""The existing buckets and queues, by name."""


def read_states(
    clients: Clients, account: Account, specs: Sequence[Spec], own: Collection[str]
) -> States:
    """The states of those of `specs` that exist; `own` are the names of the account's buckets.

    Raises ForeignBucketError if another account has one of the names, BucketError if a permission
    is missing.
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
    """The actions that `apply` carries out, in order; empty if nothing is missing.

    Deviations that can only be fixed by loosening something are left to the audit.
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
    """Carry out the plan; calls `announce` after each action.

    If an action fails, the others are still carried out, except those of a bucket that could not
    be created. Raises BucketError with all failures at the end.
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
            break  # no answer: the next request would only wait, too
        else:
            announce(action)
            if action.operation == "create_queue":
                pause(clients.settling)  # the next queue may name it for its dead letters
    if refusals:
        raise BucketError("\n".join(refusals))


def notified_queue(clients: Clients, account: Account, landing: BucketSpec) -> str:
    """The URL of the queue that the bucket `landing` notifies according to the standard.

    Empty if it does not: readers of that queue would see nothing land. Raises BucketError if that
    cannot be determined.
    """
    state = read_state(clients.s3, account, landing.name)
    notified = landing.notifies and not notification.judge(landing, state, account)
    return queue_url(clients.sqs, account, landing.notifies) if notified else ""
