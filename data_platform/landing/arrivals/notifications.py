"""Parse the messages of an S3 event queue into the keys that may have changed. Pure.

An event is only a hint: it names a key, and the store is asked what is there now. Events are
duplicated, late and out of order, and a delete may concern an old version only. So the kind of
change, size, version and sequencer are not read.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

# Of S3's many events, those after which a key may hold other content, or be gone.
_CHANGES = ("ObjectCreated:", "ObjectRemoved:", "LifecycleExpiration:")
_BRIDGED_CHANGES = ("Object Created", "Object Deleted")


class PoisonMessage(ValueError):
    """A message that can never be parsed, however often it is read; the text says why."""


@dataclass(frozen=True)
class Hint:
    """A key in a bucket whose object may have changed or be gone."""

    bucket: str
    key: str


def hints(body: str) -> list[Hint]:
    """The keys named by a message's body: an S3 event, sent directly, by SNS or by EventBridge.

    Empty for S3's test event and for S3 events that change no content (tags, restores, tiers).
    Raises PoisonMessage for everything else.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PoisonMessage(f"it is not JSON: {error}") from None
    match found:
        # SNS, unless the subscription has raw delivery
        case {"Type": "Notification", "Message": str(message)}:
            return hints(message)
        case {"Type": "SubscriptionConfirmation"}:
            raise PoisonMessage("an SNS subscription waits to be confirmed; open its SubscribeURL")
        case {"Service": "Amazon S3", "Event": "s3:TestEvent"}:
            return []
        case {"source": "aws.s3", "detail-type": str(kind), "detail": detail}:
            return [_hint(detail)] if kind in _BRIDGED_CHANGES else []
        case {"Records": [_, *_] as records}:
            return [hint for record in records for hint in _of_record(record)]
        case {**fields}:
            names = ", ".join(sorted(map(str, fields))[:10])
            raise PoisonMessage(f"it is not an S3 event; its fields are: {names or 'none'}")
    raise PoisonMessage("it is not a JSON object")


def _of_record(record: Any) -> Iterator[Hint]:
    match record:
        case {"eventSource": "aws:s3", "eventName": str(name), **rest}:
            if name.removeprefix("s3:").startswith(_CHANGES):
                yield _hint(rest.get("s3"), encoded=True)
        case _:
            source = record.get("eventSource") if isinstance(record, Mapping) else None
            raise PoisonMessage(f"a record is not an S3 event; its eventSource is {source!r}")


def _hint(detail: Any, *, encoded: bool = False) -> Hint:
    """S3 encodes keys like HTML form values; EventBridge does not encode them."""
    match detail:
        case {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}} if bucket and key:
            pass
        case _:
            raise PoisonMessage("an S3 event without a bucket or a key")
    try:
        key = unquote_plus(key, errors="strict") if encoded else key
        key.encode()
    except UnicodeError as error:
        raise PoisonMessage(f"the key {key!r} is not UTF-8: {error}") from None
    if "\0" in key:
        raise PoisonMessage(f"the key {key!r} cannot be stored in a database")
    return Hint(bucket, key)
