"""What raw-landing tells whom: the standard's notification beside those of others."""

from typing import Any

import pytest

from data_platform.buckets import notification
from data_platform.buckets.account import Account
from data_platform.buckets.deviations import Deviation
from data_platform.buckets.notification import EVENTS
from data_platform.buckets.standard import Purpose, bucket_specs
from data_platform.buckets.state import BucketState
from data_platform.landing.arrivals.notifications import Hint, hints
from data_platform.settings.model import Environment
from data_platform_tests.support.s3_events import s3

AWS = Account("123456789012", "aws", "eu-west-1")
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:acme-arrivals-prod"
OURS = {"Id": "data-platform", "QueueArn": QUEUE, "Events": list(EVENTS)}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:restored"
RESTORED = {"Id": "theirs", "TopicArn": TOPIC, "Events": ["s3:ObjectRestore:*"]}
FUNCTION = {
    "Id": "tagged",
    "LambdaFunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
    "Events": ["s3:ObjectTagging:*"],
    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "x/"}]}},
}
ALL_OF_OTHERS = {
    "TopicConfigurations": [RESTORED],
    "LambdaFunctionConfigurations": [FUNCTION],
    "QueueConfigurations": [{**RESTORED, "Id": "q", "TopicArn": None, "QueueArn": f"{QUEUE}-2"}],
    "EventBridgeConfiguration": {},
}


def judged(notifications: dict[str, Any]) -> Deviation | None:
    specs = bucket_specs("acme", Environment.PROD)
    [landing] = [spec for spec in specs if spec.purpose is Purpose.RAW_LANDING]
    return notification.judge(landing, BucketState(notifications=notifications), AWS)


def fixed(notifications: dict[str, Any]) -> dict[str, Any]:
    found = judged(notifications)
    assert found
    return found.action.request["NotificationConfiguration"]


@pytest.mark.parametrize("event", EVENTS)
def test_nothing_is_told_that_landing_does_not_look_for(event: str) -> None:
    name = event.removeprefix("s3:").replace("*", "Anything")

    assert hints(s3("a.csv", name)) == [Hint("landing", "a.csv")]


def test_a_bucket_that_tells_nobody_tells_the_queue_from_then_on() -> None:
    found = judged({})

    assert found and found.found == "no such notification" and not found.loosens
    assert fixed({}) == {"QueueConfigurations": [OURS]}
    assert judged(fixed({})) is None


def test_what_others_are_told_of_stays_eventbridge_included() -> None:
    after = fixed(ALL_OF_OTHERS)

    assert after == {
        **ALL_OF_OTHERS,
        "QueueConfigurations": [*ALL_OF_OTHERS["QueueConfigurations"], OURS],
    }
    assert judged(after) is None


@pytest.mark.parametrize(
    "change",
    [
        {"Id": "by-hand"},
        {"Events": ["s3:ObjectCreated:*"]},
        {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}},
    ],
)
def test_what_tells_our_queue_is_set_right(change: dict[str, Any]) -> None:
    there = {"QueueConfigurations": [{**OURS, **change}]}
    found = judged(there)

    assert found and found.found == "another notification" and not found.loosens
    assert fixed(there) == {"QueueConfigurations": [OURS]}


@pytest.mark.parametrize("events", [list(EVENTS), ["s3:ObjectRestore:*"]])
def test_whom_somebody_else_tells_in_our_name_is_a_persons_choice(events: list[str]) -> None:
    """S3 refuses two of one Id, and what the entry tells may be missed."""
    theirs = {"Id": "data-platform", "TopicArn": TOPIC, "Events": events}
    there = {"TopicConfigurations": [theirs]}
    found = judged(there)

    assert found and found.loosens.startswith(f"{TOPIC} is no longer notified")
    assert fixed(there) == {"QueueConfigurations": [OURS]}


def test_as_s3_gives_it_back_it_is_no_deviation() -> None:
    """In another order, and with a filter that filters nothing."""
    given = {**OURS, "Events": EVENTS[::-1], "Filter": {"Key": {"FilterRules": []}}}

    assert judged({"QueueConfigurations": [given]}) is None


@pytest.mark.parametrize("event", ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"])
def test_an_event_that_somebody_else_is_told_of_is_a_persons_choice(event: str) -> None:
    """S3 refuses two that share one."""
    rival = {**RESTORED, "Events": ["s3:ObjectAcl:Put", event]}
    there = {**ALL_OF_OTHERS, "TopicConfigurations": [RESTORED, rival]}
    found = judged(there)

    assert found and found.found.startswith(f"{TOPIC} is notified of them")
    assert found.loosens == f"{TOPIC} is no longer notified; SNS or EventBridge can notify both"
    assert fixed(there)["TopicConfigurations"] == [RESTORED]


def test_nothing_is_asked_of_other_buckets_or_of_another_environments() -> None:
    here = bucket_specs("acme", Environment.PROD)
    there = bucket_specs("acme", Environment.PROD, notifies=False)

    assert {spec.purpose for spec in here if spec.notifies} == {Purpose.RAW_LANDING}
    assert all(notification.judge(spec, BucketState(), AWS) is None for spec in there)
