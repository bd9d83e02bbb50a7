"""An OpenTelemetry Collector for tests and benchmarks, started like the servers of `tools.servers`.

It takes OTLP by HTTP and writes what it gets into a file for each signal, a request a line, as
JSON. `make services` builds it.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tools.go_programs import COLLECTOR
from tools.servers import NotInstalled, launch, listens, running

_CONFIGURATION = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters:
  file/traces: {{path: "{folder}/traces.json"}}
  file/metrics: {{path: "{folder}/metrics.json"}}
  file/logs: {{path: "{folder}/logs.json"}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"""


@dataclass(frozen=True)
class Point:
    """A value of a metric, with its labels."""

    name: str
    kind: str
    unit: str
    labels: dict[str, Any]
    value: float


@dataclass(frozen=True, kw_only=True)
class Collector:
    """A collector at `endpoint`, with the files of what it got in `folder`."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The URL of OTLP by HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it takes requests, and is our process."""
        if not listens(self.process, self.port):
            return False
        try:
            return requests.post(f"{self.endpoint}/v1/traces", json={}, timeout=5).ok
        except requests.RequestException:  # not yet
            return False

    def spans(self) -> list[dict[str, Any]]:
        """The spans that it got, as OTLP has them in JSON, with those of the resource they are of
        under `resource`."""
        return self._got("traces", "Spans", "spans")

    def records(self) -> list[dict[str, Any]]:
        """The log records that it got, with the attributes of their resource under `resource`."""
        return self._got("logs", "Logs", "logRecords")

    def points(self) -> list[Point]:
        """The values of metrics that it got, oldest first."""
        return [
            Point(
                metric["name"],
                "counter" if "sum" in metric else "gauge",
                metric.get("unit", ""),
                values(point),
                float(point.get("asDouble", point.get("asInt", 0))),
            )
            for metric in self._got("metrics", "Metrics", "metrics")
            for point in metric.get("sum", metric.get("gauge", {}))["dataPoints"]
        ]

    def _got(self, signal: str, suffix: str, items: str) -> list[dict[str, Any]]:
        return [
            {**item, "resource": values(each["resource"])}
            for request in _lines(self.folder / f"{signal}.json")
            for each in request.get(f"resource{suffix}", [])
            for scope in each[f"scope{suffix}"]
            for item in scope[items]
        ]


def values(of: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span, a resource or a record, by name; integers are text, as in JSON."""
    return {each["key"]: next(iter(each["value"].values())) for each in of.get("attributes", [])}


@contextmanager
def collector(directory: Path) -> Iterator[Collector]:
    """A collector with its files in `directory`."""
    folder = directory.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not COLLECTOR.binary.exists():
        raise NotInstalled("the collector is not installed: run `make services`")
    configuration, log = folder / "collector.yaml", folder / "collector.log"

    def start(port: int) -> Collector:
        configuration.write_text(_CONFIGURATION.format(port=port, folder=folder))
        command = [str(COLLECTOR.binary), "--config", str(configuration)]
        return Collector(port=port, folder=folder, process=launch(command, log=log, env={}))

    with running(start, log) as started:
        yield started


def _lines(file: Path) -> list[dict[str, Any]]:
    """The complete lines of a file; none if there is none yet."""
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
