from pathlib import Path

import pytest

from data_platform.build.platform import Platform
from data_platform.settings.environment import settings_from_env
from tools.postgres_server import Postgres
from tools.servers import S3Server
from tools.stack import environment, make_buckets


def test_what_the_stack_prints_points_the_platform_at_its_servers(
    versitygw: S3Server, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_buckets(versitygw)
    monkeypatch.setenv("PGPASSWORD", "of another server")  # and put back afterwards
    for name, value in environment(versitygw, postgres, tmp_path / "home").items():
        monkeypatch.setenv(name, value)

    platform = Platform(settings_from_env())

    assert list(platform.bucket.list()) == []
    assert platform.lake.tables() == []
    assert platform.ledger.summary()["pending"] == 0
