"""What a queue is read as, and what is said where it cannot be."""

import pytest
from botocore.stub import Stubber

from data_platform.buckets.errors import BucketError
from data_platform.buckets.queue_state import read_queue
from data_platform_tests.support.cloud import Cloud


def test_a_queue_that_is_not_there_is_none(cloud: Cloud) -> None:
    assert read_queue(cloud.sqs, cloud.account, "nowhere") is None


def test_a_queue_with_nothing_set_is_read_as_such(cloud: Cloud) -> None:
    cloud.sqs.create_queue(QueueName="bare", Attributes={"SqsManagedSseEnabled": "false"})

    found = read_queue(cloud.sqs, cloud.account, "bare")

    assert found and found.url.endswith("/123456789012/bare")
    assert (found.managed, found.key, found.visibility, found.retention) == (False, "", 30, 345_600)
    assert (found.policy, found.redrive, found.redrive_allow, found.tags) == ({}, {}, {}, {})


def test_a_missing_permission_is_named(cloud: Cloud) -> None:
    with Stubber(cloud.sqs) as stubbed:
        stubbed.add_client_error("get_queue_url", "AccessDenied")
        with pytest.raises(BucketError, match="queue q: GetQueueUrl needs sqs:GetQueueUrl"):
            read_queue(cloud.sqs, cloud.account, "q")


def test_an_endpoint_without_queues_is_said_to_lack_them(cloud: Cloud) -> None:
    """As an S3 store answers that is nothing else."""
    with Stubber(cloud.sqs) as stubbed:
        stubbed.add_client_error("get_queue_url", "405", "MethodNotAllowed")
        with pytest.raises(BucketError) as raised:
            read_queue(cloud.sqs, cloud.account, "q")

    said = f"does {cloud.account.endpoint} (DATA_PLATFORM_AWS_ENDPOINT) have SQS"
    assert said in str(raised.value)
