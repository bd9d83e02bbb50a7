"""The chart, installed on a Kubernetes of this machine, with a store and a database beside it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from data_platform.build.platform import Platform
from data_platform.operations.repair import stale_by_table
from data_platform.runs.instance import open_instance
from data_platform.runs.liveness import UNDER_WAY
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings
from data_platform.settings.virtual import inside
from data_platform.storage.waiting import wait
from data_platform_tests.support.backfills import LAUNCH_BACKFILL, backfill_of
from data_platform_tests.support.tables import TABLES
from tools.dagster_api import Webserver
from tools.go_programs import HELM
from tools.kubernetes import Kubernetes
from tools.postgres_server import Postgres
from tools.release import Release, files_of, namespace_of, values_of_branch
from tools.servers import S3Server

PATIENCE = 1200  # seconds until all that landed is built, on a busy machine
_BUCKETS = {"LANDING": "s3://laptop-landing", "WAREHOUSE": "s3://laptop-warehouse"}
_CANCEL = """
mutation ($run: String!) {
  terminateRun(runId: $run) { __typename ... on TerminateRunFailure { message } }
}
"""
_STATUS = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""


class NotDone(Exception):
    """What was waited for did not happen; the message says what there is instead."""


@dataclass
class Deployment:
    """A deployment of the chart, or that of a branch beside it; the images are `repository:tag`,
    which the node has."""

    cluster: Kubernetes
    store: S3Server
    database: Postgres
    home: Path  # of this process, which only looks
    image: str
    spark_image: str
    branch: str = ""

    def of_branch(self, name: str) -> "Deployment":
        """The deployment of a branch of this one, which is not installed yet."""
        return replace(self, branch=name)

    @property
    def namespace(self) -> str:
        """Where its pods are."""
        return namespace_of(self.branch)

    @property
    def environment(self) -> str:
        """The virtual environment of its tables, if it has one."""
        return values_of_branch(self.branch).get("environment", "")

    @cached_property
    def settings(self) -> Settings:
        """Those of the deployment, as this process sees it."""
        production = settings_at(
            self.home,
            landing_uri=_BUCKETS["LANDING"],
            warehouse_uri=_BUCKETS["WAREHOUSE"],
            aws_region=self.store.region,
            aws_endpoint=self.store.endpoint,
            database_password=self.database.password,
            **dict.fromkeys(("catalog_uri", "ledger_uri", "dagster_database"), self.database.url),
        )
        return inside(production, self.environment)

    @cached_property
    def platform(self) -> Platform:
        """Its tables and its ledger."""
        return Platform(self.settings)

    def prepare(self) -> None:
        """Make the buckets and the secrets that the values of a laptop refer to."""
        for uri in _BUCKETS.values():
            self.store.client().create_bucket(Bucket=uri.removeprefix("s3://"))
        self.prepare_namespace()

    def prepare_namespace(self) -> None:
        """Make the namespace with these secrets."""
        self.cluster.kubectl("create", "namespace", self.namespace)
        key = {"access-key": self.store.key.id, "secret-key": self.store.key.secret}
        self._secret("data-platform-store", key)
        self._secret("data-platform-database", {"password": self.database.password})

    def _secret(self, name: str, values: Mapping[str, str]) -> None:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            "stringData": dict(values),
        }
        self.cluster.kubectl("apply", "-f", "-", given=json.dumps(secret))

    def install(self, more: Mapping[str, Any] | None = None) -> None:
        """Install the chart, or upgrade it to `more` values, and wait until its pods are ready."""
        here = f"{self.cluster.gateway}/32"
        values = {
            "image": as_values(self.image),
            "settings": {"AWS_ENDPOINT": self.store.endpoint, "DATABASE": self.database.url},
            "networkPolicy": {
                "database": {"cidrs": [here], "port": self.database.port},
                "store": {"cidrs": [here], "ports": [self.store.port]},
                "kubernetes": {"cidrs": [f"{self.cluster.address}/32"], "ports": [6443]},
            },
        }
        given = _merged(values, {**values_of_branch(self.branch), **(more or {})})
        self.release.deploy(files_of("laptop", self.branch), given)

    def another_image(self) -> str:
        """The same image under another tag: a new version."""
        self.cluster.tag(self.image, f"{self.image}-next")
        return f"{self.image}-next"

    @property
    def release(self) -> Release:
        """What `make deploy` and `make rollback` work on."""

        def helm(*arguments: str, given: str = "") -> str:
            return self.cluster.run(str(HELM.binary), *arguments, given=given)

        return Release(helm, self.namespace, timeout="15m")

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component that there are now."""
        found = self.cluster.kubectl(
            *("get", "pods", "-n", self.namespace, "-o", "json"),
            *("-l", f"app.kubernetes.io/component={component}"),
        )
        return json.loads(found)["items"]

    def within(self, component: str, *command: str) -> str:
        """What a command prints in a pod of a component, with its variables."""
        return self.cluster.kubectl(
            "exec", "-n", self.namespace, f"deploy/data-platform-{component}", "--", *command
        )

    def land(self, files: Sequence[Path], below: Path) -> None:
        """Put files into the landing bucket, by their paths below a folder."""
        for file in files:
            self.platform.bucket.put(file.relative_to(below).as_posix(), file)

    @property
    def web(self) -> Webserver:
        """The webserver, at the address of its pod."""
        [pod] = self.pods("webserver")
        return Webserver(f"http://{pod['status']['podIP']}:3000")

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer of the webserver's GraphQL API."""
        return self.web.ask(query, **variables)

    def backfill(self, table: str, partitions: Sequence[str]) -> str:
        """Launch a backfill as the UI does; returns its id. Raises NotDone if it is refused."""
        asked = backfill_of([table], partitions)
        launched = self.ask(LAUNCH_BACKFILL, **asked)["launchPartitionBackfill"]
        if "backfillId" not in launched:
            raise NotDone(f"the backfill of {table} was refused: {launched}")
        return launched["backfillId"]

    def end_of_backfill(self, backfill: str) -> str:
        """How it ended, once it has."""

        def status() -> str:
            return self.ask(_STATUS, id=backfill)["partitionBackfillOrError"]["status"]

        under_way = ("REQUESTED", "CANCELING", "FAILING")
        self.wait_for(f"the end of backfill {backfill}", lambda: status() not in under_way)
        return status()

    def cancel(self, run: dg.DagsterRun) -> None:
        """Cancel a run as the UI does. Raises NotDone if it cannot be."""
        answer = self.ask(_CANCEL, run=run.run_id)["terminateRun"]
        if answer["__typename"] != "TerminateRunSuccess":
            raise NotDone(f"run {run.run_id} could not be canceled: {answer}")

    def pod_at_work(self) -> dict[str, Any]:
        """The pod of a run that has started and not ended, as soon as there is one."""
        found: list[dict[str, Any]] = []

        def looked() -> bool:
            with open_instance(self.settings) as instance:
                started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
                ids = {run.run_id for run in instance.get_runs(started)}
            found[:] = [
                pod
                for pod in self.pods("runs")
                if pod["metadata"]["labels"]["dagster/run-id"] in ids
                and pod["status"]["phase"] == "Running"
            ]
            return bool(found)

        self.wait_for("that a run is at work", looked, every=0.5)
        return found[0]

    def kill(self, pod: Mapping[str, Any]) -> None:
        """Kill a pod at once, as the loss of its node would."""
        name = pod["metadata"]["name"]
        at_once = ("--grace-period=0", "--force", "--wait=false")
        self.cluster.kubectl("delete", "pod", name, "-n", self.namespace, *at_once)

    def runs(self) -> list[dg.DagsterRun]:
        """All runs, the newest first."""
        with open_instance(self.settings) as instance:
            return list(instance.get_runs())

    def wait_for(self, what: str, condition: Callable[[], bool], every: float = 3) -> None:
        """Wait until a condition is true. Raises NotDone with what the deployment says."""

        def looked() -> bool:
            return condition() or time.sleep(every) is not None

        if not wait(looked, PATIENCE):
            raise NotDone(f"timed out waiting for {what}.\n{self.described()}")

    def wait_until_built(self) -> None:
        """Wait until everything that landed is built and no run is under way."""
        self.wait_for("that everything is built", self._is_built)

    def _is_built(self) -> bool:
        with open_instance(self.settings) as instance:
            if instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
                return False
        summary = self.platform.ledger.summary()
        if summary["pending"] or not summary["loaded"]:
            return False
        return not stale_by_table(self.platform, TABLES)

    def described(self) -> str:
        """The pods, the events and the ends of logs."""
        get = ("get", "pods,jobs,events", "-n", self.namespace, "-o", "wide")
        logs = [
            self.cluster.kubectl("logs", "-n", self.namespace, deployed, "--tail=30")
            for deployed in ("deploy/data-platform-daemon", "deploy/data-platform-code")
        ]
        return "\n".join([self.cluster.kubectl(*get), *logs])


def as_values(image: str) -> dict[str, str]:
    """An image, `repository:tag`, as values of the chart."""
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}


def _merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Values with more of them; those of one section are put together."""
    merged = {**values, **more}
    for key in values.keys() & more.keys():
        if isinstance(more[key], Mapping):
            merged[key] = _merged(values[key], more[key])
    return merged
