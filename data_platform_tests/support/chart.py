"""The chart of `docker/helm`, rendered by Helm, and what its manifests consist of."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterRun
from dagster._serdes import ConfigurableClassData
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import construct_dagster_k8s_job
from kubernetes.client import ApiClient

from data_platform.settings.model import CHECKOUT
from tools.go_programs import HELM
from tools.servers import NotInstalled

CHART = CHECKOUT / "docker" / "helm"
ENVIRONMENTS = ("laptop", "staging", "prod")
NAMESPACE = "data-platform"
KUBERNETES = "1.34"  # what the chart is rendered for and validated against

Manifest = dict[str, Any]

_NO_CLUSTER = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


class Refused(Exception):
    """Helm refuses the values; the message is its own."""


@dataclass(frozen=True)
class Chart:
    """The chart as this Helm renders it."""

    helm: Path

    def lint(self, environment: str) -> str:
        """What `helm lint` says. Raises Refused."""
        return self._run("lint", "--strict", "-f", str(values_file(environment)), str(CHART))

    def text(self, environment: str, more: Mapping[str, Any] | None = None) -> str:
        """The manifests with the environment's values, and `more` of them. Raises Refused."""
        return self._run(
            *("template", "data-platform", str(CHART), "--namespace", NAMESPACE),
            *("--kube-version", f"{KUBERNETES}.0", "-f", str(values_file(environment)), "-f", "-"),
            given=json.dumps(more or {}),
        )

    def manifests(self, environment: str, more: Mapping[str, Any] | None = None) -> list[Manifest]:
        """The manifests as data."""
        return [each for each in yaml.safe_load_all(self.text(environment, more)) if each]

    def _run(self, *arguments: str, given: str = "") -> str:
        command = [str(self.helm), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.stdout + done.stderr)
        return done.stdout


def installed_helm() -> Path:
    """Helm's program. Raises NotInstalled."""
    if not HELM.binary.exists():
        raise NotInstalled("helm is not installed: run `make services`")
    return HELM.binary


def values_file(environment: str) -> Path:
    """The values of an environment."""
    return CHART / "values" / f"{environment}.yaml"


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The manifest of this kind and name."""
    [found] = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The name and the template of each pod that the manifests make."""
    for manifest in manifests:
        if template := manifest.get("spec", {}).get("template"):
            yield manifest["metadata"]["name"], template


def configuration(manifests: list[Manifest]) -> Mapping[str, str]:
    """The files that the pods have in /etc/data-platform."""
    [found] = [m["data"] for m in manifests if m["kind"] == "ConfigMap"]
    return found


def executor(manifests: list[Manifest]) -> Manifest | None:
    """The template of the executors' pods, if runs are on Spark. Spark names them."""
    text = configuration(manifests).get("executor.yaml")
    return yaml.safe_load(text) if text else None


def run_job(manifests: list[Manifest]) -> Manifest:
    """The Job with which dagster-k8s starts a run, configured as the chart has it."""
    config = yaml.safe_load(configuration(manifests)["instance.yaml"])["run_launcher"]["config"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as nowhere:
        nowhere.write(_NO_CLUSTER)
        nowhere.flush()
        outside = {"load_incluster_config": False, "kubeconfig_file": nowhere.name}
        launcher = ConfigurableClassData(
            "dagster_k8s", "K8sRunLauncher", yaml.safe_dump(config | outside)
        ).rehydrate(as_type=K8sRunLauncher)
    context = launcher.get_container_context_for_run(DagsterRun(job_name="daily"))
    job = construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config(run_image(manifests), launcher),
        args=["dagster", "api", "execute_run"],
        job_name="dagster-run",
        user_defined_k8s_config=context.run_k8s_config,
    )
    made: Any = ApiClient().sanitize_for_serialization(job)
    made["metadata"]["namespace"] = context.namespace
    return made


def run_image(manifests: list[Manifest]) -> str:
    """The image that the code location names for its runs."""
    [image] = {
        variable["value"]
        for _, pod in pods(manifests)
        for container in pod["spec"]["containers"]
        for variable in container.get("env", [])
        if variable["name"] == "DAGSTER_CURRENT_IMAGE"
    }
    return image
