"""A Jaeger for tests, started like the servers of `tools.servers`. It takes OTLP, and has an API.

It keeps traces in memory. Its build takes long: `python -m tools.services jaeger`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tools.go_programs import JAEGER
from tools.servers import NotInstalled, free_port, launch, listens, running

_UNUSED = (
    "admin.http",
    "collector.grpc-server",
    "collector.http-server",
    "collector.otlp.grpc",
    "query.grpc-server",
)


@dataclass(frozen=True, kw_only=True)
class Jaeger:
    """A Jaeger that is asked at `port`, and takes OTLP by HTTP at `otlp`."""

    port: int
    otlp: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The URL of OTLP by HTTP."""
        return f"http://127.0.0.1:{self.otlp}"

    def answers(self) -> bool:
        """Whether both ports are its own."""
        return all(listens(self.process, port) for port in (self.port, self.otlp))

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace, as Jaeger's UI gets them; none if it has no such trace."""
        url = f"http://127.0.0.1:{self.port}/api/traces/{trace_id}"
        answer = requests.get(url, timeout=30)
        if answer.status_code == requests.codes.not_found:
            return []
        answer.raise_for_status()
        return [span for trace in answer.json()["data"] for span in trace["spans"]]


@contextmanager
def jaeger(directory: Path) -> Iterator[Jaeger]:
    """A Jaeger with its log in `directory`."""
    if not JAEGER.binary.exists():
        raise NotInstalled("Jaeger is not installed: run `python -m tools.services jaeger`")
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "jaeger.log"

    def start(port: int) -> Jaeger:
        otlp = free_port()
        ports = {"query.http-server": port, "collector.otlp.http": otlp} | dict.fromkeys(_UNUSED, 0)
        command = [f"--{name}.host-port=127.0.0.1:{at}" for name, at in ports.items()]
        process = launch([str(JAEGER.binary), *command], log=log, env={})
        return Jaeger(port=port, otlp=otlp, process=process)

    with running(start, log) as started:
        yield started
