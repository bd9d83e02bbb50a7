"""Dagster as it is deployed: a code server, a daemon and a webserver, each a process of its own.

Each can be killed and started again; all of them end with the block. Their logs are in the home.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from dagster_graphql import DagsterGraphQLClient

from data_platform.runs.container import DAEMON, WEBSERVER
from data_platform.runs.launched import CODE_LOCATION
from data_platform.settings.model import CHECKOUT, Settings
from data_platform.storage.waiting import wait
from data_platform_tests.support.backfills import LAUNCH_BACKFILL, backfill_of
from data_platform_tests.support.listening import until_it_listens
from tools.servers import free_port

PATIENCE = 120  # seconds for a process to end, on a busy machine
MOST_PATIENCE = 180  # seconds until something is built, on a busy machine
LEASE = 15  # seconds until another takes over from a process that was killed or frozen
_HOST = "127.0.0.1"
_DEFINITIONS = "data_platform.definitions"


@dataclass
class Deployment:
    """The processes on a home, by name; their ports stay when they are started again."""

    settings: Settings
    database: str
    code_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start_code_server(self, **variables: str) -> None:
        """Load the definitions; `variables` are those of a new version."""
        server = ("dagster", "code-server", "start", "-m", _DEFINITIONS)
        address = ("-h", _HOST, "-p", str(self.code_port))
        process = self._start("code-server", *server, *address, more=variables)
        until_it_listens(process, self.code_port, self._log("code-server"))

    def start_daemon(self, name: str = "daemon") -> "subprocess.Popen[bytes]":
        """Begin with sensors, backfills and the queue of runs; another one needs another name."""
        return self._start(name, DAEMON, "-w", str(self._workspace()))

    def start_webserver(self) -> DagsterGraphQLClient:
        """A client of the webserver."""
        words = ("-w", str(self._workspace()), "-h", _HOST, "-p", str(self.web_port))
        process = self._start("webserver", WEBSERVER, *words)
        until_it_listens(process, self.web_port, self._log("webserver"))
        return DagsterGraphQLClient(_HOST, port_number=self.web_port)

    def kill(self, name: str) -> None:
        """End a process without letting it do anything more."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> None:
        """Ask a process to end, as a service manager does, and wait until it has."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)

    def end(self) -> None:
        """End all of them, with the processes that they started."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def until(self, condition: Callable[[], object], what: str, seen: Callable[[], object]) -> None:
        """Wait for a condition. If it is not met, the test fails with `what` is wrong, what is
        `seen`, and the ends of all logs."""
        if wait(lambda: bool(condition()), MOST_PATIENCE):
            return
        logs = [self.log(log.stem)[-4000:] for log in sorted(self.settings.home.glob("*.txt"))]
        pytest.fail("\n".join([f"{what}: {seen()}", *logs]))

    def log(self, name: str) -> str:
        """What a process has said."""
        return self._log(name).read_text("utf-8", "replace")

    def _start(
        self, name: str, module: str, *words: str, more: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        with self._log(name).open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=self._environment() | dict(more or {}),
                cwd=self.settings.home,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self.processes[name]

    def _environment(self) -> dict[str, str]:
        ours = ("DATA_PLATFORM_", "SPARK_CONNECT_", "DAGSTER_")
        inherited = {n: value for n, value in os.environ.items() if not n.startswith(ours)}
        return inherited | {
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "ignore",
            "DAGSTER_HOME": str(self.settings.dagster_home),
            "DATA_PLATFORM_HOME": str(self.settings.home),
            "DATA_PLATFORM_DATABASE": self.database,
            "DATA_PLATFORM_LANDING": self.settings.landing_uri,
            "DATA_PLATFORM_WAREHOUSE": self.settings.warehouse_uri,
            "DATA_PLATFORM_RUN_LEASE": str(LEASE),
        }

    def _workspace(self) -> Path:
        file = self.settings.home / "workspace.yaml"
        server = {"host": _HOST, "port": self.code_port, "location_name": CODE_LOCATION}
        file.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        return file

    def _log(self, name: str) -> Path:
        return self.settings.home / f"{name}.txt"


@contextmanager
def deployment(settings: Settings, database: str) -> Iterator[Deployment]:
    """No process yet; those that the block starts end with it."""
    found = Deployment(settings, database)
    try:
        yield found
    finally:
        found.end()


def launch_backfill(client: DagsterGraphQLClient, assets: list[str], partitions: list[str]) -> str:
    """Ask for a backfill as the UI does; its id."""
    sent = backfill_of(assets, partitions)
    answer = client._execute(LAUNCH_BACKFILL, sent)["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return answer["backfillId"]
