"""What S3 says of an object, in each of the ways in which it reaches a queue."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

PLACE = "s3://landing"
CREATED, REMOVED = "ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated"


def record(key: str, name: str = CREATED, *, bucket: str = "landing") -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2011-12-10T12:00:00.000Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {
                "key": quote_plus(key),
                "size": 8,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                "sequencer": "0055AED6DCD90281E5",
            },
        },
    }


def s3(key: str, name: str = CREATED, *, bucket: str = "landing") -> str:
    """As S3 sends it, and SNS with raw delivery."""
    return json.dumps({"Records": [record(key, name, bucket=bucket)]})


def through_sns(body: str) -> str:
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:landing",
            "Subject": "Amazon S3 Notification",
            "Message": body,
            "Timestamp": "2011-12-10T12:00:00.000Z",
            "SignatureVersion": "1",
        }
    )


def bridged(key: str, kind: str = "Object Created", *, bucket: str = "landing") -> str:
    """As EventBridge sends it, where the key is as it is."""
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": kind,
            "source": "aws.s3",
            "account": "111122223333",
            "time": "2011-12-10T12:00:00Z",
            "region": "eu-west-1",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": {"key": key, "size": 5, "sequencer": "617f08299329d189"},
                "reason": "PutObject",
            },
        }
    )


TEST_EVENT = json.dumps(
    {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2011-12-10T12:00:00.000Z",
        "Bucket": "landing",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    }
)

WAYS: dict[str, Callable[[str], str]] = {
    "straight": s3,
    "sns": lambda key: through_sns(s3(key)),
    "eventbridge": bridged,
    "eventbridge, sns": lambda key: through_sns(bridged(key)),
}
