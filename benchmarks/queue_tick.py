"""A sensor tick with a queue: ten messages, with few and with many old objects."""

import json
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measurement, interleaved, of_pairs
from benchmarks.sensor_tick import PER_DAY, SHOP, Shop
from benchmarks.store import environment
from benchmarks.workload import Workload, remove
from data_platform.landing.arrivals.queue import QueueIntake
from tools.queue_server import QueueServer, elasticmq
from tools.servers import Key

_PAIRS = 15


class QueuedShop(Shop):
    """A shop whose bucket notifies an SQS queue of new objects."""

    def __init__(self, folder: Path, objects: int, server: QueueServer) -> None:
        super().__init__(folder, objects)
        self._server, self._name = server, f"arrivals-{objects}"

    @cached_property
    def _client(self) -> Any:
        return self._server.client()

    @cached_property
    def _url(self) -> str:
        return self._client.create_queue(QueueName=self._name)["QueueUrl"]

    def _land(self) -> None:
        super()._land()
        entries = [
            {"Id": str(number), "MessageBody": json.dumps({"Records": [self._record(key)]})}
            for number, key in enumerate(self.bucket.keys[-PER_DAY:])
        ]
        assert "Failed" not in self._client.send_message_batch(QueueUrl=self._url, Entries=entries)

    def _record(self, key: str) -> dict[str, Any]:
        s3 = {"bucket": {"name": self.bucket.name}, "object": {"key": key}}
        return {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}

    @cached_property
    def _queue(self) -> QueueIntake:
        place = f"s3://{self.bucket.name}"
        return QueueIntake(self._url, self._server.region, self.bucket, place)

    def _take(self, now: datetime) -> None:
        arrived = self._queue.take([SHOP], self.ledger, now)
        assert (arrived.messages, arrived.warnings) == (PER_DAY, ()), arrived


def queue_tick(load: Workload) -> list[Measurement]:
    """From the waiting messages to the requested run; the queue is on a real server."""
    many, few = (10_000, 1_000) if load.quick else (1_000_000, 1_000)
    folder = load.folder()
    with elasticmq(folder / "queue") as server, environment(Key.random().environment):
        large, small = (QueuedShop(folder, count, server) for count in (many, few))
        pairs = interleaved(large.tick, small.tick, pairs=load.pairs(_PAIRS), warm=True)
    remove(folder)
    name = f"queue sensor tick, {PER_DAY} messages beside {many:,} known objects / beside {few:,}"
    return [of_pairs("queue_tick", name, pairs, bound="at most", goal=2.0)]
