"""Events that are lost, doubled, late and shuffled, and consumers that are killed at every step.

The queue and the daily reconciliation together miss nothing: every object is loaded exactly once,
and the reconciliation names what it repaired.
"""

import datetime as dt
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from data_platform.landing.arrivals.listing import reconcile
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.storage.object_store import split
from data_platform_tests.support.memory_bucket import SHOP, ever_landed
from data_platform_tests.support.processes.consumer import STEPS, bucket_at
from data_platform_tests.support.queues import Queue, new_queue
from data_platform_tests.support.s3_events import CREATED, PLACE, REMOVED, s3
from tools.queue_server import QueueServer
from tools.servers import S3Server

KILLED = str(-signal.SIGKILL)
# How often a step comes in the work that is done before a kill at most, where 10,000 objects land:
# there is enough for all.
MOST = {"ReceiveMessage": 40, "head": 400, "statement": 40, "commit": 15, "DeleteMessageBatch": 40}


@dataclass(frozen=True)
class World:
    """A landing place, its queue, and the ledger."""

    url: str
    landing: str
    endpoint: str
    queue: Queue

    @property
    def bucket(self) -> DirectoryBucket | S3Bucket:
        return bucket_at(self.landing, self.endpoint, self.queue.region)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.url)

    @contextmanager
    def consumer(self, what: str) -> Iterator["Consumer"]:
        """`load` or `take`."""
        at = [self.url, self.landing, self.endpoint, self.queue.url, self.queue.region]
        with subprocess.Popen(
            [sys.executable, "-m", "data_platform_tests.support.processes.consumer", what, *at],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield Consumer(process)

    def tell(self, keys: Iterable[str], name: str, random: Random, *, doubled: float) -> None:
        """Send the events, some twice, in any order."""
        place = split(self.landing if self.endpoint else PLACE)[0]
        bodies = [s3(key, name, bucket=place) for key in keys]
        bodies += random.sample(bodies, round(doubled * len(bodies)))
        random.shuffle(bodies)
        self.queue.send(bodies)

    def repaired(self) -> dict[str, str]:
        return reconcile(self.bucket, [SHOP], self.ledger, dt.datetime.now(dt.UTC)).repaired

    def loads(self) -> Counter[tuple[str, str]]:
        """How often each version of each key was loaded."""
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
            return Counter(connection.execute("select key, version from loads").fetchall())

    def count_loads(self) -> None:
        """In the transactions themselves: a killed process could not tell."""
        self.ledger.summary()  # makes the tables
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
            connection.execute("create table loads (key, version)")
            connection.execute(
                "create trigger loaded after update of state on landed_objects "
                "when new.state = 'loaded' "
                "begin insert into loads values (new.key, new.version); end"
            )
            connection.commit()

    def current(self) -> dict[str, str]:
        """The version of each key whose rows belong in bronze, all of them loaded."""
        ledger = self.ledger
        found = ledger.effective(SHOP.name, ever_landed(ledger, SHOP.name))
        entries = [entry for of_partition in found.values() for entry in of_partition]
        assert {entry.state for entry in entries} == {"loaded"}
        return {entry.key: entry.version for entry in entries if entry.available}


@dataclass(frozen=True)
class Consumer:
    process: subprocess.Popen[str]

    def work(self, step: str = "-", when: str = "-", nth: int = 0) -> str:
        """Until it is done or killed; the exit status."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{step} {when} {nth}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def drain(
    world: World, consumers: Sequence[Consumer], random: Random, *, kills: int, objects: int
) -> None:
    """Let the consumers work through the queue, and kill each so often at all kinds of steps."""
    plan = [
        (step, when)
        for step in STEPS
        for when in ("before", "after")
        if (step, when) != ("commit", "after")  # that is before the next statement
    ]
    random.shuffle(plan)

    def fate(consumer: Consumer) -> list[str]:
        chosen = [plan[n % len(plan)] for n in range(kills)]
        share = objects / 10_000 / len(consumers)
        most = {step: max(1, int(count * share)) for step, count in MOST.items()}
        return [consumer.work(*at, random.randint(1, most[at[0]])) for at in chosen]

    with ThreadPoolExecutor(len(consumers)) as pool:
        assert [*pool.map(fate, consumers)] == [[KILLED] * kills] * len(consumers)
        while not world.queue.is_empty():
            assert set(pool.map(Consumer.work, consumers)) == {"0"}
    # What the others recorded last.
    assert consumers[-1].work() == "0"


def run(world: World, consumers: Sequence[str], *, objects: int, kills: int, seed: int) -> None:
    random = Random(seed)
    world.count_loads()
    bucket = world.bucket
    keys = [f"shop/2011-03-{n % 28 + 1:02d}-{n:06d} +%.csv" for n in range(objects)]
    land(bucket, keys, "1")
    shuffled = random.sample(keys, objects)
    lost, late, told = (
        shuffled[: objects // 100],
        shuffled[objects // 100 : 3 * objects // 100],
        shuffled[3 * objects // 100 :],
    )
    changed, deleted = told[: objects // 50], told[objects // 50 : 3 * objects // 100]
    changed_unseen, deleted_unseen = changed[::10], deleted[::10]
    with ExitStack() as stack:
        working = [stack.enter_context(world.consumer(what)) for what in consumers]

        world.tell(told, CREATED, random, doubled=0.05)
        drain(world, working, random, kills=kills - kills // 4, objects=objects)

        land(bucket, changed, "22")
        delete(bucket, deleted)
        world.tell(set(changed).difference(changed_unseen), CREATED, random, doubled=0.5)
        world.tell(set(deleted).difference(deleted_unseen), REMOVED, random, doubled=0.5)
        # Few messages: whoever is killed has work, as these come back.
        drain(world, working, random, kills=0, objects=objects)

        expected = dict.fromkeys([*lost, *late], "missed")
        expected |= dict.fromkeys(changed_unseen, "changed")
        expected |= dict.fromkeys(deleted_unseen, "vanished")
        assert world.repaired() == expected

        world.tell(late, CREATED, random, doubled=0.05)
        world.tell(told[: objects // 4], CREATED, random, doubled=0)
        drain(world, working, random, kills=kills // 4, objects=objects)

    assert world.repaired() == {}
    assert world.queue.dead() == []
    current = world.current()
    assert current.keys() == {landed.key for landed in bucket.list()}
    assert current.keys() == set(keys).difference(deleted)
    assert {key for key, version in current.items() if version.startswith("2-")} == set(changed)
    loads = world.loads()
    assert set(loads.values()) == {1}
    assert loads.keys() >= set(current.items())
    # Nothing else was loaded but what was there before.
    assert {key for key, _ in loads.keys() - current.items()} == {*changed, *deleted}


def land(bucket: DirectoryBucket | S3Bucket, keys: Iterable[str], content: str) -> None:
    if isinstance(bucket, DirectoryBucket):
        for key in keys:
            (bucket.root / key).parent.mkdir(parents=True, exist_ok=True)
            (bucket.root / key).write_text(content)
        return
    client, name = bucket._store.client(), split(bucket.name)[0]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=name, Key=key, Body=content), keys))


def delete(bucket: DirectoryBucket | S3Bucket, keys: Iterable[str]) -> None:
    if isinstance(bucket, DirectoryBucket):
        for key in keys:
            (bucket.root / key).unlink()
        return
    client, name = bucket._store.client(), split(bucket.name)[0]
    for key in keys:
        client.delete_object(Bucket=name, Key=key)


@pytest.mark.parametrize("objects", [3_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_thousands_of_objects_and_twenty_killed_consumers(
    tmp_path: Path, elasticmq: QueueServer, objects: int
) -> None:
    queue = new_queue(elasticmq, visibility=2, most_receives=20)
    (tmp_path / "landing").mkdir()
    world = World(f"sqlite:///{tmp_path}/ledger.db", str(tmp_path / "landing"), "", queue)
    run(world, ["load"], objects=objects, kills=20, seed=1897)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_two_consumers_at_once_on_an_object_store(
    tmp_path: Path,
    elasticmq: QueueServer,
    versitygw: S3Server,
    seed: int,
) -> None:
    name = f"killed-consumers-{seed}"
    versitygw.client().create_bucket(Bucket=name)
    queue = new_queue(elasticmq, visibility=10, most_receives=50)
    world = World(f"sqlite:///{tmp_path}/ledger.db", f"s3://{name}", versitygw.endpoint, queue)
    run(world, ["take", "load"], objects=10_000, kills=20, seed=seed)
