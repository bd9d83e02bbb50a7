"""Messages of a job arrive through a network that fails."""

import time
from typing import Any

import pytest
from dagster_pipes import PipesMessage

from data_platform.platform_defs import launching
from data_platform.platform_defs.launching import MessageReader
from data_platform.remote import job
from data_platform.remote.job import MessageWriter
from data_platform.storage import services
from data_platform.storage.object_store import ObjectStore
from data_platform_tests.support.places import Place
from tools.faulty import SLOW_DOWN, Cut, Effect, Rule, faulty
from tools.servers import S3Server

pytestmark = pytest.mark.integration

MESSAGES = r".*/\d+\.json"


class _Handler:
    """Takes messages as Dagster's own handler, which needs a run."""

    def __init__(self) -> None:
        self.received_closed_message = False
        self.received: list[Any] = []
        self.errors: list[Any] = []

    def handle_message(self, message: PipesMessage) -> None:
        self.received.append(message["params"])
        self.received_closed_message = message["method"] == "closed"

    def report_pipes_framework_exception(self, origin: str, error: Any) -> None:
        self.errors.append(error)

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + 60
        while len(self.received) < count:
            assert time.monotonic() < end and not self.errors, (self.received, self.errors)
            time.sleep(0.05)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PAUSE", 0.05)
    for module in (launching, job):
        monkeypatch.setattr(module, "SECONDS", 0)


@pytest.mark.parametrize(
    ("method", "effect"),
    [
        ("HEAD", Cut("answer")),
        ("GET", Cut("answer")),
        ("GET", Cut("answer", after=10)),
        ("PUT", Cut("request")),
        ("PUT", Cut("answer")),
        ("PUT", SLOW_DOWN),
    ],
    ids=lambda each: str(each),
)
def test_messages_arrive_in_order_after_requests_that_failed(
    versitygw: S3Server, method: str, effect: Effect
) -> None:
    place, handler = Place.bucket(versitygw), _Handler()
    with faulty(versitygw.endpoint) as proxy:
        store = ObjectStore(versitygw.region, proxy.endpoint, attempts=0)
        reader, writer = MessageReader(store, f"{place.root}/pipes"), MessageWriter(store.client())
        failing = proxy.add(Rule(effect=effect, method=method, key=MESSAGES, times=3))
        with reader.read_messages(handler) as params, writer.open(params) as channel:
            for number in range(3):
                channel.write_message(_message("report_custom_message", {"payload": number}))
                handler.wait_for(number + 1)
            channel.write_message(_message("closed", {}))

    assert failing.hits == 3
    assert handler.errors == []
    assert handler.received == [*({"payload": number} for number in range(3)), {}]


def _message(method: Any, params: dict[str, Any]) -> PipesMessage:
    return {"__dagster_pipes_version": "0.1", "method": method, "params": params}
