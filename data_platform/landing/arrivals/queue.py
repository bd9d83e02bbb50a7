"""Read S3 event notifications from SQS, record what they report, and only then delete them.

A message is deleted once the ledger has recorded its keys. If the process is killed before that,
the message comes back when its visibility timeout ends, and recording it again changes nothing. A
message that cannot be recorded is never deleted: the queue's redrive policy moves it to a dead
letter queue. `notifications` parses messages; `listing.inspect` looks up the keys in the store.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    """The queue cannot be used; the message names it and says what to do. Nothing was lost."""


@dataclass
class _Tick:
    """What became of the messages so far. `poison` maps a message's id to the reason."""

    messages: int = 0
    outside: int = 0
    looked: Inspected = field(default_factory=Inspected)
    poison: dict[str, str] = field(default_factory=dict)
    undeleted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class QueueIntake:
    """The queue at `url` (the setting DATA_PLATFORM_QUEUE), notified by the bucket at `place`.

    A tick reads at most `most_messages`, and starts no new batch after `most_seconds`; the rest
    waits for the next tick.
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
        """boto3's SQS client; region and endpoint come from the queue's URL."""
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
        """Record the keys of the waiting messages, and delete the messages.

        Costs O(messages). The tick ends after a batch in which an object could not be looked at: if
        the store is down, receiving more messages is pointless. Raises QueueError.
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

    def waiting(self) -> int:
        """About how many messages wait, as SQS counts them. Raises QueueError."""
        name = "ApproximateNumberOfMessages"
        found = self._call("get_queue_attributes", AttributeNames=[name])
        return int(found["Attributes"][name])

    def dead_letters(self) -> tuple[str, int]:
        """The URL of its dead letter queue, and about how many messages are in it; ("", 0) if it
        has none. Raises QueueError."""
        found = self._call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
        policy = json.loads(found.get("Attributes", {}).get("RedrivePolicy", "{}"))
        *_, account, name = policy.get("deadLetterTargetArn", "::").split(":")
        if not name:
            return "", 0
        at = urlsplit(self.url)
        letters = replace(self, url=f"{at.scheme}://{at.netloc}/{account}/{name}")
        return letters.url, letters.waiting()

    def _receive(self, most: int) -> dict[str, dict[str, Any]]:
        """Messages by id; SQS often returns fewer than there are."""
        found: dict[str, dict[str, Any]] = {}
        for _ in range(BATCH // MOST_AT_ONCE):
            wanted = min(MOST_AT_ONCE, most - len(found))
            if wanted < 1:
                break
            # Overrides the queue's own wait time: a tick takes what is there.
            asked = {"MaxNumberOfMessages": wanted, "WaitTimeSeconds": 0}
            given = self._call("receive_message", **asked).get("Messages", ())
            if not given:
                break
            # A message that was redelivered can only be deleted with its newest receipt.
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
                hinted = [below(self.place, hint) for hint in hints(message["Body"])]
            except PoisonMessage as error:
                tick.poison[id] = str(error)
                continue
            keys[id] = {key for key in hinted if key is not None}
            tick.outside += hinted.count(None)
        tick.messages += len(batch)
        looked = inspect(self.bucket, set().union(*keys.values()), sources, ledger, now)
        tick.looked += looked
        recorded = [id for id in keys if not keys[id] & looked.failed.keys()]
        tick.undeleted += self._delete([batch[id]["ReceiptHandle"] for id in recorded])

    def _delete(self, receipts: Sequence[str]) -> Counter[str]:
        """Delete the messages; returns how many could not be deleted, by error code.

        That is not an error: they are recorded already, and deleted when they are redelivered. A
        receipt is invalid if its message was redelivered or is gone.
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
    """The hint's key relative to the landing place, `s3://bucket/prefix`; None if outside it.

    PoisonMessage for another bucket: someone else may be waiting for that message.
    """
    bucket, prefix = split(place)
    if hint.bucket != bucket:
        raise PoisonMessage(
            f"it is about bucket {hint.bucket}, and DATA_PLATFORM_LANDING is {place}"
        )
    start = f"{prefix}/" if prefix else ""
    return hint.key.removeprefix(start) or None if hint.key.startswith(start) else None


def _refused(url: str, error: ClientError | BotoCoreError) -> QueueError:
    """SQS's error as a QueueError that says what is missing."""
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
