"""Queues with dead letter queues on a real server, as tests use them."""

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.landing.places.objects import Bucket
from data_platform_tests.support.s3_events import PLACE
from tools.queue_server import QueueServer

PATIENCE = 60  # seconds for what will happen, on a busy machine
MOST_RECEIVES = 3


@dataclass(frozen=True)
class Queue:
    """A queue, and where its poison goes."""

    client: Any
    region: str
    url: str
    letters: str

    def send(self, bodies: Iterable[str]) -> None:
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        for start in range(0, len(entries), 10):
            sent = self.client.send_message_batch(
                QueueUrl=self.url, Entries=entries[start : start + 10]
            )
            assert "Failed" not in sent

    def intake(self, bucket: Bucket, **limits: Any) -> QueueIntake:
        return QueueIntake(self.url, self.region, bucket, PLACE, **limits)

    def counts(self) -> tuple[int, int]:
        """Messages that wait, and those that were received and neither deleted nor back yet."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        waiting, in_flight = (int(found["Attributes"][name]) for name in names)
        return waiting, in_flight

    def is_empty(self) -> bool:
        return self.counts() == (0, 0)

    def dead(self) -> list[str]:
        """The bodies in the dead letter queue, which is empty then."""
        found: list[str] = []
        while given := self.client.receive_message(
            QueueUrl=self.letters, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages"):
            found += [message["Body"] for message in given]
        return found


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def new_queue(
    server: QueueServer, *, visibility: int = 30, most_receives: int | None = MOST_RECEIVES
) -> Queue:
    """`visibility` in seconds; `most_receives` None for a queue without dead letter queue."""
    client = server.client()
    name = uuid.uuid4().hex
    letters = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])
    redrive = {
        "deadLetterTargetArn": found["Attributes"]["QueueArn"],
        "maxReceiveCount": most_receives,
    }
    attributes = {"VisibilityTimeout": str(visibility)}
    if most_receives:
        attributes["RedrivePolicy"] = json.dumps(redrive)
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return Queue(client, server.region, url, letters)


@pytest.fixture
def queue(elasticmq: QueueServer) -> Queue:
    return new_queue(elasticmq)


@pytest.fixture
def quick_queue(elasticmq: QueueServer) -> Queue:
    """What was received and not deleted comes back after a second."""
    return new_queue(elasticmq, visibility=1)
