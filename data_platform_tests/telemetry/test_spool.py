"""A spool keeps requests in order, whole and within its size."""

import errno
import os
from pathlib import Path

import pytest

from data_platform.telemetry.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", most_bytes=100, most_files=10)


def test_requests_wait_in_the_order_in_which_they_came(spool: Spool) -> None:
    spool.put("gzip", b"one")
    spool.put("", b"two")

    found = [(each.encoding, each.body()) for each in spool.entries()]
    assert found == [("gzip", b"one"), ("", b"two")]


def test_a_full_spool_drops_the_oldest_and_says_how_many(spool: Spool) -> None:
    for number in range(5):
        assert spool.put("", bytes([number]) * 20) == 0

    assert spool.put("", b"x" * 50) == 3

    assert [each.body()[:1] for each in spool.entries()] == [b"\3", b"\4", b"x"]


def test_a_request_larger_than_the_spool_is_kept_alone(spool: Spool) -> None:
    spool.put("", b"small")

    assert spool.put("", b"x" * 200) == 1

    assert [len(each.body()) for each in spool.entries()] == [200]


def test_a_request_that_was_not_written_whole_does_not_wait(spool: Spool) -> None:
    spool.put("", b"whole")
    (spool.folder / ".00000000000000000001-1-0").write_bytes(b"ha")  # of a killed process

    assert [each.body() for each in spool.entries()] == [b"whole"]


def test_what_killed_processes_left_is_removed_after_an_hour(spool: Spool) -> None:
    spool.put("", b"whole")
    old, new = (spool.folder / f".0000000000000000000{number}-1-0" for number in (1, 2))
    old.write_bytes(b"ha")
    new.write_bytes(b"ha")
    os.utime(old, (0, 0))

    spool.put("", b"more")

    assert (old.exists(), new.exists()) == (False, True)


def test_a_spool_has_a_limit_of_files(spool: Spool) -> None:
    dropped = [spool.put("", bytes([number])) for number in range(12)]

    assert dropped == [0] * 10 + [1, 1]
    assert [each.body() for each in spool.entries()] == [bytes([n]) for n in range(2, 12)]


def test_on_a_full_disk_the_oldest_are_dropped(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        spool.put("", bytes([number]) * 20)
    write = Path.write_bytes
    left = [OSError(errno.ENOSPC, "no space left on device")]

    def full(path: Path, body: bytes) -> int:
        if left:
            raise left.pop()
        return write(path, body)

    monkeypatch.setattr(Path, "write_bytes", full)

    assert spool.put("", b"new") == 2

    assert [each.body()[:1] for each in spool.entries()] == [b"\2", b"\3", b"n"]


def test_a_file_of_another_name_is_no_request(spool: Spool) -> None:
    spool.put("", b"one")
    (spool.folder / "notes.txt").write_text("mine")
    (spool.folder / "of-somebody.otlp").write_text("odd")

    assert [each.body() for each in spool.entries()] == [b"one", b"odd"]


def test_one_process_sends_at_a_time(spool: Spool) -> None:
    with spool.exclusive() as first, Spool(spool.folder).exclusive() as second:
        assert (first, second) == (True, False)
    with Spool(spool.folder).exclusive() as again:
        assert again


def test_a_request_may_be_removed_twice(spool: Spool) -> None:
    spool.put("", b"one")
    [entry] = spool.entries()

    entry.remove()
    entry.remove()

    assert spool.entries() == []
