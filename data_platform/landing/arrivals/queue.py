"""Arrivals by queue: S3's event notifications, read from SQS, recorded, and only then deleted.

A message is deleted when the ledger has what it told of. A process that is killed before leaves it
to come back when its visibility timeout is over, and recording the same again changes nothing. What
cannot be recorded is never deleted: the queue's redrive policy moves it to a dead letter queue.
What a message means is `notifications`'s; what the store holds by now, `listing.inspect` finds
out.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from data_platform.landing.arrivals.listing import Inspected, Taken, inspect
from data_platform.landing.arrivals.notifications import Hint, PoisonMessage, hints
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import Bucket
from data_platform.landing.source import Source
from data_platform.storage.object_store import split
from data_platform.telemetry.wording import counted

MOST_AT_ONCE = 10  # SQS's own limit of messages, in a receive and in a delete
BATCH = 10 * MOST_AT_ONCE  # recorded together, well within any visibility timeout

# IAM's names where they differ from the operation's.
_PERMISSIONS = {"DeleteMessageBatch": "DeleteMessage"}
_MAKE = (
    "make it: `data-platform buckets apply` makes the standard's, and prints the URL to set where "
    "DATA_PLATFORM_QUEUE is not"
)
_WAYS_OUT = {"NonExistentQueue": _MAKE, "QueueDoesNotExist": _MAKE}
_NO_LETTERS = (
    "queue {url} has no redrive policy, so what cannot be understood comes back until the queue "
    "forgets it; `data-platform buckets apply` gives the standard's queue one; for another, make a "
    "dead letter queue, and: aws sqs set-queue-attributes --queue-url {url} "
    '--attributes \'{{"RedrivePolicy": "{{\\"deadLetterTargetArn\\": \\"ARN of that queue\\", '
    '\\"maxReceiveCount\\": 10}}"}}\''
)


class QueueError(RuntimeError):
    """The queue cannot be used; the message names it and the way out. Nothing was lost."""


@dataclass
class _Tick:
    """What became of the messages so far. `poison` is a reason by the message's id."""

    messages: int = 0
    outside: int = 0
    looked: Inspected = field(default_factory=Inspected)
    poison: dict[str, str] = field(default_factory=dict)
    undeleted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class QueueIntake:
    """The queue at `url` (the setting DATA_PLATFORM_QUEUE), told of by the bucket at `place`.

    A tick takes at most `most_messages`, and begins no other batch after `most_seconds`; what is
    left waits for the next one.
    """

    url: str
    region: str
    bucket: Bucket
    place: str
    most_messages: int = 10_000
    most_seconds: float = 20.0
    clock: Callable[[], float] = time.monotonic

    @cached_property
    def client(self) -> Any:
        """boto3's; the queue's URL says where SQS is."""
        import boto3  # slow to import, and most tasks need none
        from botocore.config import Config

        at = urlsplit(self.url)
        retries: Any = {"mode": "standard", "max_attempts": 5}
        config = Config(retries=retries, connect_timeout=5, read_timeout=15)
        endpoint = f"{at.scheme}://{at.netloc}"
        return boto3.client(
            "sqs", region_name=self.region or None, endpoint_url=endpoint, config=config
        )

    def take(self, sources: Sequence[Source], ledger: Ledger, now: datetime) -> Taken:
        """Record what the messages that wait tell of, and delete them.

        Costs O(messages). A batch with an object that the store does not let us look at is the last
        one of its tick: if the store is down, the other messages need not be received for nothing.
        Raises QueueError.
        """
        tick, end = _Tick(), self.clock() + self.most_seconds
        while tick.messages < self.most_messages and self.clock() < end and not tick.looked.failed:
            batch = self._receive(min(BATCH, self.most_messages - tick.messages))
            if not batch:
                break
            self._record(batch, tick, sources, ledger, now)
        looked = tick.looked
        return Taken(
            looked.recorded,
            looked.vanished,
            tuple(self._warnings(tick)),
            messages=tick.messages,
            outside=tick.outside,
        )

    def _receive(self, most: int) -> dict[str, dict[str, Any]]:
        """Messages by their ids, as SQS gives them; often fewer than there are."""
        found: dict[str, dict[str, Any]] = {}
        for _ in range(BATCH // MOST_AT_ONCE):
            wanted = min(MOST_AT_ONCE, most - len(found))
            if wanted < 1:
                break
            # Not the queue's own time to wait: a tick takes what is there.
            asked = {"MaxNumberOfMessages": wanted, "WaitTimeSeconds": 0}
            given = self._call("receive_message", **asked).get("Messages", ())
            if not given:
                break
            # One that came back meanwhile is deleted by its newest receipt only.
            found |= {message["MessageId"]: message for message in given}
        return found

    def _record(
        self,
        batch: dict[str, dict[str, Any]],
        tick: _Tick,
        sources: Sequence[Source],
        ledger: Ledger,
        now: datetime,
    ) -> None:
        keys: dict[str, set[str]] = {}
        for id, message in batch.items():
            try:
                told = [below(self.place, hint) for hint in hints(message["Body"])]
            except PoisonMessage as error:
                tick.poison[id] = str(error)
                continue
            keys[id] = {key for key in told if key is not None}
            tick.outside += told.count(None)
        tick.messages += len(batch)
        looked = inspect(self.bucket, set().union(*keys.values()), sources, ledger, now)
        tick.looked += looked
        recorded = [id for id in keys if not keys[id] & looked.failed.keys()]
        tick.undeleted += self._delete([batch[id]["ReceiptHandle"] for id in recorded])

    def _delete(self, receipts: Sequence[str]) -> Counter[str]:
        """Forget the messages; the number of those that come back, by the reason.

        That is not an error: they are recorded, and deleted when they come again. A receipt is
        invalid when its message has come back already, or is gone.
        """
        failed: Counter[str] = Counter()
        for start in range(0, len(receipts), MOST_AT_ONCE):
            some = enumerate(receipts[start : start + MOST_AT_ONCE])
            entries = [{"Id": str(id), "ReceiptHandle": receipt} for id, receipt in some]
            answer = self._call("delete_message_batch", Entries=entries)
            failed.update(each["Code"] for each in answer.get("Failed", ()))
        return failed

    def _warnings(self, tick: _Tick) -> Iterator[str]:
        if tick.poison:
            [(id, reason), *_] = tick.poison.items()
            yield (
                f"{len(tick.poison)} messages of {self.url} cannot be understood, and are left to "
                f"its dead letter queue; the first, {id}: {reason}"
            )
            yield from self._letters_unread()
        if tick.looked.failed:
            [(key, error), *_] = tick.looked.failed.items()
            failed = counted(len(tick.looked.failed), "object")
            yield (
                f"{failed} could not be looked at; their messages come back; the first, "
                f"{self.bucket.uri(key)}: {error}"
            )
        for code, count in tick.undeleted.items():
            yield f"{count} messages were recorded, could not be deleted and come back: {code}"

    def _letters_unread(self) -> Iterator[str]:
        try:
            found = self._call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
        except QueueError as error:
            yield f"whether it has one is not known: {error}"
            return
        if not found.get("Attributes", {}).get("RedrivePolicy"):
            yield _NO_LETTERS.format(url=self.url)

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return getattr(self.client, operation)(QueueUrl=self.url, **request)
        except (BotoCoreError, ClientError) as error:
            raise _refused(self.url, error) from error


def below(place: str, hint: Hint) -> str | None:
    """The hint's key relative to the landing place, `s3://bucket/prefix`; None outside the prefix.

    PoisonMessage for another bucket: its messages are for somebody else, who may miss them.
    """
    bucket, prefix = split(place)
    if hint.bucket != bucket:
        raise PoisonMessage(
            f"it is about bucket {hint.bucket}, and DATA_PLATFORM_LANDING is {place}"
        )
    start = f"{prefix}/" if prefix else ""
    return hint.key.removeprefix(start) or None if hint.key.startswith(start) else None


def _refused(url: str, error: ClientError | BotoCoreError) -> QueueError:
    """What SQS answered, as an error that says what is missing."""
    if isinstance(error, BotoCoreError):
        return QueueError(f"queue {url} (DATA_PLATFORM_QUEUE): SQS gave no answer: {error}")
    operation = error.operation_name
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), answer.get("Message", "")
    name = code.rpartition(".")[2]
    if name.startswith("AccessDenied"):
        action = f"sqs:{_PERMISSIONS.get(operation, operation)}"
        needed = "kms:Decrypt of the queue's key" if code.startswith("KMS") else action
        return QueueError(f"queue {url} (DATA_PLATFORM_QUEUE): {operation} needs {needed}")
    way_out = f"; {_WAYS_OUT[name]}" if name in _WAYS_OUT else ""
    return QueueError(
        f"queue {url} (DATA_PLATFORM_QUEUE): {operation} failed: {code}: {message}{way_out}"
    )
