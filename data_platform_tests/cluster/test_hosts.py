"""Hosts are apart from this machine, and a killed process leaves none."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from data_platform.settings.model import CHECKOUT
from tools.cluster import Cluster
from tools.hosts import network

LEFT = """
import subprocess, sys
from tools.hosts import network
with network() as number:
    subprocess.run(["ip", "netns", "add", f"dp{number}-10"], check=True)
    subprocess.Popen(["ip", "netns", "exec", f"dp{number}-10", "sleep", "600"],
                     stdout=subprocess.DEVNULL)
    print(number, flush=True)
    sys.stdin.read()
"""


def test_the_next_process_removes_what_a_killed_one_left(number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LEFT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    left = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert left != number  # this process's own is in use
    assert f"dp{left}-10" in _namespaces()

    with network() as again:
        assert again == left
        assert f"dp{left}-10" not in _namespaces()
    assert f"dp{left}" not in {link["ifname"] for link in _links()}


def test_hosts_have_addresses_of_their_own_and_not_the_code(hosts: Cluster) -> None:
    addresses = {host.address for host in hosts.workers}

    assert {worker["host"] for worker in hosts.state()["workers"]} == addresses
    assert hosts.gateway not in addresses
    for host in hosts.workers:
        root = Path(f"/proc/{host.pids[-1]}/root")
        assert (root / "usr").is_dir()
        for package in ("data_platform", "data_platform_tests"):
            assert list((root / CHECKOUT.relative_to("/") / package).iterdir()) == []


def test_links_that_others_put_in_the_directory_for_temporary_files_are_not_followed(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    other = tmp_path / "other"
    other.write_text("of another program")
    for each in range(256):
        (tmp_path / f"data-platform-network-{each}.lock").symlink_to(other)
    with network() as another:
        assert another != number

    assert other.read_text() == "of another program"


def _namespaces() -> str:
    return subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout


def _links() -> list[dict]:
    shown = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)
