"""Queue actions as data, where the server of the tests has no say."""

import json
import shlex

from data_platform.buckets import queue_actions as actions
from data_platform.buckets.account import Account
from data_platform.buckets.queue_standard import queue_specs
from data_platform.buckets.queue_state import QueueState
from data_platform.settings.model import Environment

AWS = Account("123456789012", "aws", "eu-west-1")
CHINA = Account("123456789012", "aws-cn", "cn-north-1")
DEAD, ARRIVALS = queue_specs("acme", Environment.PROD)
STATE = QueueState(url="https://sqs.eu-west-1.amazonaws.com/123456789012/acme-arrivals-prod")


def test_a_queue_is_made_with_everything_at_once() -> None:
    """It is never there without its policy."""
    request = actions.creation(ARRIVALS, AWS).request

    assert set(request["Attributes"]) == {
        "MessageRetentionPeriod",
        "Policy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    }
    assert all(isinstance(value, str) for value in request["Attributes"].values())
    assert request["tags"] == ARRIVALS.tags
    redrive = json.loads(request["Attributes"]["RedrivePolicy"])
    dead = actions.creation(DEAD, AWS).request
    assert redrive["deadLetterTargetArn"].endswith(f":{dead['QueueName']}")
    allowed = json.loads(dead["Attributes"]["RedriveAllowPolicy"])
    assert allowed["sourceQueueArns"] == [f"arn:aws:sqs:eu-west-1:{AWS.id}:{ARRIVALS.name}"]


def test_a_command_for_a_queue_is_sqss() -> None:
    words = shlex.split(actions.tags(ARRIVALS, STATE).command(AWS))

    assert words[:5] == ["aws", "sqs", "tag-queue", "--region", "eu-west-1"]
    assert json.loads(words[-1]) == {"QueueUrl": STATE.url, "Tags": ARRIVALS.tags}


def test_only_s3_may_send_for_one_bucket_of_one_account() -> None:
    statements = actions.policy_statements(ARRIVALS, AWS).values()

    [allowed] = [s for s in statements if s["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": AWS.id},
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::acme-raw-landing-prod"},
    }
    assert [s["Effect"] for s in actions.policy_statements(DEAD, AWS).values()] == ["Deny"]


def test_names_in_a_queues_policy_are_of_the_cloud_that_the_account_is_in() -> None:
    request = json.dumps(actions.creation(ARRIVALS, CHINA).request)

    assert "arn:aws:" not in request
    assert "arn:aws-cn:s3:::acme-raw-landing-prod" in request


def test_another_encryption_takes_the_place_of_a_key_where_there_is_one() -> None:
    keyed = QueueState(url=STATE.url, key="alias/aws/sqs")

    taken = actions.encryption(ARRIVALS, keyed).request["Attributes"]
    assert taken == {"SqsManagedSseEnabled": "true", "KmsMasterKeyId": ""}
    plain = actions.encryption(ARRIVALS, STATE).request["Attributes"]
    assert plain == {"SqsManagedSseEnabled": "true"}
