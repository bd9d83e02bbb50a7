import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from data_platform.settings.environment import settings_from_env
from data_platform.settings.model import CHECKOUT
from tools.launch import demo_name, port_is_free, settings_handed_on
from tools.servers import free_port

LAUNCH = [sys.executable, str(CHECKOUT / "tools" / "launch.py")]


def environment(**env: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("DATA_PLATFORM_")}
    return inherited | {"PYTHONPATH": str(CHECKOUT)} | env


def launch(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAUNCH, *arguments],
        env=environment(**env),
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_folder_of_data_has_a_home_of_its_own(tmp_path: Path) -> None:
    here, there = tmp_path / "a" / "retail", tmp_path / "b" / "retail"

    assert demo_name(None) == "demo"
    assert demo_name(here).startswith("demo-retail-")
    assert demo_name(here) != demo_name(there)
    assert demo_name(here) == demo_name(tmp_path / "a" / ".." / "a" / "retail")
    assert demo_name(tmp_path / "my files [1]").startswith("demo-my-files--1--")


def test_a_taken_port_is_named_with_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)

        done = launch("dev", "--port", str(port), DATA_PLATFORM_HOME=str(tmp_path))

    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert f"make dev PORT={port + 1}" in done.stderr


def test_one_state_has_one_ui_which_ends_with_sigterm_even_in_the_background(
    tmp_path: Path,
) -> None:
    """Behind `&` a shell has SIGINT ignored, and Dagster gives SIGTERM what SIGINT has."""
    home, port = str(tmp_path / "home"), free_port()
    log = tmp_path / "dev.log"
    with log.open("w") as file:
        first = subprocess.Popen(
            [*LAUNCH, "dev", "--port", str(port)],
            env=environment(DATA_PLATFORM_HOME=home),
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    try:
        wait_until(lambda: answers(port) or first.poll() is not None)
        assert answers(port), log.read_text()

        for other in (port, free_port()):
            second = launch("dev", "--port", str(other), DATA_PLATFORM_HOME=home)

            assert second.returncode == 1
            assert f"has a running UI (http://127.0.0.1:{port})" in second.stderr
        first.terminate()
        wait_until(lambda: first.poll() is not None)
        assert not answers(port)
    finally:
        first.kill()


@pytest.mark.parametrize("said", ["State: ", "The UI will be at "])
def test_ctrl_c_while_it_starts_leaves_no_traceback(tmp_path: Path, said: str) -> None:
    log = tmp_path / "dev.log"
    with log.open("w") as file:
        started = subprocess.Popen(
            [*LAUNCH, "dev", "--port", str(free_port())],
            env=environment(DATA_PLATFORM_HOME=str(tmp_path / "home")),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: said in log.read_text() or started.poll() is not None)
        os.killpg(started.pid, signal.SIGINT)
        wait_until(lambda: started.poll() is not None)
    finally:
        started.kill()

    assert started.wait() != 0
    assert said in log.read_text() and "Traceback" not in log.read_text()


def answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info") as got:
        return got.status == 200
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Until it holds, or as long as only something that hangs takes."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.2)


def test_data_that_is_no_directory_is_refused_by_name(tmp_path: Path) -> None:
    done = launch("demo", "--data", str(tmp_path / "nowhere"))

    assert done.returncode == 1
    assert f"DATA={tmp_path / 'nowhere'} is not a directory" in done.stderr


def test_data_without_shop_files_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder, home = tmp_path / "data", tmp_path / "home"
    folder.mkdir()
    (folder / "march.csv").touch()

    done = launch("demo", "--data", str(folder), DATA_PLATFORM_HOME=str(home))

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: DATA={folder} has nothing to load")
    assert "YYYY-MM-DD.csv" in done.stderr
    assert not home.exists()


def test_the_next_process_is_in_the_same_virtual_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_ENV", "test")
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(tmp_path))
    monkeypatch.setenv("DATA_PLATFORM_VIRTUAL_ENVIRONMENT", "pr_42")

    settings = settings_handed_on()

    assert settings.virtual_environment == "pr_42"
    assert settings_from_env() == settings


def test_a_virtual_environment_that_does_not_exist_is_refused_before_the_ui_starts(
    tmp_path: Path,
) -> None:
    done = launch(
        "dev",
        DATA_PLATFORM_HOME=str(tmp_path),
        DATA_PLATFORM_VIRTUAL_ENVIRONMENT="pr_42",
    )

    assert done.returncode == 1
    assert "error: there is no virtual environment pr_42" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistaken_setting_is_one_line_without_a_stack() -> None:
    done = launch("dev", "--port", "0", DATA_PLATFORM_ENV="laptop")

    assert done.returncode == 1
    assert done.stderr.startswith("error: DATA_PLATFORM_ENV is 'laptop'")
