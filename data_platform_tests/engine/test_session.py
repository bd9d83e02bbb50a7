import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.engine import java, session
from data_platform.engine.session import spark_config
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Environment, Settings
from data_platform.settings.values import SettingsError

QUERY = """
import sys
from pathlib import Path
from data_platform.engine import java, session
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at

def imported(batches):
    import sys
    before = set(sys.modules)
    import pyarrow as pa
    for _ in batches:
        names = [name for name in ("pyarrow.csv", "pyarrow.parquet") if name in before]
        yield pa.RecordBatch.from_pydict({"name": names})

if len(sys.argv) > 2:
    session.CLASS_ARCHIVE = Path(sys.argv[2])
spark = session.start_session(settings_at(sys.argv[1], spark=Engine("local[2]")))
frame = spark.range(1, numPartitions=1)
print(sorted(row.name for row in frame.mapInArrow(imported, "name string").collect()))
frame.write.parquet(sys.argv[1] + "/table")
print(sorted(path.suffix for path in Path(sys.argv[1], "table").iterdir()))
spark.stop()
"""


def local(home: Path) -> Settings:
    return settings_at(home, spark=Engine("local[2]"))


def test_a_laptop_has_one_shuffle_partition_for_each_core(tmp_path: Path) -> None:
    config = spark_config(local(tmp_path))

    assert config["spark.master"] == "local[2]"
    assert config["spark.sql.shuffle.partitions"] == "2"
    assert config["spark.driver.memory"] == "1g"


def test_a_cluster_keeps_its_own_partitions_and_addresses(tmp_path: Path) -> None:
    settings = replace(settings_at(tmp_path), spark=Engine("spark://host:7077"))

    config = spark_config(settings)

    assert config["spark.master"] == "spark://host:7077"
    assert "spark.sql.shuffle.partitions" not in config
    assert "spark.driver.host" not in config


def test_only_tests_trade_peak_speed_for_a_quick_start(tmp_path: Path) -> None:
    test = local(tmp_path)
    laptop = replace(test, environment=Environment.LOCAL)

    quick = spark_config(test)["spark.driver.extraJavaOptions"].split()
    lasting = spark_config(laptop)["spark.driver.extraJavaOptions"].split()

    assert {"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"} <= set(quick)
    assert "-XX:+UseParallelGC" in lasting and "-XX:+UseParallelGC" not in quick
    assert not any("TieredStopAtLevel" in option or "SerialGC" in option for option in lasting)


def test_the_class_archive_is_named_only_where_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "spark-classes.jsa"
    monkeypatch.setattr(session, "CLASS_ARCHIVE", archive)
    assert "SharedArchiveFile" not in spark_config(local(tmp_path))["spark.driver.extraJavaOptions"]

    archive.touch()
    options = spark_config(local(tmp_path))["spark.driver.extraJavaOptions"]
    assert f'"-XX:SharedArchiveFile={archive}"' in options


@pytest.mark.spark_only("starts a JVM")
@pytest.mark.parametrize("archive", [None, "of something else"])
def test_a_session_starts_in_silence_with_workers_that_are_ready(
    tmp_path: Path, archive: str | None
) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    arguments = [str(home)]
    if archive:
        (tmp_path / "stale.jsa").write_text(archive)
        arguments.append(str(tmp_path / "stale.jsa"))

    done = subprocess.run(
        [sys.executable, "-c", QUERY, *arguments], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["['pyarrow.csv', 'pyarrow.parquet']", "['.parquet']"]


def test_a_local_session_runs_this_python_whatever_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", "python2")
    monkeypatch.setenv("JAVA_HOME", "/a/java")

    settings = local(tmp_path)
    session.prepare_environment(replace(settings, spark=Engine("k8s://https://host")))
    assert os.environ["PYSPARK_PYTHON"] == "python2"

    session.prepare_environment(settings)
    assert os.environ["PYSPARK_PYTHON"] == sys.executable


@pytest.mark.parametrize("version", [None, 11])
def test_spark_without_a_suitable_java_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int | None
) -> None:
    program = tmp_path / "jvm/bin/java"
    if version:
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}.0.2\"' >&2\n")
        program.chmod(0o755)
    monkeypatch.setattr(java, "OURS", tmp_path / "none")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jvm"))
    monkeypatch.setenv("PATH", str(tmp_path))

    for start in (session.start_session, lambda of: session.spark_resource(of).spark_session):
        with pytest.raises(SettingsError) as refused:
            start(local(tmp_path))

        found = f"{program} is version 11" if version else "none was found"
        assert f"DATA_PLATFORM_SPARK is local[2], which needs Java, and {found}" in str(
            refused.value
        )
        assert "set DATA_PLATFORM_SPARK to sail" in str(refused.value)
