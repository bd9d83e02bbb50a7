"""Send the store's events of the landing bucket to the queue, as S3 does by itself.

The store posts each event once, and waits three seconds for the answer: an event that is lost is
found by the platform's nightly reconciliation, which lists the bucket. Settings: LANDING_BUCKET,
QUEUE_URL, and AWS's own.
"""

import json
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

PORT = 8000


def of_bucket(event: Any, bucket: str) -> Iterator[dict[str, Any]]:
    """The records of an event that are about the bucket; of the store's test event, none."""
    for record in event.get("Records") or ():
        if record["s3"]["bucket"]["name"] == bucket:
            yield record


class Handler(BaseHTTPRequestHandler):
    """Answers a POST once the queue has the event, and a GET for health checks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200
        try:
            if records := [*of_bucket(json.loads(body), os.environ["LANDING_BUCKET"])]:
                queue.send_message(
                    QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps({"Records": records})
                )
        except (BotoCoreError, ClientError, ValueError, KeyError) as error:
            print(f"error: an event was not sent on: {error!r}: {body!r}", file=sys.stderr)
            status = 502
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    queue = boto3.client("sqs", endpoint_url=os.environ["QUEUE_URL"])
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
