import hashlib
import re
from pathlib import Path

import pyspark
import pytest

from tools.jars import SPARK, Jar, JarError, fetch, main, read_lock


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven repository that is a directory."""
    made = tmp_path / "maven2"
    monkeypatch.setenv("MAVEN_REPOSITORY", made.as_uri())
    return made


def published(repository: Path, name: str, text: str = "a jar", version: str = "1.0") -> Jar:
    jar = Jar(
        group="org.example",
        artifact=name,
        version=version,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    file = repository / "org" / "example" / name / version / f"{name}-{version}.jar"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return jar


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


def test_the_directory_has_the_jars_of_the_lock_and_no_others(
    repository: Path, tmp_path: Path
) -> None:
    old, new = published(repository, "a", version="1.0"), published(repository, "a", version="2.0")
    other = published(repository, "b")
    jars = tmp_path / "jars"

    assert fetch([old, other], jars) == 2
    assert names(jars) == ["a-1.0.jar", "b-1.0.jar"]
    assert fetch([new, other], jars) == 1
    assert names(jars) == ["a-2.0.jar", "b-1.0.jar"]


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(
    repository: Path, tmp_path: Path
) -> None:
    jar, jars = published(repository, "a"), tmp_path / "jars"
    fetch([jar], jars)

    assert fetch([jar], jars) == 0
    (jars / jar.name).write_text("half a j")
    assert fetch([jar], jars) == 1
    assert (jars / jar.name).read_text() == "a jar"


def test_a_jar_of_another_checksum_is_not_kept(repository: Path, tmp_path: Path) -> None:
    jar, jars = published(repository, "a"), tmp_path / "jars"
    (repository / jar.path).write_text("another jar")

    with pytest.raises(JarError, match="SHA-256") as refused:
        fetch([jar], jars)

    assert jar.sha256 in str(refused.value)
    assert "make jars-lock" in str(refused.value)
    assert names(jars) == []


def test_one_that_cannot_be_had_names_the_ways_out(repository: Path, tmp_path: Path) -> None:
    there, missing = published(repository, "a"), published(repository, "b")
    (repository / missing.path).unlink()
    jars = tmp_path / "jars"

    with pytest.raises(JarError, match=r"org\.example:b:1\.0 could not be fetched") as refused:
        fetch([there, missing], jars)

    assert "HTTPS_PROXY" in str(refused.value) and "MAVEN_REPOSITORY" in str(refused.value)
    assert names(jars) == ["a-1.0.jar"]


def test_the_command_says_what_it_did_then_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    jar = published(repository, "a")
    monkeypatch.setattr("tools.jars.CACHE", tmp_path / "cache")
    monkeypatch.setattr("tools.jars.read_lock", lambda: {SPARK: [jar]})

    assert main([]) == 0
    assert capsys.readouterr().out == "==> Fetched 1 of 1 jars into .cache/jars\n"
    assert main([]) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "cache" / SPARK / jar.name).unlink()
    (repository / jar.path).unlink()
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("error: org.example:a:1.0 could not be fetched")


def test_a_line_of_the_lock_that_is_none_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text("[jars]\norg.example:a = 12\n")

    with pytest.raises(JarError, match=r"org\.example:a = 12"):
        read_lock(lock)


def test_each_jar_of_a_section_has_a_file_name_of_its_own() -> None:
    for section, jars in read_lock().items():
        assert jars, section
        assert len({jar.name for jar in jars}) == len(jars)


def test_the_lock_has_the_magic_committer_and_not_all_of_aws() -> None:
    jars = {f"{jar.group}:{jar.artifact}" for jar in read_lock()[SPARK]}

    assert "org.apache.spark:spark-hadoop-cloud_2.13" in jars
    assert "software.amazon.awssdk:bundle" not in jars


def test_the_jars_fit_the_spark_that_is_installed() -> None:
    """Hadoop's to the letter; of Spark's own there is not one for every patch."""
    own = Path(pyspark.__file__).parent / "jars"
    locked = {jar.artifact: jar.version for jar in read_lock()[SPARK]}

    assert (own / f"hadoop-client-api-{locked['hadoop-aws']}.jar").exists()
    spark = locked["spark-hadoop-cloud_2.13"].rpartition(".")[0]
    assert pyspark.__version__.startswith(spark + ".")


def test_no_jar_stands_in_for_one_of_spark() -> None:
    artifact = re.compile(r"-\d.*")
    jars = Path(pyspark.__file__).parent / "jars"
    own = {artifact.sub("", file.stem) for file in jars.glob("*.jar")}

    assert own
    assert own.isdisjoint(jar.artifact for jar in read_lock()[SPARK])
