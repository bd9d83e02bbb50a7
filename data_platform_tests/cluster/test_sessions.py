"""What a session on the cluster has: the code that it sends, the executors' cores, clear errors."""

import json
import socket
import socketserver
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from data_platform_tests.support.cluster import Drivers
from data_platform_tests.support.processes import importing
from tools.cluster import Cluster

OWN = ("acme_tables.rules", "acme_single")  # as a team has them, beside the platform


@pytest.fixture
def users_code(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "acme_tables").mkdir(parents=True)
    (folder / "acme_tables/rules.py").write_text("LIMIT = 3\n")  # a package without __init__.py
    (folder / "acme_single.py").write_text("LIMIT = 4\n")
    return folder


def test_workers_import_what_was_shipped_and_have_nothing_of_it_before(
    hosts: Cluster, drivers: Drivers, users_code: Path, tmp_path: Path
) -> None:
    names = ("data_platform.landing.parse", *OWN)
    paths = {"PYTHONPATH": f"{users_code}:{Path(importing.__file__).parents[3]}"}
    (tmp_path / "home").mkdir()

    said = Drivers({**drivers.environment, **paths}).run(
        importing.__file__, hosts.url, str(tmp_path / "home"), *names
    )

    [answer] = [line for line in said.splitlines() if line.startswith("{")]  # beside Spark's log
    found = json.loads(answer)
    assert found["before"] == {**dict.fromkeys(names), "HOME": "/nonexistent"}
    assert all(".zip/" in found["after"][name] for name in names), found
    assert found["cores"] == 2


STARTING = """
import sys
from data_platform.engine.session import start_session
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.settings.values import SettingsError

try:
    start_session(settings_at(sys.argv[2], spark=Engine(sys.argv[1])))
except SettingsError as error:
    print(error)
"""


def test_a_master_that_is_not_there_is_named_with_the_way_out(
    hosts: Cluster, drivers: Drivers, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind((hosts.gateway, 0))
        nobody = f"spark://{hosts.gateway}:{silent.getsockname()[1]}"
        said = drivers.run("-c", STARTING, nobody, str(tmp_path))

    assert said.startswith(f"DATA_PLATFORM_SPARK is {nobody}, and no master answers there")
    assert len(said.splitlines()) == 1


class Refusing(socketserver.BaseRequestHandler):
    """Takes a connection, hears the first message, which begins with its length, and hangs up."""

    heard: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        with self.request.makefile("rb") as stream:
            length = stream.read(8)
            self.heard.append(stream.read(max(int.from_bytes(length) - len(length), 0)))


@pytest.mark.soak  # Spark asks three times in a minute
def test_a_master_that_takes_no_application_is_named_with_the_way_out(
    hosts: Cluster, drivers: Drivers, tmp_path: Path
) -> None:
    with socketserver.ThreadingTCPServer((hosts.gateway, 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        master = f"spark://{hosts.gateway}:{server.server_address[1]}"
        said = drivers.run("-c", STARTING, master, str(tmp_path)).splitlines()
        server.shutdown()

    assert any(b"org.apache.spark" in each for each in Refusing.heard), Refusing.heard
    assert said[-1].startswith(
        f"DATA_PLATFORM_SPARK is {master}, and no session could be started there ("
    ), said
    assert "SPARK_LOCAL_IP" in said[-1]
