"""Arrivals by queue, against a real one."""

from collections import Counter
from pathlib import Path
from threading import Lock

import pytest
from sqlalchemy import event

from data_platform.databases.errors import DatabaseUnavailable
from data_platform.landing.arrivals.listing import Taken
from data_platform.landing.arrivals.notifications import Hint, PoisonMessage
from data_platform.landing.arrivals.queue import BATCH, QueueError, QueueIntake, below
from data_platform.landing.ledger.ledger import Ledger
from data_platform.landing.places.objects import LandedObject
from data_platform_tests.support.memory_bucket import NOW, SHOP, MemoryBucket
from data_platform_tests.support.queues import (
    MOST_RECEIVES,
    Queue,
    eventually,
    new_queue,
)
from data_platform_tests.support.s3_events import (
    PLACE,
    REMOVED,
    TEST_EVENT,
    WAYS,
    bridged,
    s3,
    through_sns,
)
from tools.queue_server import QueueServer
from tools.servers import free_port

KEY = "shop/2011-03-01.csv"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: NOW)


def keys(count: int) -> list[str]:
    return [f"shop/2011-03-01-{number:05}.csv" for number in range(count)]


def take(queue: Queue, bucket: MemoryBucket, ledger: Ledger, **limits) -> Taken:
    return queue.intake(bucket, **limits).take([SHOP], ledger, NOW)


def waiting(ledger: Ledger) -> list[str]:
    return [entry.key for entry in ledger.pending("shop")]


@pytest.mark.parametrize("way", WAYS)
def test_what_landed_is_recorded_and_its_message_deleted(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger, way: str
) -> None:
    bucket.land(KEY)
    queue.send([WAYS[way](KEY), TEST_EVENT])

    found = take(queue, bucket, ledger)

    assert (found.recorded.new, found.messages, found.warnings) == ((KEY,), 2, ())
    assert waiting(ledger) == [KEY]
    assert queue.is_empty()


def test_doubled_and_reordered_events_change_nothing(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    """Created, deleted, created again; the events say so in another order, and twice."""
    bucket.land(KEY, b"again")
    queue.send([s3(KEY), s3(KEY), s3(KEY, REMOVED)])
    take(queue, bucket, ledger)
    ledger.mark_loaded({entry.id: 1 for entry in ledger.pending("shop")}, "run", "load")
    queue.send([s3(KEY, REMOVED), s3(KEY), bridged(KEY, "Object Deleted")])

    found = take(queue, bucket, ledger)

    assert (found.recorded.new, found.recorded.reopened, found.vanished) == ((), (), ())
    assert (found.recorded.unchanged, waiting(ledger)) == (1, [])


def test_other_content_under_a_known_key_is_loaded_again(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    bucket.land(KEY, b"1")
    queue.send([s3(KEY)])
    take(queue, bucket, ledger)
    ledger.mark_loaded({entry.id: 1 for entry in ledger.pending("shop")}, "run", "load")
    bucket.land(KEY, b"22")
    queue.send([s3(KEY)])

    assert take(queue, bucket, ledger).recorded.reopened == (KEY,)
    [entry] = ledger.pending("shop")
    assert entry.size == 2


def test_a_deleted_object_has_vanished_and_its_loaded_rows_stay(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    loaded, waited = KEY, "shop/2011-03-02.csv"
    bucket.land(loaded)
    queue.send([s3(loaded)])
    take(queue, bucket, ledger)
    ledger.mark_loaded({entry.id: 1 for entry in ledger.pending("shop")}, "run", "load")
    bucket.land(waited)
    queue.send([s3(waited)])
    take(queue, bucket, ledger)
    bucket.objects.clear()
    queue.send([s3(loaded, REMOVED), s3(waited, REMOVED)])

    assert take(queue, bucket, ledger).vanished == (loaded, waited)
    assert waiting(ledger) == []
    effective = ledger.effective("shop", ["2011-03-01", "2011-03-02"])
    assert [[entry.state for entry in entries] for entries in effective.values()] == [["loaded"]]


def test_an_unknown_key_is_recorded_as_such(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    bucket.land("notes 1+1.txt")
    queue.send([s3("notes 1+1.txt")])
    assert take(queue, bucket, ledger).recorded.unknown == ("notes 1+1.txt",)


def test_poison_is_left_until_the_queue_moves_it_to_its_dead_letter_queue(
    quick_queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    poison = ["hello", through_sns("{}"), s3(KEY, bucket="somebody-elses")]
    bucket.land(KEY)
    quick_queue.send([*poison, s3(KEY)])
    said: list[str] = []
    dead: list[str] = []

    def all_dead() -> bool:
        said.extend(take(quick_queue, bucket, ledger).warnings)
        dead.extend(quick_queue.dead())
        return len(dead) == len(poison)

    eventually(all_dead)

    assert sorted(dead) == sorted(poison)
    assert waiting(ledger) == [KEY]
    assert quick_queue.is_empty()
    assert said[0].startswith(f"3 messages of {quick_queue.url} cannot be understood")
    assert any(
        why in said[0]
        for why in ("not JSON", "not a JSON object", "fields are: none", "bucket somebody-elses")
    )
    assert len(said) <= MOST_RECEIVES * len(poison)
    assert not any("redrive policy" in each for each in said)


def test_poison_in_a_queue_without_redrive_policy_says_how_to_get_one(
    elasticmq: QueueServer, bucket: MemoryBucket, ledger: Ledger
) -> None:
    queue = new_queue(elasticmq, most_receives=None)
    assert queue.intake(bucket).dead_letters() == ("", 0)
    queue.send(["hello"])

    [_, warning] = take(queue, bucket, ledger).warnings

    assert queue.url in warning
    assert "data-platform buckets apply" in warning and "aws sqs set-queue-attributes" in warning
    assert queue.counts() == (0, 1)


def test_messages_come_back_when_the_ledger_did_not_commit(
    quick_queue: Queue, bucket: MemoryBucket, ledger: Ledger, tmp_path: Path
) -> None:
    bucket.land(KEY)
    quick_queue.send([s3(KEY)])
    nowhere = Ledger(f"sqlite:///{tmp_path}/missing/ledger.db")

    with pytest.raises(DatabaseUnavailable):
        take(quick_queue, bucket, nowhere)

    assert quick_queue.counts() == (0, 1)
    eventually(lambda: take(quick_queue, bucket, ledger).messages == 1)
    assert waiting(ledger) == [KEY]
    assert quick_queue.is_empty()


def test_a_visibility_timeout_that_ends_in_the_middle_of_a_batch_is_harmless(
    quick_queue: Queue, ledger: Ledger
) -> None:
    """Another consumer gets the messages while we look, records and deletes them."""
    taken: list[Taken] = []
    one_at_a_time = Lock()

    class Slow(MemoryBucket):
        def head(self, key: str) -> LandedObject | None:
            with one_at_a_time:
                if not taken:
                    eventually(lambda: quick_queue.counts() == (5, 0))
                    taken.append(take(quick_queue, other, ledger))
            return super().head(key)

    bucket, other = Slow(), MemoryBucket()
    other.objects = bucket.objects
    for key in keys(5):
        bucket.land(key)
    quick_queue.send([s3(key) for key in keys(5)])

    found = take(quick_queue, bucket, ledger)

    assert taken[0].messages == found.messages == 5
    assert taken[0].recorded.new == tuple(keys(5))
    assert found.recorded.unchanged == 5
    [warning] = found.warnings
    assert "5 messages were recorded, could not be deleted" in warning
    assert waiting(ledger) == keys(5)
    assert quick_queue.is_empty()


def test_an_object_that_cannot_be_looked_at_keeps_its_message_and_no_others(
    quick_queue: Queue, ledger: Ledger
) -> None:
    class Refusing(MemoryBucket):
        def head(self, key: str) -> LandedObject | None:
            if key == KEY:
                raise PermissionError("HeadObject needs s3:GetObject")
            return super().head(key)

    bucket = Refusing()
    for key in (KEY, *keys(3)):
        bucket.land(key)
    quick_queue.send([s3(key) for key in (KEY, *keys(3))])

    [warning] = take(quick_queue, bucket, ledger).warnings

    assert f"memory://{KEY}: HeadObject needs s3:GetObject" in warning
    assert waiting(ledger) == keys(3)
    eventually(lambda: quick_queue.counts() == (1, 0))


def test_a_store_that_is_down_costs_one_batch_and_not_the_queue(
    queue: Queue, ledger: Ledger
) -> None:
    class Down(MemoryBucket):
        def head(self, key: str) -> LandedObject | None:
            raise ConnectionError("no answer")

    queue.send([s3(key) for key in keys(2 * BATCH)])

    [warning] = take(queue, Down(), ledger).warnings

    assert f"{BATCH} objects could not be looked at" in warning
    assert queue.counts() == (BATCH, BATCH)


def test_a_tick_takes_no_more_messages_than_it_is_told(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    queue.send([s3(key) for key in keys(130)])

    assert take(queue, bucket, ledger, most_messages=112).messages == 112
    assert queue.counts() == (18, 0)


def test_a_tick_begins_no_other_batch_when_its_time_is_over(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    queue.send([s3(key) for key in keys(3 * BATCH)])
    clock = iter([0.0, 1.0, 9.0, 10.0])

    found = take(queue, bucket, ledger, most_seconds=10, clock=lambda: next(clock))

    assert found.messages == 2 * BATCH
    assert queue.counts() == (BATCH, 0)


def test_a_tick_costs_what_is_new_however_much_is_old(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    costs = []
    landed = iter(keys(10_000))
    for old in (10, 2_000):
        for key in (next(landed) for _ in range(old)):
            bucket.land(key)
        ledger.record(bucket.list(), bucket, [SHOP], NOW)
        new = [next(landed) for _ in range(20)]
        for key in new:
            bucket.land(key)
        queue.send([s3(key) for key in new])
        arrivals = queue.intake(bucket)
        done: Counter[str] = Counter()
        with counted(done, arrivals, ledger):
            bucket.looked_at.clear()
            assert arrivals.take([SHOP], ledger, NOW).recorded.new == tuple(new)
        costs.append((done, len(bucket.looked_at)))

    assert costs[0] == costs[1]
    assert costs[0][1] == 20
    done = costs[0][0]
    assert done["DeleteMessageBatch"] == 2
    assert done["ReceiveMessage"] <= 5  # two of ten, an empty one for the batch, one for the tick
    assert done["sql"] <= 12


class counted:
    """Counts the requests to the queue, by operation, and the ledger's statements."""

    def __init__(self, done: Counter[str], arrivals: QueueIntake, ledger: Ledger) -> None:
        self.done, self.events = done, arrivals.client.meta.events
        self.engine = ledger.database.engine
        self.ledger = ledger

    def __enter__(self) -> None:
        self.ledger.summary()  # opens the database
        self.events.register("before-call.sqs", self._request)
        event.listen(self.engine, "before_cursor_execute", self._statement)

    def __exit__(self, *_) -> None:
        self.events.unregister("before-call.sqs", self._request)
        event.remove(self.engine, "before_cursor_execute", self._statement)

    def _request(self, model, **_) -> None:
        self.done[model.name] += 1

    def _statement(self, *_) -> None:
        self.done["sql"] += 1


@pytest.mark.parametrize(
    ("place", "key", "relative"),
    [
        ("s3://landing", "shop/a.csv", "shop/a.csv"),
        ("s3://landing/in", "in/shop/a.csv", "shop/a.csv"),
        ("s3://landing/in", "in/in/a.csv", "in/a.csv"),
        ("s3://landing/in", "inbox/a.csv", None),
        ("s3://landing/in", "out/in/a.csv", None),
        ("s3://landing/in", "in/", None),
    ],
)
def test_keys_are_relative_to_the_landing_place(place: str, key: str, relative: str | None) -> None:
    assert below(place, Hint("landing", key)) == relative


def test_an_event_of_another_bucket_is_somebody_elses() -> None:
    with pytest.raises(PoisonMessage, match="about bucket other, and DATA_PLATFORM_LANDING is"):
        below(PLACE, Hint("other", KEY))


def test_keys_outside_the_landing_prefix_are_counted_and_deleted(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    bucket.land(KEY)
    queue.send([s3(f"in/{KEY}"), s3("out/report.csv")])
    arrivals = QueueIntake(queue.url, queue.region, bucket, f"{PLACE}/in")

    found = arrivals.take([SHOP], ledger, NOW)

    assert (found.recorded.new, found.outside) == ((KEY,), 1)
    assert bucket.looked_at == [KEY]
    assert queue.is_empty()


def test_a_queue_that_is_not_there_is_named_with_the_setting(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    missing = QueueIntake(f"{queue.url}-2", queue.region, bucket, PLACE)
    named = r"-2 \(DATA_PLATFORM_QUEUE\): ReceiveMessage .*make it.* where .* is not"
    with pytest.raises(QueueError, match=named):
        missing.take([SHOP], ledger, NOW)


def test_a_server_that_does_not_answer_is_named(
    queue: Queue, bucket: MemoryBucket, ledger: Ledger
) -> None:
    url = f"http://127.0.0.1:{free_port()}/000000000000/landing"
    with pytest.raises(QueueError, match="SQS gave no answer"):
        QueueIntake(url, queue.region, bucket, PLACE).take([SHOP], ledger, NOW)
