"""The images of the platform, in containers that are read-only, without network or rights."""

import json
import re

import pytest

from data_platform.operations.versions import installed_version
from data_platform.storage.waiting import wait
from data_platform_tests.docker.test_dockerfiles import locked
from tools.docker import IMAGES, Docker, build, revision
from tools.jars import read_lock
from tools.sbom import sbom

SPARK = IMAGES["spark"].name
MOST_MEGABYTES = {IMAGES["platform"].name: 1400, SPARK: 2150}
PATIENCE = 120  # seconds for a server, on a busy machine
LOCKED_DOWN = ("--read-only", "--network", "none", "--cap-drop", "ALL", "--tmpfs", "/tmp")
# Compose runs the platform's image in its own test, so that here the published one is enough.
OF_THE_PUBLISHED = pytest.mark.parametrize(
    "image", [pytest.param("platform", marks=pytest.mark.soak), "spark"], indirect=True
)
# What an image must not have: what builds, what downloads, and what is left of both.
UNWANTED = r"""
for program in gcc cc make git curl wget pip pip3 javac; do command -v $program; done
find / -xdev \( -name .cache -o -name '*.deb' -o -name '.git' \) 2>/dev/null
ls /var/lib/apt/lists
find / -xdev -name '*.whl' 2>/dev/null
true
"""


def run(docker: Docker, image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return docker.run("run", "--rm", *LOCKED_DOWN, *options, image, *command).stdout


def inspected(docker: Docker, image: str) -> dict:
    return json.loads(docker.run("image", "inspect", image).stdout)[0]


def test_it_answers_with_the_version_of_the_project(docker: Docker, image: str) -> None:
    version = installed_version().split()[0]

    assert run(docker, image, "data-platform", "--version") == f"data-platform {version}\n"


@OF_THE_PUBLISHED
def test_the_demo_accounts_for_every_row(docker: Docker, image: str) -> None:
    on_spark = ("--env", "DATA_PLATFORM_SPARK=local[2]", "--tmpfs", "/tmp:exec")
    options = on_spark if image == SPARK else ()

    said = run(docker, image, "python", "-m", "data_platform.demo", options=options)

    assert re.search(r"Conservation: 24,888 received = .* published", said), said


def test_it_runs_as_nobody_special_who_writes_only_at_home_and_in_tmp(
    docker: Docker, image: str
) -> None:
    code = "id -u; touch ~/a /tmp/a; touch /a 2>&1; touch /opt/data-platform/a 2>&1; true"

    uid, *refused = run(docker, image, "sh", "-c", code).splitlines()

    assert uid == "10001"
    assert len(refused) == 2 and all("Read-only file system" in line for line in refused)


def test_even_where_the_root_is_not_read_only_no_program_of_it_can_be_replaced(
    docker: Docker, image: str
) -> None:
    code = "find / -xdev -writable -not -type l -not -path '/tmp*' -not -path '/proc/*' 2>/dev/null"

    found = docker.run("run", "--rm", "--network", "none", image, "sh", "-c", f"{code}; true")

    outside = [
        path
        for path in found.stdout.splitlines()
        if not path.startswith(("/var/lib/data-platform", "/dev", "/var/tmp", "/run/lock"))
    ]
    assert outside == []


def test_it_has_no_compiler_and_no_downloads(docker: Docker, image: str) -> None:
    assert run(docker, image, "sh", "-c", UNWANTED) == ""
    assert "/usr/bin/env" in run(docker, image, "sh", "-c", "command -v env")


def test_only_the_one_for_spark_has_java_and_jars(docker: Docker, image: str) -> None:
    jars = "find / -xdev -name '*.jar' -not -path '*/share/py4j/*'"  # which Python's package has
    found = run(docker, image, "sh", "-c", f"command -v java; {jars}; true")

    if image != SPARK:
        assert found == ""
        return
    java, *there = found.splitlines()
    locked_jars = {jar.name for jar in read_lock()["jars"]}
    assert java == "/usr/bin/java"
    assert {f"/opt/jars/{name}" for name in locked_jars} <= set(there)


def test_no_layer_has_a_secret(docker: Docker, image: str) -> None:
    history = docker.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
    environment = inspected(docker, image)["Config"]["Env"]
    names = {each.partition("=")[0] for each in environment}

    assert not re.search(r"(?i)(password|token|secret_?key)=", history)
    assert names - {"DATA_PLATFORM_SPARK_JARS"} == {
        *("PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"),
        *("DATA_PLATFORM_HOME", "DATA_PLATFORM_LOG_FORMAT"),
    }
    assert run(docker, image, "sh", "-c", "ls /run/secrets 2>/dev/null; true") == ""


def test_it_says_what_it_is(docker: Docker, image: str) -> None:
    config = inspected(docker, image)["Config"]

    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == installed_version().split()[0]
    built_from = labels["org.opencontainers.image.revision"]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", built_from)
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", revision())
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "healthcheck"]


@OF_THE_PUBLISHED
def test_a_container_of_the_code_server_becomes_healthy_and_ends_on_sigterm(
    docker: Docker, image: str
) -> None:
    run_it = ("run", "--detach", *LOCKED_DOWN, "--health-interval", "2s", image, "code-server")
    container = docker.run(*run_it).stdout.strip()
    try:
        state = "{{.State.Health.Status}}"
        wait_for(docker, container, state, "healthy")
        docker.run("stop", "--time", "60", container)
        ended = docker.run("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip()
    finally:
        docker.run("rm", "--force", "--volumes", container)

    assert ended == "0"


def wait_for(docker: Docker, container: str, state: str, wanted: str) -> None:
    found = []

    def there() -> bool:
        found[:] = [docker.run("inspect", "--format", state, container).stdout.strip()]
        return found == [wanted]

    assert wait(there, PATIENCE), f"{found}: {docker.ask('logs', container)}"


def test_the_one_for_dagster_plus_has_the_agents_package_beside_the_code(docker: Docker) -> None:
    plus = IMAGES["dagster-plus"]
    build(docker, plus)
    code = "import dagster_cloud.instance, data_platform.definitions; print('both')"

    assert run(docker, plus.name, "python", "-c", code) == "both\n"
    version = locked("docker/requirements.lock")["dagster"]
    assert run(docker, plus.name, "dagster-cloud", "--version").split()[-1] == version


@OF_THE_PUBLISHED
def test_its_health_is_that_of_the_server_not_of_the_container(docker: Docker, image: str) -> None:
    """A code server that answers nothing: its port is not even open."""
    asks = "exec 2>&1; healthcheck; echo $?"
    done = docker.run(
        *("run", "--rm", *LOCKED_DOWN, "--entrypoint", "sh", image),
        *("-c", asks, "code-server"),
    )

    assert done.stdout.splitlines()[-1] == "1", done.stdout


@OF_THE_PUBLISHED
def test_the_bill_of_materials_has_every_locked_package_and_debians(
    docker: Docker, image: str
) -> None:
    document = sbom(docker, image)

    found = {each["purl"] for each in document["components"]}
    lock = locked("docker/requirements.lock")
    assert {f"pkg:pypi/{name}@{lock[name]}" for name in ("dagster", "pysail", "pyarrow")} <= found
    assert any(purl.startswith("pkg:deb/debian/python3.11@") for purl in found)
    installed = {purl.split("/")[1].split("@")[0] for purl in found if ":pypi/" in purl}
    assert installed - {"data-platform"} <= {name.replace("_", "-") for name in lock}
    assert document["bomFormat"] == "CycloneDX"


def test_its_size_is_held(docker: Docker, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    megabytes = inspected(docker, image)["Size"] / 1_000_000
    largest = "du -xsm /usr /opt/data-platform/lib/python3.11/site-packages/* | sort -rn | head -12"
    made_of = run(docker, image, "sh", "-c", f"{largest} | sed 's|/.*/||'")
    with capsys.disabled():
        print(f"\n{image}: {megabytes:.0f} MB, of it (MiB):\n{made_of}")

    assert megabytes < MOST_MEGABYTES[image], made_of


def test_a_layer_of_the_project_alone_changes_with_its_code(docker: Docker, image: str) -> None:
    lines = docker.run("history", "--format", "{{.Size}} {{.CreatedBy}}", image).stdout.splitlines()

    (project,) = (line for line in lines if "/opt/project" in line)
    assert re.match(r"[\d.]+[kM]B ", project), project
