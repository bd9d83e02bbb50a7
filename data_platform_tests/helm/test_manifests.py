"""What holds for every manifest, and for the pods that Dagster makes for runs."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from data_platform.settings.model import NO_PROXY
from data_platform_tests.support.chart import (
    ENVIRONMENTS,
    Chart,
    Manifest,
    configuration,
    executor,
    named,
    pods,
    run_job,
)
from tools.go_programs import OAUTH2_PROXY
from tools.identity import PROXY_OPTIONS
from tools.release import BRANCH_VALUES

SECRET = re.compile(r"password|secret|token|access_key", re.IGNORECASE)


def all_pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Those of the manifests, those of runs, and of their executors."""
    yield from pods(manifests)
    yield "a run", run_job(manifests)["spec"]["template"]
    if template := executor(manifests):
        yield "an executor", template


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects what has these labels."""
    wanted = selector.get("matchLabels", {})
    chosen = {each["key"]: each["values"] for each in selector.get("matchExpressions", [])}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(key) in values for key, values in chosen.items()
    )


@pytest.fixture(params=ENVIRONMENTS)
def manifests(helm: Chart, request: pytest.FixtureRequest) -> list[Manifest]:
    return helm.manifests(request.param)


def test_no_container_is_root_or_writes_to_its_image(manifests: list[Manifest]) -> None:
    checked = 0
    for name, pod in all_pods(manifests):
        of_pod = pod["spec"]["securityContext"]
        assert of_pod["runAsNonRoot"] is True, name
        assert of_pod["runAsUser"] == 10001, name
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["spec"]["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            checked += 1
    assert checked >= 5


def test_no_pod_has_the_links_to_services_which_look_like_settings(
    manifests: list[Manifest],
) -> None:
    assert {pod["spec"]["enableServiceLinks"] for _, pod in all_pods(manifests)} == {False}


def test_only_what_starts_pods_has_a_token_of_the_api(helm: Chart) -> None:
    def with_token(environment: str) -> set[str]:
        found = all_pods(helm.manifests(environment))
        return {name for name, pod in found if pod["spec"]["automountServiceAccountToken"]}

    assert with_token("prod") == {"acme-daemon", "acme-webserver"}
    assert with_token("staging") == {"acme-daemon", "acme-webserver", "a run"}


def test_every_container_has_requests_and_a_limit_of_memory(manifests: list[Manifest]) -> None:
    for name, pod in all_pods(manifests):
        if name == "an executor":
            continue  # Spark sets those of executors
        for container in pod["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name


def test_what_runs_for_ever_is_probed(manifests: list[Manifest]) -> None:
    deployments = [m for m in manifests if m["kind"] == "Deployment"]
    assert len(deployments) >= 3
    for deployment in deployments:
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert "readinessProbe" in container, deployment["metadata"]["name"]


def test_no_probe_ends_a_container_because_the_database_is_away(
    manifests: list[Manifest],
) -> None:
    ending = {
        (name, kind)
        for name, pod in pods(manifests)
        for container in pod["spec"]["containers"]
        for kind in ("livenessProbe", "startupProbe")
        if "exec" in container.get(kind, {})
    }
    assert ending == set()
    kept_alive = {
        name.rpartition("-")[2]
        for name, pod in pods(manifests)
        if "livenessProbe" in pod["spec"]["containers"][0]
    }
    assert {"code", "webserver"} <= kept_alive


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pod_has_the_secrets_to_pull_its_image_and_its_place(
    helm: Chart, environment: str
) -> None:
    selectors = {"placement": {"pool": "servers"}, "runs": {"pool": "runs"}}
    tolerations = [{"key": "runs", "operator": "Exists"}]
    more: dict[str, Any] = {name: {"nodeSelector": each} for name, each in selectors.items()}
    more["runs"] |= {"tolerations": tolerations}
    image = {"pullSecrets": [{"name": "registry"}]}

    found = dict(all_pods(helm.manifests(environment, {"image": image, **more})))

    assert len(found) >= 5
    for name, pod in found.items():
        of_run = name in ("a run", "an executor")
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}], name
        wanted = selectors["runs" if of_run else "placement"]
        assert pod["spec"]["nodeSelector"] == wanted, name
        assert pod["spec"].get("tolerations", []) == (tolerations if of_run else []), name


def test_a_password_that_is_read_on_aws_gives_who_reads_it_a_role_and_the_way(
    helm: Chart,
) -> None:
    readers = ("webserver", "daemon", "migrations", "code", "runs")
    role = "arn:aws:iam::123456789012:role/acme-"
    more = {
        "settings": {"DATABASE_PASSWORD": "secretsmanager:acme/db#password"},
        "secrets": [],
        "serviceAccounts": {each: {"role": f"{role}{each}"} for each in readers},
    }

    manifests = helm.manifests("prod", more)

    to_store = named(manifests, "NetworkPolicy", "acme-to-store")["spec"]["podSelector"]
    [components] = [
        each["values"]
        for each in to_store["matchExpressions"]
        if each["key"].endswith("/component")
    ]
    assert set(components) == {*readers, "executors"} - {"migrations"}
    migrations = named(manifests, "NetworkPolicy", "acme-migrations")["spec"]["egress"]
    assert {port["port"] for rule in migrations for port in rule["ports"]} == {53, 443, 5432}
    for each in readers:
        annotations = named(manifests, "ServiceAccount", f"acme-{each}")["metadata"]["annotations"]
        assert annotations["eks.amazonaws.com/role-arn"] == f"{role}{each}"


def test_the_release_of_a_branch_works_in_an_environment_that_comes_and_goes_with_it(
    helm: Chart,
) -> None:
    values = yaml.safe_load(BRANCH_VALUES.read_text("utf-8"))

    manifests = helm.manifests("staging", {**values, "environment": "pr_12"})

    hooks = {
        m["metadata"]["annotations"]["helm.sh/hook"]: m["spec"]["template"]["spec"]["containers"][0]
        for m in manifests
        if m["kind"] == "Job"
    }
    assert {when: container["args"][1:4] for when, container in hooks.items()} == {
        "pre-install": ["environment", "create", "pr_12"],
        "post-delete": ["environment", "drop", "pr_12"],
    }
    chosen = {
        name: variable["value"]
        for name, pod in all_pods(manifests)
        for variable in pod["spec"]["containers"][0].get("env", [])
        if variable["name"] == "DATA_PLATFORM_VIRTUAL_ENVIRONMENT"
    }
    assert set(chosen) == {"a run", "acme-code", "acme-daemon", "acme-webserver"}
    assert set(chosen.values()) == {"pr_12"}
    assert not [m for m in manifests if m["kind"] == "Ingress"]
    account = named(manifests, "ServiceAccount", "acme-migrations")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].endswith("-code")


def test_a_run_may_only_make_and_end_pods(helm: Chart) -> None:
    manifests = helm.manifests("staging")

    [rule] = named(manifests, "Role", "acme-executors")["rules"]
    assert rule["resources"] == ["pods"]
    assert not {"patch", "update"} & set(rule["verbs"])
    assert "Role" not in {
        m["kind"] for m in helm.manifests("prod") if m["metadata"]["name"] == "acme-executors"
    }
    spark = configuration(manifests)["spark-defaults.conf"]
    assert "spark.kubernetes.executor.disableConfigMap true" in spark
    assert "spark.kubernetes.driver.ownPersistentVolumeClaim false" in spark


def test_code_and_runs_export_to_the_collector_that_is_named_and_nothing_else_reaches_it(
    helm: Chart,
) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.observability:4318"}
    to = {"namespace": "observability", "cidrs": [], "ports": [4318]}
    manifests = helm.manifests(
        "prod", {"telemetry": endpoint, "networkPolicy": {"telemetry": to, "mail": {"cidrs": []}}}
    )

    policy = named(manifests, "NetworkPolicy", "acme-to-telemetry")["spec"]
    [rule] = policy["egress"]
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}
    assert rule["to"] == [{"namespaceSelector": namespace}]
    assert rule["ports"] == [{"port": 4318, "protocol": "TCP"}]
    labels = {name: pod["metadata"]["labels"] for name, pod in all_pods(manifests)}
    reaching = {name for name, of in labels.items() if selects(policy["podSelector"], of)}
    assert reaching == {"acme-code", "a run"}
    for name, pod in all_pods(manifests):
        if name in reaching:
            [container] = pod["spec"]["containers"]
            variables = {each["name"]: each.get("value") for each in container["env"]}
            assert endpoint.items() <= variables.items(), name


def test_incidents_reach_a_mail_server_that_is_named(helm: Chart) -> None:
    mail = {"cidrs": ["10.0.9.1/32"], "ports": [587]}
    more = {"alerts": "[channels]", "networkPolicy": {"mail": mail}}

    policy = named(helm.manifests("prod", more), "NetworkPolicy", "acme-to-mail")["spec"]

    assert policy["egress"] == [
        {"to": [{"ipBlock": {"cidr": "10.0.9.1/32"}}], "ports": [{"port": 587, "protocol": "TCP"}]}
    ]


def test_names_are_resolved_by_a_cache_on_the_node_too(helm: Chart) -> None:
    [rule] = named(helm.manifests("prod"), "NetworkPolicy", "acme-to-dns")["spec"]["egress"]

    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]
    assert {each["port"] for each in rule["ports"]} == {53}


def test_no_manifest_has_the_value_of_a_secret(manifests: list[Manifest]) -> None:
    assert not [m for m in manifests if m["kind"] == "Secret"]
    referred = 0
    for name, pod in all_pods(manifests):
        for container in pod["spec"]["containers"]:
            for variable in container.get("env", []):
                if SECRET.search(variable["name"]) and variable.get("value") != NO_PROXY:
                    assert set(variable) == {"name", "valueFrom"}, (name, variable)
                    assert set(variable["valueFrom"]) == {"secretKeyRef"}, (name, variable)
                    referred += 1
    assert referred >= 5


def test_external_secrets_makes_every_secret_that_is_referred_to(helm: Chart) -> None:
    manifests = helm.manifests("prod")
    made = {
        (m["spec"]["target"]["name"], each["secretKey"])
        for m in manifests
        if m["kind"] == "ExternalSecret"
        for each in m["spec"]["data"]
    }
    referred = {
        (reference["name"], reference["key"])
        for _, pod in all_pods(manifests)
        for container in pod["spec"]["containers"]
        for variable in container.get("env", [])
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef"))
    }
    assert referred == made


def test_by_default_every_pod_reaches_nothing_and_is_reached_by_nothing(
    manifests: list[Manifest],
) -> None:
    [deny] = [
        m
        for m in manifests
        if m["kind"] == "NetworkPolicy" and m["metadata"]["name"].endswith("-default-deny")
    ]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_pods_reach_only_what_they_must(helm: Chart) -> None:
    manifests = helm.manifests("prod")
    labels = {name: pod["metadata"]["labels"] for name, pod in all_pods(manifests)}
    allowed = {
        name: {
            m["metadata"]["name"].removeprefix("acme-")
            for m in manifests
            if m["kind"] == "NetworkPolicy"
            and "default-deny" not in m["metadata"]["name"]
            and selects(m["spec"]["podSelector"], of)
        }
        for name, of in labels.items()
    }
    code, webserver = "webserver-daemon-reach-code", "proxy-reach-webserver"
    assert allowed == {
        "acme-code": {"to-dns", "to-database", "to-store", "webserver-daemon-into-code"},
        "acme-daemon": {"to-dns", "to-database", "to-kubernetes", code},
        "acme-webserver": {
            *("to-dns", "to-database", "to-kubernetes", code, "proxy-into-webserver"),
        },
        "acme-proxy": {"to-dns", "to-identity", webserver, "ingress-into-proxy"},
        "acme-migrations": {"to-dns", "migrations"},
        "a run": {"to-dns", "to-database", "to-store"},
    }


def test_services_and_budgets_select_the_pods_of_their_deployment(
    manifests: list[Manifest],
) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests)}
    selecting = [m for m in manifests if m["kind"] in ("Service", "PodDisruptionBudget")]
    assert len(selecting) >= 5
    for manifest in selecting:
        selector = manifest["spec"]["selector"]
        selector = selector if "matchLabels" in selector else {"matchLabels": selector}
        found = [name for name, of in labels.items() if selects(selector, of)]
        assert found == [manifest["metadata"]["name"]]


def test_from_outside_only_the_proxy_is_reached(helm: Chart) -> None:
    manifests = helm.manifests("prod")

    [rule] = named(manifests, "Ingress", "acme-proxy")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == "acme-proxy"
    assert not [m for m in helm.manifests("laptop") if m["kind"] == "Ingress"]
    services = [m for m in manifests if m["kind"] == "Service"]
    assert {m["spec"].get("type", "ClusterIP") for m in services} == {"ClusterIP"}


def test_the_proxy_says_who_someone_is_as_tests_have_seen_it(helm: Chart) -> None:
    manifests = helm.manifests("prod")
    [proxy] = [pod for name, pod in pods(manifests) if name == "acme-proxy"]
    [webserver] = [pod for name, pod in pods(manifests) if name == "acme-webserver"]
    [of_proxy], [of_webserver] = (pod["spec"]["containers"] for pod in (proxy, webserver))
    theirs = {each["name"]: each for each in of_proxy["env"]}
    ours = {each["name"]: each for each in of_webserver["env"]}

    assert {*PROXY_OPTIONS} <= {*of_proxy["args"]}
    assert of_proxy["image"].endswith(f":{OAUTH2_PROXY.version}")
    password = theirs["OAUTH2_PROXY_BASIC_AUTH_PASSWORD"]["valueFrom"]
    assert password == {"secretKeyRef": {"name": "acme-login", "key": "upstream-password"}}
    assert ours["DATA_PLATFORM_PROXY_SECRET"]["valueFrom"] == password
    assert ours["DATA_PLATFORM_OPERATORS"]["value"] == "data-operators"
    assert ours["DATA_PLATFORM_VIEWERS"]["value"] == "data-viewers"


def test_where_there_is_no_proxy_the_webserver_is_told_so(helm: Chart) -> None:
    [webserver] = [p for name, p in pods(helm.manifests("laptop")) if name.endswith("-webserver")]
    given = {each["name"]: each.get("value") for each in webserver["spec"]["containers"][0]["env"]}

    assert given["DATA_PLATFORM_PROXY_SECRET"] == NO_PROXY


def test_the_proxys_password_is_the_webservers_alone(helm: Chart) -> None:
    manifests = helm.manifests("prod")
    having = {name for name, pod in pods(manifests) if "upstream-password" in str(pod)}

    assert having == {"acme-proxy", "acme-webserver"}
    assert "upstream-password" not in str(run_job(manifests))


def test_only_code_and_runs_take_a_role_that_reaches_the_buckets(helm: Chart) -> None:
    roles = {
        m["metadata"]["name"]: m["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for m in helm.manifests("prod")
        if m["kind"] == "ServiceAccount"
        and "eks.amazonaws.com/role-arn" in m["metadata"].get("annotations", {})
    }
    assert roles == {
        "acme-code": "arn:aws:iam::123456789012:role/acme-prod-code",
        "acme-runs": "arn:aws:iam::123456789012:role/acme-prod-runs",
    }


def test_a_changed_configuration_restarts_the_pods_that_read_it(helm: Chart) -> None:
    def checksums(more: dict[str, Any]) -> set[str]:
        found = pods(helm.manifests("prod", more))
        annotations = [pod["metadata"].get("annotations", {}) for _, pod in found]
        return {a["checksum/configuration"] for a in annotations if a}

    before, after = checksums({}), checksums({"runs": {"concurrent": 9}})
    assert len(before) == len(after) == 1
    assert before != after


def test_migrations_come_before_the_pods_of_a_version_and_need_nothing_of_the_chart(
    helm: Chart,
) -> None:
    manifests = helm.manifests("prod")
    job = named(manifests, "Job", "acme-migrations")
    hooks = [
        m
        for m in manifests
        if "pre-install" in m["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    ]

    assert job in hooks
    spec = job["spec"]["template"]["spec"]
    accounts = [m["metadata"]["name"] for m in hooks if m["kind"] == "ServiceAccount"]
    assert [spec["serviceAccountName"]] == accounts
    assert all("emptyDir" in volume for volume in spec["volumes"])
    actor = {"name": "DATA_PLATFORM_ACTOR", "value": "helm, release data-platform"}
    assert all(actor in container["env"] for container in spec["containers"])
    weight = {m["kind"]: int(m["metadata"]["annotations"]["helm.sh/hook-weight"]) for m in hooks}
    assert weight["ServiceAccount"] < weight["ExternalSecret"] < weight["Job"]


def test_migrations_reach_a_new_database_while_the_other_policies_are_still_the_old_ones(
    helm: Chart,
) -> None:
    new = {"networkPolicy": {"database": {"cidrs": ["10.99.0.0/24"], "port": 6432}}}
    manifests = helm.manifests("prod", new)
    labels = named(manifests, "Job", "acme-migrations")["spec"]["template"]["metadata"]["labels"]
    hooks = [
        m
        for m in manifests
        if m["kind"] == "NetworkPolicy"
        and "pre-upgrade" in m["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    ]

    [hook] = hooks
    assert selects(hook["spec"]["podSelector"], labels)
    to_dns, to_database = hook["spec"]["egress"]
    assert to_database == {
        "to": [{"ipBlock": {"cidr": "10.99.0.0/24"}}],
        "ports": [{"port": 6432, "protocol": "TCP"}],
    }
    assert to_dns == named(manifests, "NetworkPolicy", "acme-to-dns")["spec"]["egress"][0]


def verbs_of(manifests: list[Manifest]) -> dict[tuple[str, str], set[str]]:
    """What an account may do with a resource, by all rules of all its roles."""
    rules = {m["metadata"]["name"]: m["rules"] for m in manifests if m["kind"] == "Role"}
    found: dict[tuple[str, str], set[str]] = {}
    for binding in (m for m in manifests if m["kind"] == "RoleBinding"):
        for subject in binding["subjects"]:
            account = subject["name"].rpartition("-")[2]
            for rule in rules[binding["roleRef"]["name"]]:
                for resource in rule["resources"]:
                    found.setdefault((account, resource), set()).update(rule["verbs"])
    return found


def test_only_the_daemon_may_create_jobs(manifests: list[Manifest]) -> None:
    verbs, looks = verbs_of(manifests), {"get", "list", "watch"}
    of_executors = "runs", "pods"
    changed = {each for each, may in verbs.items() if may - looks - {"delete"}}

    assert changed - {of_executors} == {("daemon", "jobs")}
    assert {account for account, _ in verbs} - {"runs"} == {"daemon", "webserver"}
    assert verbs["daemon", "jobs"] == looks | {"create", "delete"}
    for account in ("daemon", "webserver"):
        deleted = {r for (who, r), may in verbs.items() if who == account and "delete" in may}
        assert deleted == {"jobs", "pods"}
    assert not any(m["kind"].startswith("Cluster") for m in manifests)
