"""The notification from raw-landing to the arrivals queue, beside other people's notifications.

S3 keeps all notifications of a bucket in one configuration and sends each event of a key to a
single topic, queue or function, and to EventBridge in addition.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from data_platform.buckets.account import Account
from data_platform.buckets.actions import Action, bucket_action
from data_platform.buckets.deviations import Deviation
from data_platform.buckets.standard import NOTIFICATION_ID, BucketSpec
from data_platform.buckets.state import BucketState

# Events after which a key may hold another object, or none; `landing/arrivals/notifications.py`
# handles them.
EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*")

# The lists of a notification configuration, with the field of their entries that has the ARN.
_TARGETS = {
    "TopicConfigurations": "TopicArn",
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}


def judge(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    """The deviation if the bucket does not notify the queue that `spec.notifies` names."""
    if not spec.notifies:
        return None
    queue = account.regional_arn("sqs", spec.notifies)
    own = [entry for entry, target in _entries(state) if target == queue]
    if len(own) == 1 and _comparable(own[0]) == _comparable(_wanted(queue)):
        return None
    rivals = sorted(t for entry, t in _entries(state) if t != queue and _rival(entry))
    fix = _action(spec, state, account, queue)
    expected = f"{spec.notifies} is notified of {', '.join(EVENTS)}"
    if rivals:
        return Deviation(
            expected,
            f"{', '.join(rivals)} is notified of them, or as {NOTIFICATION_ID}: S3 takes one only",
            fix,
            f"{', '.join(rivals)} is no longer notified; SNS or EventBridge can notify both",
        )
    return Deviation(expected, "another notification" if own else "no such notification", fix)


def _wanted(queue: str) -> dict[str, Any]:
    return {"Id": NOTIFICATION_ID, "QueueArn": queue, "Events": list(EVENTS)}


def _action(spec: BucketSpec, state: BucketState, account: Account, queue: str) -> Action:
    """Sets the whole configuration: the standard's entry and the others that S3 accepts with it."""
    kept = {
        kind: [
            entry
            for entry in state.notifications.get(kind, ())
            if entry.get(target) != queue and not _rival(entry)
        ]
        for kind, target in _TARGETS.items()
    }
    kept["QueueConfigurations"].append(_wanted(queue))
    lists = {kind: entries for kind, entries in kept.items() if entries}
    rest = {name: value for name, value in state.notifications.items() if name not in _TARGETS}
    return bucket_action(
        spec.name,
        account,
        f"notify {spec.notifies} of landed objects",
        "put_bucket_notification_configuration",
        NotificationConfiguration={**rest, **lists},
    )


def _entries(state: BucketState) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every entry with the ARN that it notifies."""
    for kind, target in _TARGETS.items():
        for entry in state.notifications.get(kind, ()):
            yield entry, str(entry.get(target))


def _rival(entry: Mapping[str, Any]) -> bool:
    """Whether an entry for another target shares an event, or the Id, with ours, which has no
    filter: S3 refuses both at once."""
    ours = tuple(event.removesuffix("*") for event in EVENTS)
    shares = any(event.startswith(ours) for event in entry.get("Events", ()))
    return shares or entry.get("Id") == NOTIFICATION_ID


def _comparable(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """An entry in a form to compare: S3 may return lists in any order, and no filter as an empty
    one."""
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return entry.get("Id"), entry.get("QueueArn"), sorted(entry.get("Events", ())), rules
