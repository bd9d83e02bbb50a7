"""Outside judges of the manifests: the API's own schemas, and checkov's audit."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_platform_tests.support.chart import (
    ENVIRONMENTS,
    KUBERNETES,
    Chart,
    Manifest,
    executor,
    run_job,
)

pytestmark = pytest.mark.timeout(600)

# What checkov finds and is as it should be: the reason, and where.
PODS = {"acme-code", "acme-daemon", "acme-proxy", "acme-webserver", "acme-migrations"}
ACCEPTED: Mapping[str, tuple[str, set[str]]] = {
    "CKV_K8S_8": (
        "no probe that ends the daemon: it would end while its database is away; it ends by itself",
        {"acme-daemon"},
    ),
    "CKV_K8S_11": (
        "no limit of CPU: it would only throttle; shares follow the requests",
        {*PODS, "dagster-run"},
    ),
    "CKV_K8S_35": (
        "secrets in variables: the settings, AWS's clients and the proxy read them there",
        {*PODS, "dagster-run"},
    ),
    "CKV_K8S_38": (
        "a token of the API: the daemon starts the pods of runs, the webserver ends them",
        {"acme-daemon", "acme-webserver"},
    ),
    "CKV_K8S_43": ("the proxy's image by its tag: a deployment has its own copy", {"acme-proxy"}),
    "CKV_K8S_15": (
        "not pulled at each start: a deployment has its own copy, by a tag that does not move",
        {"acme-proxy"},
    ),
}
# Staging's runs are on Spark: they start executors, of which the chart has a template.
ON_SPARK: Mapping[str, tuple[str, set[str]]] = {
    "CKV_K8S_8": ("an executor that does not answer is replaced by its run", {"executor"}),
    "CKV_K8S_9": ("nothing is sent to an executor but what its run sends", {"executor"}),
    **dict.fromkeys(
        ("CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13"),
        ("Spark sets what an executor requests, and its limit of memory", {"executor"}),
    ),
    **dict.fromkeys(
        ("CKV_K8S_14", "CKV_K8S_15", "CKV_K8S_43"),
        ("Spark sets the image of an executor, which is the release's own", {"executor"}),
    ),
    "CKV_K8S_21": ("Spark sets the namespace of an executor", {"executor"}),
    "CKV_K8S_38": ("a run starts its executors", {"dagster-run"}),
}
JUDGED = {"prod": (ACCEPTED,), "staging": (ACCEPTED, ON_SPARK)}
BY_DIGEST = {"image": {"digest": f"sha256:{64 * '0'}"}}  # as the pipeline deploys
PRIVILEGED = "CKV_K8S_16"


def every_manifest(helm: Chart, environment: str) -> list[Manifest]:
    """Those that Helm makes, and the pods that are made for runs."""
    manifests = helm.manifests(environment, BY_DIGEST)
    made = [run_job(manifests)]
    if template := executor(manifests):
        template["metadata"]["name"] = "executor"
        made.append(template)
    return [*manifests, *made]


def file_of(manifests: list[Manifest], path: Path) -> str:
    path.write_text(yaml.safe_dump_all(manifests), "utf-8")
    return str(path)


def validated(program: Path, file: str) -> tuple[int, str]:
    """How many manifests are valid, and what is said of the others."""
    command = [str(program), "-k", KUBERNETES, "--strict", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    passed = [line for line in lines if " passed for resource " in line]
    return len(passed), "\n".join(line for line in lines if line not in passed)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_manifest_is_valid_for_the_api(
    helm: Chart, validator: Callable[[str], Path], tmp_path: Path, environment: str
) -> None:
    manifests = every_manifest(helm, environment)
    of_the_api = [m for m in manifests if m["kind"] != "ExternalSecret"]  # not Kubernetes's own

    passed, rest = validated(
        validator("kubernetes-validate"), file_of(of_the_api, tmp_path / "all.yaml")
    )

    assert rest == ""
    assert passed == len(of_the_api) >= 20


@pytest.mark.parametrize(
    ("spec", "why"),
    [({"replicas": "two"}, "'two' is not of type 'integer'"), ({"replica": 2}, "'replica' was un")],
)
def test_a_manifest_that_the_api_would_refuse_is_told(
    helm: Chart, validator: Callable[[str], Path], tmp_path: Path, spec: dict[str, Any], why: str
) -> None:
    wrong = next(m for m in helm.manifests("prod") if m["kind"] == "Deployment")
    wrong["spec"] |= spec

    passed, rest = validated(
        validator("kubernetes-validate"), file_of([wrong], tmp_path / "wrong.yaml")
    )

    assert passed == 0
    assert why in rest


@pytest.mark.parametrize("environment", JUDGED)
def test_an_audit_finds_what_is_accepted_and_nothing_else(
    helm: Chart, validator: Callable[[str], Path], tmp_path: Path, environment: str
) -> None:
    accepted: dict[str, set[str]] = {}
    for findings in JUDGED[environment]:
        for check, (_, names) in findings.items():
            accepted[check] = accepted.get(check, set()) | names
    wrong = run_job(helm.manifests(environment, BY_DIGEST))
    wrong["metadata"]["name"] = "wrong"
    [container] = wrong["spec"]["template"]["spec"]["containers"]
    container["securityContext"]["privileged"] = True
    file_of([*every_manifest(helm, environment), wrong], tmp_path / "all.yaml")

    found = audited(validator("checkov"), tmp_path)

    assert found.pop(PRIVILEGED) == {"wrong"}
    assert {check: names - {"wrong"} for check, names in found.items()} == accepted


def audited(program: Path, directory: Path) -> dict[str, set[str]]:
    """The names of the objects that fail each of checkov's checks."""
    command = [str(program), "--framework", "kubernetes", "-d", str(directory)]
    options = ["--skip-download", "--quiet", "--compact", "--output", "json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 300
    found: dict[str, set[str]] = {}
    for failed in report["results"]["failed_checks"]:
        name = failed["resource"].rpartition(".")[2]
        found.setdefault(failed["check_id"], set()).add(name)
    return found
