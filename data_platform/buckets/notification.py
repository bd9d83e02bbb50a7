"""What raw-landing tells the queue of arrivals: a notification beside those of somebody else.

S3 keeps all notifications of a bucket in one configuration, and sends an event of a key to one
topic, queue or function only; EventBridge aside, which gets everything beside them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from data_platform.buckets.account import Account
from data_platform.buckets.actions import Action, bucket_action
from data_platform.buckets.deviations import Deviation
from data_platform.buckets.standard import NOTIFICATION_ID, BucketSpec
from data_platform.buckets.state import BucketState

# After these a key may hold something else, or nothing: `landing/arrivals/notifications.py` looks
# for them.
EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*")

# The lists of a notification configuration, with what their entries call the ARN that is told.
_TOLD = {
    "TopicConfigurations": "TopicArn",
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}


def judge(spec: BucketSpec, state: BucketState, account: Account) -> Deviation | None:
    if not spec.tells:
        return None
    queue = account.regional_arn("sqs", spec.tells)
    own = [entry for entry, told in _entries(state) if told == queue]
    if len(own) == 1 and _comparable(own[0]) == _comparable(_wanted(queue)):
        return None
    rivals = sorted(t for entry, t in _entries(state) if t != queue and _rival(entry))
    mend = _action(spec, state, account, queue)
    expected = f"{spec.tells} is told of {', '.join(EVENTS)}"
    if rivals:
        return Deviation(
            expected,
            f"{', '.join(rivals)} is told of them, or as {NOTIFICATION_ID}: S3 takes one only",
            mend,
            f"{', '.join(rivals)} is told no more; an SNS topic, or EventBridge, can tell both",
        )
    return Deviation(expected, "another notification" if own else "no such notification", mend)


def _wanted(queue: str) -> dict[str, Any]:
    return {"Id": NOTIFICATION_ID, "QueueArn": queue, "Events": list(EVENTS)}


def _action(spec: BucketSpec, state: BucketState, account: Account, queue: str) -> Action:
    """The whole configuration: the standard's own entry, and others that S3 takes beside it."""
    kept = {
        kind: [
            entry
            for entry in state.notifications.get(kind, ())
            if entry.get(told) != queue and not _rival(entry)
        ]
        for kind, told in _TOLD.items()
    }
    kept["QueueConfigurations"].append(_wanted(queue))
    lists = {kind: entries for kind, entries in kept.items() if entries}
    rest = {name: value for name, value in state.notifications.items() if name not in _TOLD}
    return bucket_action(
        spec.name,
        account,
        f"tell {spec.tells} of what lands",
        "put_bucket_notification_configuration",
        NotificationConfiguration={**rest, **lists},
    )


def _entries(state: BucketState) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every entry, with the ARN that is told."""
    for kind, told in _TOLD.items():
        for entry in state.notifications.get(kind, ()):
            yield entry, str(entry.get(told))


def _rival(entry: Mapping[str, Any]) -> bool:
    """Whether an entry that tells somebody else shares an event with ours, which has no filter, or
    its Id: S3 refuses both at once."""
    ours = tuple(event.removesuffix("*") for event in EVENTS)
    shares = any(event.startswith(ours) for event in entry.get("Events", ()))
    return shares or entry.get("Id") == NOTIFICATION_ID


def _comparable(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """S3 need not give lists back in order; no filter may come back as one without rules."""
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return entry.get("Id"), entry.get("QueueArn"), sorted(entry.get("Events", ())), rules
