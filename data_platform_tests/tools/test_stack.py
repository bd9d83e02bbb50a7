from pathlib import Path

import pytest

from data_platform.platform_defs.platform import Platform
from data_platform.settings import Settings
from tools.servers import Postgres, S3Server
from tools.stack import environment, make_buckets


def test_what_the_stack_prints_points_the_platform_at_its_servers(
    versitygw: S3Server, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    make_buckets(versitygw)
    monkeypatch.setattr("data_platform.settings.export", exporting(monkeypatch))

    platform = Platform(Settings.from_env(environment(versitygw, postgres, tmp_path / "home")))

    assert list(platform.bucket.list()) == []
    assert platform.lake.tables() == []
    assert platform.ledger.summary()["pending"] == 0


def exporting(monkeypatch: pytest.MonkeyPatch):
    """What settings tell libraries through the environment, for the time of the test."""

    def export(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return export
