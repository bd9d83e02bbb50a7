"""The webserver as a process, by the command of a container."""

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from data_platform.access.people import requesting
from data_platform.runs.container import WEBSERVER
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Environment
from data_platform.settings.values import SettingsError
from data_platform.webserver.__main__ import served
from data_platform_tests.support import small_code_location
from data_platform_tests.support.listening import until_it_listens
from data_platform_tests.support.web_pages import OPERATORS, SECRET, VIEWER
from tools.servers import free_port


@pytest.mark.parametrize("environment", [Environment.STAGING, Environment.PROD])
def test_a_deployment_serves_nobody_without_a_proxy(
    tmp_path: Path, environment: Environment
) -> None:
    alone = settings_at(tmp_path, environment=environment)

    with pytest.raises(SettingsError, match="DATA_PLATFORM_PROXY_SECRET must be set when"):
        served(alone)


def test_a_deployment_that_only_few_can_reach_may_say_that_nobody_logs_in(tmp_path: Path) -> None:
    alone = settings_at(tmp_path, environment=Environment.STAGING, proxy_secret="none")

    assert not served(alone).has_proxy
    assert requesting([], alone, "10.0.0.7").name == alone.actor


def test_a_laptop_needs_none(tmp_path: Path) -> None:
    assert served(settings_at(tmp_path)).proxy_secret == ""


@pytest.mark.parametrize("given", ["operators", "viewers"])
def test_groups_without_a_proxys_password_make_nobody_an_operator(
    tmp_path: Path, given: str
) -> None:
    forgotten = settings_at(tmp_path, **{given: frozenset({"data"})})

    with pytest.raises(SettingsError, match="DATA_PLATFORM_PROXY_SECRET is not"):
        served(forgotten)


def _status(url: str, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


CONTAINER = ("data_platform.runs.container", sys.executable, "-m")


@pytest.mark.parametrize("by", [CONTAINER, ()], ids=["in a container", "as documented"])
def test_the_process_that_serves_is_the_one_that_asks_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: tuple[str, ...]
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for name, value in (
        ("HOME", str(tmp_path / "home")),
        ("PROXY_SECRET", SECRET),
        ("OPERATORS", OPERATORS),
        ("VIEWERS", "*"),
    ):
        monkeypatch.setenv(f"DATA_PLATFORM_{name}", value)
    port = free_port()
    served_at = ("--host", "127.0.0.1", "--port", str(port), "-f", small_code_location.__file__)
    command = (*by, WEBSERVER, *served_at)
    with (
        (tmp_path / "log.txt").open("wb") as log,
        subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log) as process,
    ):
        try:
            until_it_listens(process, port, tmp_path / "log.txt")
            url = f"http://127.0.0.1:{port}"
            found = [_status(url, {}), _status(f"{url}/server_info", {}), _status(url, VIEWER)]
        finally:
            process.terminate()

    assert found == [401, 200, 200]
    assert [*(tmp_path / "home" / "dagster").glob("**/*.db")]  # its state is kept
