"""What the files of docker/ say, without building anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from data_platform.runs.container import CODE_SERVER_PORT, COMMANDS, WEBSERVER_PORT
from tools.go_programs import VERSITYGW
from tools.jars import ROOT

DOCKERFILES = sorted((ROOT / "docker").rglob("Dockerfile"))
HADOLINT = Path(sys.prefix, "bin", "hadolint")


def hadolint(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [HADOLINT, "--config", ROOT / "docker" / "hadolint.yaml", file]
    return subprocess.run(command, capture_output=True, text=True)


def locked(lock: str) -> dict[str, str]:
    """The version of each package."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), re.M))


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    found = hadolint(file)

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nRUN cd /tmp && sudo ls\nCMD ls\n")

    assert "DL3006" in hadolint(bad).stdout


def test_an_image_has_the_versions_that_the_project_is_tested_with() -> None:
    tested, image = locked("requirements.lock"), locked("docker/requirements.lock")

    assert {"dagster", "pysail", "setuptools"} <= image.keys()
    assert image.items() <= tested.items()


def test_an_image_has_nothing_that_only_development_needs() -> None:
    image = locked("docker/requirements.lock")

    assert not {"pytest", "moto", "ruff", "pyright", "hypothesis"} & image.keys()
    assert "pytest" in locked("requirements.lock")


def test_the_store_is_the_one_that_tests_run_against() -> None:
    file = (ROOT / "docker/services/Dockerfile").read_text("utf-8")

    assert f"{VERSITYGW.package}@{VERSITYGW.version}" in file


def test_compose_and_the_image_know_the_commands_and_ports_of_the_servers() -> None:
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text("utf-8"))["services"]
    workspace = yaml.safe_load((ROOT / "docker/workspace.yaml").read_text("utf-8"))
    (server,) = (each["grpc_server"] for each in workspace["load_from"])

    assert {services[name]["command"][0] for name in COMMANDS} == COMMANDS.keys()
    assert server["host"] in services and server["port"] == CODE_SERVER_PORT
    assert f"EXPOSE {WEBSERVER_PORT} {CODE_SERVER_PORT}\n" in DOCKERFILES[0].read_text("utf-8")


def test_every_service_runs_read_only_without_rights_and_on_this_machine_only() -> None:
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text("utf-8"))["services"]

    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
    assert len(services) > 5
