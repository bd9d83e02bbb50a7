"""A smoke test says that a deployment works, and what does not."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from data_platform.engine.warm.place import Place as EnginePlace
from data_platform_tests.support.dagster_processes import deployment
from data_platform_tests.support.homes import Home, home_at
from data_platform_tests.support.tables import TABLES
from data_platform_tests.support.warm_engines import end
from tools.dagster_api import Webserver
from tools.servers import S3Server, free_port
from tools.smoke import KEY, PARTITION, TABLE, Put, SmokeError, smoke

pytestmark = [
    pytest.mark.system,
    pytest.mark.connect_only,
    pytest.mark.integration,
    pytest.mark.timeout(900),
]

PATIENCE = 300  # seconds, on a busy machine


def now_and_then() -> Callable[[], None]:
    """Every third time a connection is lost, as where a pod is replaced."""
    asked = itertools.count()

    def reach() -> None:
        if next(asked) % 3 == 0:
            raise ConnectionResetError("the pod is gone")

    return reach


def into(home: Home) -> Put:
    """Lands in the home's directory, where an object has no etag but the hash of its content."""

    def put(key: str, content: bytes) -> str:
        home.land(key, content)
        return f"{len(content)}-{home.platform.bucket.content_hash(key)}"

    return put


def test_a_landed_file_reaches_gold_and_what_has_ended_is_named(
    tmp_path: Path, migrated_postgres_url: str
) -> None:
    with (
        home_at(tmp_path, TABLES, database=migrated_postgres_url) as home,
        deployment(home.settings, migrated_postgres_url) as deployed,
    ):
        web = Webserver(f"http://127.0.0.1:{deployed.web_port}")
        with pytest.raises(SmokeError, match="refused"):
            smoke(web, patience=1)
        deployed.start_code_server()
        deployed.start_webserver()
        with pytest.raises(SmokeError, match=r"no new heartbeat of: .*SENSOR"):
            smoke(web, patience=1)
        deployed.start_daemon()
        try:
            seen = smoke(Webserver(web.url, now_and_then()), into(home), PATIENCE)
        except SmokeError as error:
            logs = "\n".join(deployed.log(name)[-4000:] for name in ("daemon", "code-server"))
            pytest.fail(f"{error}\n{logs}")
        finally:
            deployed.kill("daemon")
            end(EnginePlace(tmp_path / "engine"))

        assert len(seen) == 3
        assert f"{KEY} has reached {TABLE}" in seen[-1]
        assert home.counts(TABLE) == {PARTITION: 2}

        deployed.kill("code-server")
        deployed.stop("webserver")
        deployed.start_webserver()
        with pytest.raises(SmokeError, match=r"data_platform: .*UNAVAILABLE"):
            smoke(web, patience=1)


def test_a_url_that_is_not_dagsters_is_named(versitygw: S3Server) -> None:
    with pytest.raises(SmokeError, match="does not serve all code locations"):
        smoke(Webserver(versitygw.endpoint), patience=1)


def test_a_port_where_nothing_listens_is_named() -> None:
    with pytest.raises(SmokeError, match="refused"):
        smoke(Webserver(f"http://127.0.0.1:{free_port()}"), patience=1)
