"""A Prometheus for tests, started like the servers of `tools.servers`.

It takes metrics by OTLP, evaluates a rule file every second, and is asked by its API. `make
services` builds it.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tools.go_programs import PROMETHEUS
from tools.servers import NotInstalled, launch, listens, running

_CONFIGURATION = """
global: {evaluation_interval: 1s}
rule_files: [alerts.yaml]
storage: {tsdb: {out_of_order_time_window: 30m}}
"""


@dataclass(frozen=True)
class Sample:
    """A value of a series."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """A Prometheus that listens on `port` of this machine."""

    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        """The URL of its API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """The URL of OTLP by HTTP."""
        return f"{self.url}/api/v1/otlp"

    def answers(self) -> bool:
        """Whether it takes requests, and is our process."""
        if not listens(self.process, self.port):
            return False
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.RequestException:  # not yet
            return False

    def query(self, expression: str) -> list[Sample]:
        """The value now of each series of an instant query."""
        found = self._get("query", query=expression)["result"]
        return [
            Sample(each["metric"].pop("__name__", ""), each["metric"], float(each["value"][1]))
            for each in found
        ]

    def firing(self) -> list[dict[str, str]]:
        """The labels of the alerts that fire; `alertname` is the rule's."""
        alerts = self._get("alerts")["alerts"]
        return [each["labels"] for each in alerts if each["state"] == "firing"]

    def rules(self) -> list[dict[str, Any]]:
        """The rules that it has loaded, each with its `health` once it was evaluated."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]


@contextmanager
def prometheus(directory: Path, rules: str) -> Iterator[Prometheus]:
    """A Prometheus with the text of a rule file, and its own files in `directory`."""
    if not PROMETHEUS.binary.exists():
        raise NotInstalled("Prometheus is not installed: run `make services`")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "alerts.yaml").write_text(rules, "utf-8")
    configuration, log = directory / "prometheus.yaml", directory / "prometheus.log"
    configuration.write_text(_CONFIGURATION, "utf-8")

    def start(port: int) -> Prometheus:
        command = [
            str(PROMETHEUS.binary),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-otlp-receiver",
        ]
        return Prometheus(port=port, process=launch(command, log=log, env={}))

    with running(start, log) as started:
        yield started
