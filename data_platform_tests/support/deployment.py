"""The chart, installed on a Kubernetes of this machine, with a store and a database beside it."""

import datetime as dt
import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from data_platform.build.platform import Platform
from data_platform.operations.repair import stale_by_table
from data_platform.runs.instance import open_instance
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings
from data_platform_tests.support.chart import CHART, NAMESPACE, values_file
from data_platform_tests.support.tables import TABLES
from tools.kubernetes import Kubernetes
from tools.servers import Postgres, S3Server
from tools.services import HELM

PATIENCE = 1200  # seconds until all that landed is built, on a busy machine
NAME = "data-platform"
_BUCKETS = {"LANDING": "s3://laptop-landing", "WAREHOUSE": "s3://laptop-warehouse"}
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class NotDone(Exception):
    """What was waited for did not happen; the message says what there is instead."""


@dataclass
class Deployment:
    """A deployment of the chart; `image` is `repository:tag`, which the node has."""

    cluster: Kubernetes
    store: S3Server
    database: Postgres
    home: Path  # of this process, which only looks
    image: str

    @cached_property
    def settings(self) -> Settings:
        """Those of the deployment, as this process sees it."""
        return settings_at(
            self.home,
            landing_uri=_BUCKETS["LANDING"],
            warehouse_uri=_BUCKETS["WAREHOUSE"],
            aws_region=self.store.region,
            aws_endpoint=self.store.endpoint,
            database_password=self.database.password,
            **dict.fromkeys(("catalog_uri", "ledger_uri", "dagster_database"), self.database.url),
        )

    @cached_property
    def platform(self) -> Platform:
        """Its tables and its ledger."""
        return Platform(self.settings)

    def prepare(self) -> None:
        """Make the buckets and the secrets that the values of a laptop refer to."""
        for uri in _BUCKETS.values():
            self.store.client().create_bucket(Bucket=uri.removeprefix("s3://"))
        self.cluster.kubectl("create", "namespace", NAMESPACE)
        key = {"access-key": self.store.key.id, "secret-key": self.store.key.secret}
        self._secret("data-platform-store", key)
        self._secret("data-platform-database", {"password": self.database.password})

    def _secret(self, name: str, values: Mapping[str, str]) -> None:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "stringData": dict(values),
        }
        self.cluster.kubectl("apply", "-f", "-", given=json.dumps(secret))

    def install(self, more: Mapping[str, Any] | None = None) -> None:
        """Install the chart, or upgrade it to `more` values, and wait until its pods are ready."""
        repository, _, tag = self.image.rpartition(":")
        here = f"{self.cluster.gateway}/32"
        values = {
            "image": {"repository": repository, "tag": tag},
            "settings": {"AWS_ENDPOINT": self.store.endpoint, "DATABASE": self.database.url},
            "networkPolicy": {
                "database": {"cidrs": [here], "port": self.database.port},
                "store": {"cidrs": [here], "ports": [self.store.port]},
                "kubernetes": {"cidrs": [f"{self.cluster.address}/32"], "ports": [6443]},
            },
        }
        self.helm(
            *("upgrade", "--install", NAME, str(CHART), "--wait", "--timeout", "15m"),
            *("-f", str(values_file("laptop")), "-f", "-"),
            given=json.dumps(values | dict(more or {})),
        )

    def helm(self, *arguments: str, given: str = "") -> str:
        """The output of `helm` in the deployment's namespace."""
        return self.cluster.run(str(HELM.binary), *arguments, "-n", NAMESPACE, given=given)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component that there are now."""
        found = self.cluster.kubectl(
            *("get", "pods", "-n", NAMESPACE, "-o", "json"),
            *("-l", f"app.kubernetes.io/component={component}"),
        )
        return json.loads(found)["items"]

    def land(self, files: Sequence[Path], below: Path) -> None:
        """Put files into the landing bucket, by their paths below a folder."""
        for file in files:
            self.platform.bucket.put(file.relative_to(below).as_posix(), file)

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer of the webserver's GraphQL API."""
        [pod] = self.pods("webserver")
        request = urllib.request.Request(
            f"http://{pod['status']['podIP']}:3000/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def runs(self) -> list[dg.DagsterRun]:
        """All runs, the newest first."""
        with open_instance(self.settings) as instance:
            return list(instance.get_runs())

    def wait_for(self, what: str, condition: Any, patience: float = PATIENCE) -> None:
        """Wait until a condition is true. Raises NotDone with what the deployment says."""
        end = dt.datetime.now() + dt.timedelta(seconds=patience)
        while not condition():
            if dt.datetime.now() > end:
                raise NotDone(f"{what} did not happen:\n{self.described()}")
            time.sleep(3)

    def wait_until_built(self) -> None:
        """Wait until everything that landed is built and no run is under way."""
        self.wait_for("that everything is built", self._is_built)

    def _is_built(self) -> bool:
        with open_instance(self.settings) as instance:
            if instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
                return False
        summary = self.platform.ledger.summary()
        if summary["pending"] or not summary["loaded"]:
            return False
        return not stale_by_table(self.platform, TABLES)

    def described(self) -> str:
        """The pods, the events and the ends of logs."""
        get = ("get", "pods,jobs,events", "-n", NAMESPACE, "-o", "wide")
        logs = [
            self.cluster.kubectl("logs", "-n", NAMESPACE, f"deploy/{NAME}-{name}", "--tail=30")
            for name in ("daemon", "code")
        ]
        return "\n".join([self.cluster.kubectl(*get), *logs])
