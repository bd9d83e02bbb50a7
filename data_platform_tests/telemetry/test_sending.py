"""What waits in a spool reaches a collector that is away, slow or failing, once, and in order."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_platform.telemetry import sending
from data_platform.telemetry.collector import Answer, Target
from data_platform.telemetry.sending import Sender
from data_platform.telemetry.spool import Entry, Spool
from data_platform_tests.support.queues import eventually as until


class Collector(ThreadingHTTPServer):
    """Takes requests, after the `answers` that it was told to give first."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.got: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def target(self) -> Target:
        return Target(f"http://127.0.0.1:{self.server_port}/v1/traces", {"x-token": "t"}, 2.0)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.hold.wait(30)
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        if status == 200:
            self.server.got.append(body)
            self.server.headers.append(dict(self.headers))
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server
        server.shutdown()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def sender(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Target], Sender]]:
    for name, seconds in (("_FIRST_WAIT", 0.05), ("_LONGEST_WAIT", 0.2), ("_LOOK", 0.05)):
        monkeypatch.setattr(sending, name, seconds)
    started: list[Sender] = []

    def start(target: Target) -> Sender:
        started.append(Sender(spool, target))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop(10)


def put(spool: Spool, *bodies: bytes) -> None:
    for body in bodies:
        spool.put("gzip", body)


def test_what_waits_is_sent_in_order_with_the_headers_of_its_target(
    spool: Spool, collector: Collector, sender
) -> None:
    put(spool, b"1", b"2", b"3")

    sender(collector.target)

    until(lambda: not spool.entries())
    assert collector.got == [b"1", b"2", b"3"]
    sent = collector.headers[0]
    assert (sent["x-token"], sent["Content-Encoding"]) == ("t", "gzip")
    assert sent["Content-Type"] == "application/x-protobuf"


@pytest.mark.parametrize("status", [401, 404, 408, 429, 500, 503, 302])
def test_after_an_error_that_may_pass_nothing_is_lost(
    status: int, spool: Spool, collector: Collector, sender, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers = [(status, {}), (status, {})]
    put(spool, b"1", b"2")

    sender(collector.target)

    until(lambda: not spool.entries())
    assert collector.got == [b"1", b"2"]
    said = [record.getMessage() for record in caplog.records]
    assert [f"HTTP {status} " in line for line in said] == [
        True,
        False,
    ]  # once, and that it is over
    assert said[1].endswith("again")


@pytest.mark.parametrize("status", [400, 413])
def test_what_a_collector_refuses_is_dropped_with_a_warning_and_the_rest_is_sent(
    status: int, spool: Spool, collector: Collector, sender, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers = [(status, {})]
    put(spool, b"bad", b"good")

    sender(collector.target)

    until(lambda: not spool.entries())
    assert collector.got == [b"good"]
    assert f"was dropped with the telemetry in it: HTTP {status}" in caplog.text


def test_what_waits_for_a_collector_that_is_away_is_sent_when_it_is_back(
    spool: Spool, sender, caplog: pytest.LogCaptureFixture
) -> None:
    with Collector() as away:
        away.shutdown()
    put(spool, b"1")
    sender(away.target)
    until(lambda: "cannot be sent" in caplog.text)
    put(spool, b"2")

    with Collector(away.server_port) as back:
        until(lambda: not spool.entries())
        back.shutdown()

    assert back.got == [b"1", b"2"]


def test_a_slow_collector_holds_up_neither_who_puts_nor_who_stops(
    spool: Spool, collector: Collector, sender
) -> None:
    collector.hold.clear()
    put(spool, b"1")
    running = sender(Target(collector.target.url, seconds=0.1))

    put(spool, b"2")
    running.stop(0.5)

    assert [each.body() for each in spool.entries()] == [b"1", b"2"]
    collector.hold.set()


def test_a_collector_says_how_long_to_wait(collector: Collector) -> None:
    collector.answers = [(429, {"Retry-After": "7"})]

    assert collector.target.send(b"1", "") == Answer("later", "HTTP 429 Too Many Requests", 7.0)


def test_of_two_processes_one_sends(spool: Spool, collector: Collector, sender) -> None:
    put(spool, *(str(number).encode() for number in range(50)))

    for _ in range(3):
        sender(collector.target)

    until(lambda: not spool.entries())
    assert collector.got == [str(number).encode() for number in range(50)]


def test_a_process_that_ends_sends_what_waits(
    spool: Spool, collector: Collector, sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_LOOK", 600.0)
    ending = sender(collector.target)
    put(spool, b"last")

    ending.stop(30)

    assert collector.got == [b"last"]


_PUTTING = """
import itertools, sys, time
from pathlib import Path
from data_platform.telemetry.collector import Target
from data_platform.telemetry.sending import Sender
from data_platform.telemetry.spool import Spool

sender = Sender(Spool(Path(sys.argv[1])), Target(sys.argv[2], {}, 2.0))
sender.start()
for number in itertools.count(int(sys.argv[3])):
    sender.put("gzip", b"%d" % number)
    print(number, flush=True)
    time.sleep(0.005)
"""


def test_what_a_killed_process_has_put_is_sent_by_the_next_one(
    spool: Spool, collector: Collector, sender
) -> None:
    put: list[int] = []
    for life, kill_after in enumerate((1, 2, 7, 40)):
        command = [sys.executable, "-c", _PUTTING, str(spool.folder), collector.target.url]
        process = subprocess.Popen([*command, str(1000 * life)], stdout=subprocess.PIPE)
        with process:
            assert process.stdout
            put += [int(process.stdout.readline()) for _ in range(kill_after)]
            process.kill()  # while it puts the next one, and sends
            put += [int(line) for line in process.stdout]

    sender(collector.target)

    until(lambda: not spool.entries())
    got = Counter(int(body) for body in collector.got)
    assert got.keys() >= {*put}
    assert len([number for number, times in got.items() if times > 1]) <= 4, "one at each kill"


def test_a_request_at_which_the_collector_fails_again_and_again_is_dropped(
    spool: Spool, collector: Collector, sender, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers = [(500, {})] * sending._TRIES
    put(spool, b"poison", b"good")

    sender(collector.target)

    until(lambda: not spool.entries())
    assert collector.got == [b"good"]
    assert "HTTP 500 Internal Server Error, 5 times" in caplog.text


def test_a_collector_that_is_overloaded_loses_nothing_however_often(
    spool: Spool, collector: Collector, sender
) -> None:
    collector.answers = [(503, {})] * (2 * sending._TRIES)
    put(spool, b"1")

    sender(collector.target)

    until(lambda: not spool.entries())
    assert collector.got == [b"1"]


def test_an_unexpected_error_does_not_end_the_thread(
    spool: Spool, collector: Collector, sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors, entries = [RuntimeError("odd")], Spool.entries

    def failing(self: Spool) -> list[Entry]:
        if errors:
            raise errors.pop()
        return entries(self)

    put(spool, b"1")
    monkeypatch.setattr(Spool, "entries", failing)

    sender(collector.target)

    until(lambda: collector.got == [b"1"])


def test_a_process_that_ends_tries_a_collector_that_failed_before(
    spool: Spool, collector: Collector, sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_FIRST_WAIT", 600.0)
    monkeypatch.setattr(sending, "_LONGEST_WAIT", 600.0)
    collector.answers = [(503, {})]
    put(spool, b"1")
    ending = sender(collector.target)
    until(lambda: not collector.answers)

    ending.stop(30)

    assert collector.got == [b"1"]
