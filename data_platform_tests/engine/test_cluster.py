import os
import socket
from pathlib import Path

import pytest
from pyspark import SparkConf

from data_platform.engine.cluster import (
    reachable,
    starts_with_none,
    users_defaults,
    with_defaults,
)
from data_platform.engine.session import spark_config
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.settings.values import SettingsError

CLUSTER = Engine("spark://host:7077")


def test_what_spark_defaults_say_is_read_as_spark_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "spark-defaults.conf"
    file.write_text(
        "# spark.cores.max 1\n\nspark.executor.memory   2g\nspark.network.timeout=30s\n"
        "spark.driver.extraJavaOptions -Da=b -Dc=d\n  spark.eventLog.dir : s3://logs/spark\n"
    )

    assert users_defaults(file) == {
        "spark.executor.memory": "2g",
        "spark.network.timeout": "30s",
        "spark.driver.extraJavaOptions": "-Da=b -Dc=d",
        "spark.eventLog.dir": "s3://logs/spark",
    }
    assert users_defaults(tmp_path / "none") == users_defaults(None) == {}


def test_the_users_configuration_wins_except_over_what_tables_contain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spark-defaults.conf").write_text(
        "spark.network.timeout 30s\nspark.driver.memory 9g\nspark.sql.session.timeZone CET\n"
    )
    settings = settings_at(tmp_path / "home", spark=CLUSTER)
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    ours = spark_config(settings)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    left = spark_config(settings)

    assert ours.keys() - left.keys() == {"spark.network.timeout", "spark.driver.memory"}
    assert left["spark.sql.session.timeZone"] == "UTC"


def test_jars_of_both_are_used(tmp_path: Path) -> None:
    file = tmp_path / "spark-defaults.conf"
    file.write_text("spark.jars /theirs.jar\n")

    assert with_defaults({"spark.jars": "/ours.jar"}, file) == {
        "spark.jars": "/ours.jar,/theirs.jar"
    }
    assert with_defaults({}, file) == {"spark.jars": "/theirs.jar"}


def test_workers_are_not_asked_to_start_what_they_do_not_have(tmp_path: Path) -> None:
    daemon = "spark.python.daemon.module"

    assert daemon not in spark_config(settings_at(tmp_path, spark=CLUSTER))
    assert daemon in spark_config(settings_at(tmp_path, spark=Engine("local[2]")))


def test_any_master_of_several_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as master, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        there, nobody = (f"127.0.0.1:{each.getsockname()[1]}" for each in (master, silent))

        with reachable(f"spark://{nobody},{there}"):
            pass
        with (
            pytest.raises(SettingsError, match=rf"no master answers there \({nobody}: .*local"),
            reachable(f"spark://{nobody}"),
        ):
            pass


@pytest.mark.parametrize("address", ["host", "host:port"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="no master answers"), reachable(f"spark://{address}"):
        pass


def test_only_variables_say_where_the_defaults_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from data_platform.settings.environment import spark_conf

    monkeypatch.setattr(os, "environ", {"SPARK_HOME": "/opt/spark"})
    assert spark_conf() == Path("/opt/spark/conf/spark-defaults.conf")
    monkeypatch.setattr(os, "environ", {"SPARK_HOME": "/opt/spark", "SPARK_CONF_DIR": "/etc/spark"})
    assert spark_conf() == Path("/etc/spark/spark-defaults.conf")
    monkeypatch.setattr(os, "environ", {})
    assert spark_conf() is None


@pytest.mark.parametrize(
    ("config", "none"),
    [
        ({}, False),
        ({"enabled": "true"}, True),
        ({"enabled": "true", "initialExecutors": "3"}, False),
        ({"enabled": "true", "minExecutors": "1"}, False),
    ],
)
def test_executors_are_not_awaited_where_none_starts_before_the_first_task(
    config: dict[str, str], none: bool
) -> None:
    conf = SparkConf(loadDefaults=False)
    for name, value in config.items():
        conf.set(f"spark.dynamicAllocation.{name}", value)

    assert starts_with_none(conf) == none
