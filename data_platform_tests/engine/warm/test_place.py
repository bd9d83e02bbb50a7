"""What processes share in a warm engine's directory, and a port that is reserved for an engine."""

import socket
import sys

import pytest

from data_platform.engine.warm.place import Found, Place, reserved_port
from data_platform.storage.waiting import is_listening

pytestmark = pytest.mark.connect_only


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reserves a port for a server")
def test_a_server_can_listen_on_a_reserved_port_and_no_other_process_is_given_it() -> None:
    with reserved_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        assert not is_listening("127.0.0.1", port)

        with socket.create_server(("127.0.0.1", port)):  # sets SO_REUSEADDR
            assert is_listening("127.0.0.1", port)


def test_a_lock_that_another_has_is_waited_for_until_a_timeout(place: Place) -> None:
    timeout = pytest.raises(TimeoutError, match=r"has locked .*attach\.lock for 0\.1 s")
    with place.locked("attach", 60), timeout, place.locked("attach", 0.1):
        pass

    with place.locked("attach", 0.1):
        assert place.is_locked("attach")


def test_an_address_is_readable_by_its_owner_alone(place: Place) -> None:
    file = place.directory / "address.json"
    file.with_suffix(".new").touch(mode=0o644)  # as a process that was killed may leave it

    place.write(Found(1, "key", "sc://127.0.0.1:1/;authorization=Bearer%20secret"))

    assert file.stat().st_mode & 0o777 == 0o600
    assert [each for each in place.directory.iterdir() if each != file] == []


def test_a_damaged_address_is_none(place: Place) -> None:
    (place.directory / "address.json").write_text("{")

    assert place.read() is None
