"""Engines on other machines that cannot be reached: one message, at once."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from data_platform.engine.reach import require_connect_server, require_master, require_yarn
from data_platform.settings.values import SettingsError


@contextmanager
def _silent() -> Iterator[str]:
    """An address at which nothing answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_a_connect_server_that_does_not_answer_is_named_without_its_token() -> None:
    with _silent() as nobody, pytest.raises(SettingsError) as refused:
        require_connect_server(f"sc://{nobody}/;token=hunter2")

    said = str(refused.value)
    assert f"DATA_PLATFORM_SPARK is sc://{nobody}, and no Spark Connect server answers" in said
    assert "refused" in said and "set it to sail" in said and "hunter2" not in said


def test_a_connect_server_without_a_port_has_the_usual_one() -> None:
    with pytest.raises(SettingsError, match=r"sc://no-such-host\.invalid:15002"):
        require_connect_server("sc://no-such-host.invalid")


def test_a_server_that_answers_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        require_connect_server(f"sc://{address}/;use_ssl=true")
        require_master(f"spark://{address}")


def test_yarn_needs_the_configuration_of_its_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="neither HADOOP_CONF_DIR nor YARN_CONF_DIR"):
        require_yarn()

    monkeypatch.setenv("YARN_CONF_DIR", "/etc/hadoop")
    require_yarn()
