"""A spool keeps requests in order, whole and within its size."""

from pathlib import Path

import pytest

from data_platform.telemetry.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", most_bytes=100)


def test_requests_wait_in_the_order_in_which_they_came(spool: Spool) -> None:
    spool.put("traces", "gzip", b"one")
    spool.put("metrics", "", b"two")

    found = [(each.signal, each.encoding, each.body()) for each in spool.entries()]
    assert found == [("traces", "gzip", b"one"), ("metrics", "", b"two")]


def test_a_full_spool_drops_the_oldest_and_says_how_many(spool: Spool) -> None:
    for number in range(5):
        assert spool.put("traces", "", bytes([number]) * 20) == 0

    assert spool.put("traces", "", b"x" * 50) == 3

    assert [each.body()[:1] for each in spool.entries()] == [b"\3", b"\4", b"x"]


def test_a_request_larger_than_the_spool_is_kept_alone(spool: Spool) -> None:
    spool.put("traces", "", b"small")

    assert spool.put("traces", "", b"x" * 200) == 1

    assert [len(each.body()) for each in spool.entries()] == [200]


def test_a_request_that_was_not_written_whole_does_not_wait(spool: Spool) -> None:
    spool.put("traces", "", b"whole")
    (spool.folder / ".00000000000000000001-1-0").write_bytes(b"ha")  # of a killed process

    assert [each.body() for each in spool.entries()] == [b"whole"]


def test_one_process_sends_at_a_time(spool: Spool) -> None:
    with spool.alone() as first, Spool(spool.folder).alone() as second:
        assert (first, second) == (True, False)
    with Spool(spool.folder).alone() as again:
        assert again


def test_a_request_may_be_removed_twice(spool: Spool) -> None:
    spool.put("traces", "", b"one")
    [entry] = spool.entries()

    entry.remove()
    entry.remove()

    assert spool.entries() == []
