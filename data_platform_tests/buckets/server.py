"""A real API of S3 and SQS on this machine: moto's server, in a thread, empty for each test."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from data_platform_tests.buckets.cloud import Cloud, cloud_at, post


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # a second, for the tests that need it
    from moto.sqs.models import Queue

    _make_whole(Queue)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line for each request
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _make_whole(queue: Any) -> None:
    """moto's queues (5.2.5) lose their policy when something else is set, and never give their
    RedriveAllowPolicy back: SQS does neither."""
    if hasattr(queue, "redrive_allow_policy"):
        return
    queue.redrive_allow_policy = None
    set_attributes, attributes = queue._set_attributes, queue.attributes.fget

    def keeping_the_policy(self: Any, given: dict[str, Any], now: float | None = None) -> None:
        new = not hasattr(self, "_policy_json")
        set_attributes(self, given if new else {"Policy": self.policy, **given}, now)

    def with_redrive_allow(self: Any) -> dict[str, Any]:
        allowed = self.redrive_allow_policy
        return {**attributes(self), **({"RedriveAllowPolicy": allowed} if allowed else {})}

    queue._set_attributes = keeping_the_policy
    queue.attributes = property(with_redrive_allow)


@pytest.fixture
def cloud(moto_endpoint: str, tmp_path: Path) -> Iterator[Cloud]:
    """An empty account; the credentials at hand are its own."""
    with _empty(moto_endpoint, tmp_path) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def standing(moto_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Buckets and queues of the standard for all tests of a module, each of which leaves them so.

    Not for a module that has tests with `cloud`, which empties the account.
    """
    with _empty(moto_endpoint, tmp_path_factory.mktemp("standing")) as cloud:
        cloud.apply()
        yield cloud


@contextmanager
def _empty(endpoint: str, home: Path) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patched:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
            patched.delenv(name, raising=False)
        patched.setenv("AWS_ACCESS_KEY_ID", "testing")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patched.setenv("NO_PROXY", "127.0.0.1")
        post(f"{endpoint}/moto-api/reset")
        yield cloud_at(endpoint, home)
        post(f"{endpoint}/moto-api/reset-auth", "inf")
