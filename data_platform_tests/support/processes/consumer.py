"""A process that takes arrivals from a queue and loads them, killed at a step that it is told.

Run as a module with WHAT LEDGER LANDING ENDPOINT QUEUE REGION: a line `STEP WHEN N` on its input
lets a child work until the N-th such step, before or after which it ends itself with SIGKILL;
`- - 0` lets it work until nothing is left. It answers each line with the child's exit status. WHAT
is `load`, or `take` where somebody else loads: the platform never has two runs that do.
"""

import datetime as dt
import os
import signal
import sys
import uuid
from collections import Counter
from typing import Any

from sqlalchemy import event

from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import DirectoryBucket, LandedObject
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.storage.object_store import ObjectStore
from data_platform_tests.support.memory_bucket import SHOP
from data_platform_tests.support.s3_events import PLACE

STEPS = ("ReceiveMessage", "head", "statement", "commit", "DeleteMessageBatch")
TICK = 500  # messages, then what they brought is loaded


class Killer:
    """Counts steps, and kills this process at the one it waits for."""

    def __init__(self, step: str, when: str, nth: int) -> None:
        self.fatal = (step, when, nth)
        self.done: Counter[tuple[str, str]] = Counter()

    def pass_by(self, step: str, when: str) -> None:
        self.done[step, when] += 1
        if (step, when, self.done[step, when]) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def bucket_at(landing: str, endpoint: str, region: str) -> DirectoryBucket | S3Bucket:
    if landing.startswith("s3://"):
        return S3Bucket(landing, ObjectStore(region, endpoint))
    return DirectoryBucket(landing)


def work(ledger: Ledger, queue: QueueIntake, *, loads: bool) -> None:
    """Ticks and loads, until there is nothing to do."""
    while True:
        arrived = queue.take([SHOP], ledger, dt.datetime.now(dt.UTC))
        pending = ledger.pending(SHOP.name) if loads else []
        load = str(uuid.uuid4())
        ledger.mark_loaded({entry.id: 1 for entry in pending}, load, load)
        if not (arrived.messages or pending):
            return


def watch(
    killer: Killer, ledger: Ledger, bucket: DirectoryBucket | S3Bucket, queue: QueueIntake
) -> None:
    head = bucket.head

    def watched(key: str) -> LandedObject | None:
        killer.pass_by("head", "before")
        found = head(key)
        killer.pass_by("head", "after")
        return found

    bucket.head = watched  # type: ignore[method-assign]
    engine = ledger.database.engine
    event.listen(engine, "before_cursor_execute", lambda *_: killer.pass_by("statement", "before"))
    event.listen(engine, "after_cursor_execute", lambda *_: killer.pass_by("statement", "after"))
    event.listen(engine, "commit", lambda *_: killer.pass_by("commit", "before"))

    def request(model: Any, **_: Any) -> None:
        killer.pass_by(model.name, "before")

    def answer(model: Any, **_: Any) -> None:
        killer.pass_by(model.name, "after")

    queue.client.meta.events.register("before-call.sqs", request)
    queue.client.meta.events.register("after-call.sqs", answer)


def main() -> None:
    what, url, landing, endpoint, queue_url, region = sys.argv[1:]
    for line in sys.stdin:
        step, when, nth = line.split()
        child = os.fork()
        if not child:
            bucket = bucket_at(landing, endpoint, region)
            place = landing if landing.startswith("s3://") else PLACE
            queue = QueueIntake(queue_url, region, bucket, place, most_messages=TICK)
            ledger, status = Ledger(url), 1
            try:
                watch(Killer(step, when, int(nth)), ledger, bucket, queue)
                work(ledger, queue, loads=what == "load")
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
