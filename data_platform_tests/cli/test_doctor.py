"""Whether the platform can work here: each line ok, or wrong with the way out."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from data_platform.build.platform import Platform
from data_platform.cli.main import main
from data_platform.definitions import declared
from data_platform.engine import java
from data_platform.operations import doctor
from data_platform.runs.home import prepare_home
from data_platform.runs.liveness import hold
from data_platform.settings.environment import listed, settings_at, settings_from_env
from data_platform.settings.variables import VARIABLES
from data_platform_tests.support.places import Place
from tools.servers import S3Server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DATA_PLATFORM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATA_PLATFORM_ENV", "test")
    yield tmp_path / "home"
    declared.cache_clear()


def asked(*words: str, code: int) -> Result:
    ended = CliRunner().invoke(main, ["doctor", *words])
    assert ended.exit_code == code, (ended.output, ended.exception)
    return ended


def wrong() -> dict[str, str]:
    """What is wrong and the ways out, by what it is about."""
    found = json.loads(asked("--json", code=1).stdout)
    return {each["what"]: f"{each['said']}; {each['way_out']}" for each in found if not each["ok"]}


def test_a_platform_that_can_work_is_ok_on_every_line_and_none_is_made(home: Path) -> None:
    lines = asked(code=0).output.splitlines()

    assert {line.split()[0] for line in lines if not line.startswith(" ")} == {"ok"}
    about = {line.split(":")[0].removeprefix("ok").strip() for line in lines}
    assert {"settings", "permissions", "disk", "locks", "declarations"} <= about
    assert not home.exists()


def test_a_setting_that_is_wrong_is_all_that_is_said(home, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_SPARK_MEMORY", "lots")

    assert list(wrong()) == ["settings"]


def test_a_declaration_that_does_not_load_is_wrong(home, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_DOMAINS", "no_such_package")
    declared.cache_clear()

    assert "No module named 'no_such_package'" in wrong()["declarations"]


def test_a_landing_directory_that_is_not_there_is_a_warning(
    home: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_LANDING", str(tmp_path / "lnading"))

    output = asked(code=0).output

    assert output.count("warn") == 1
    assert f"{tmp_path}/lnading does not exist yet" in " ".join(output.split())
    (tmp_path / "lnading").mkdir()
    assert "warn" not in asked(code=0).output


@pytest.mark.parametrize("missing", ["", "landing", "warehouse"])
def test_a_bucket_answers_or_is_said_to_be_missing(
    home: Path, tmp_path: Path, versitygw: S3Server, monkeypatch, missing: str
) -> None:
    place = Place.bucket(versitygw)
    there, nowhere = place.root, "s3://no-such-bucket-here"
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    if missing:
        monkeypatch.setenv(f"DATA_PLATFORM_{missing.upper()}", f"{nowhere}/{missing}")

    found = json.loads(asked("--json", code=1 if missing else 0).stdout)

    about = {each["what"]: each for each in found}
    for what, name in (("landing bucket", "landing"), ("warehouse", "warehouse")):
        assert about[what]["ok"] is (name != missing), (about[what], there)
        said = "there is no such bucket; make it" if name == missing else "answers"
        assert said in about[what]["said"]


def test_dagsters_database_on_a_server_is_asked(home: Path, postgres_url: str, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_DAGSTER_DATABASE", postgres_url)
    assert "Dagster's database: answers" in asked(code=0).output

    monkeypatch.setenv("DATA_PLATFORM_DAGSTER_DATABASE", f"{postgres_url}_not")
    assert "does not exist; create it on the server" in wrong()["Dagster's database"]


def test_settings_are_listed_with_value_default_and_meaning_though_one_is_wrong(
    home: Path, monkeypatch
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_SPARK_MEMORY", "lots")
    monkeypatch.setenv("DATA_PLATFORM_DATABASE_PASSWORD", "secret word")

    ended = CliRunner().invoke(main, ["settings", "--json"])

    rows = {row["setting"]: row for row in json.loads(ended.stdout)}
    assert list(rows) == [each.variable for each in VARIABLES]
    assert rows["DATA_PLATFORM_SPARK_MEMORY"]["value"] == "lots"
    assert rows["DATA_PLATFORM_LANDING"]["default"] == f"file://{home}/landing"
    assert all(row["meaning"] and row["default"] for row in rows.values())
    assert "secret word" not in ended.stdout


def test_a_default_that_is_the_database_of_all_metadata_says_so(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_DATABASE", "postgresql://me:a word@db:5432/meta")

    def defaults(environment: str) -> dict[str, str]:
        monkeypatch.setenv("DATA_PLATFORM_ENV", environment)
        ended = CliRunner().invoke(main, ["settings", "--json"])
        return {row["setting"]: row["default"] for row in json.loads(ended.stdout)}

    shared = "postgresql://me:(not shown)@db:5432/meta, from DATA_PLATFORM_DATABASE"
    here, there = defaults("local"), defaults("prod")
    assert here["DATA_PLATFORM_CATALOG"] == here["DATA_PLATFORM_LEDGER"] == shared
    assert (there["DATA_PLATFORM_CATALOG"], there["DATA_PLATFORM_LEDGER"]) == ("glue", shared)


def test_the_defaults_listed_are_those_that_hold(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_DATABASE", f"sqlite:///{home}/all.db")

    settings = settings_from_env()
    defaults = {row["setting"]: row["default"] for row in listed()}

    of_database = ", from DATA_PLATFORM_DATABASE"
    for name, holds in (
        ("CATALOG", settings.catalog_uri + of_database),
        ("LEDGER", settings.ledger_uri + of_database),
        ("LANDING", settings.landing_uri),
        ("WAREHOUSE", settings.warehouse_uri),
        ("SPARK", settings.spark.text),
    ):
        assert defaults[f"DATA_PLATFORM_{name}"] == holds


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("DATA_PLATFORM_ENV", "production", "DATA_PLATFORM_ENV is 'production'; allowed: local"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1", "DATA_PLATFORM_ENV is not set"),
    ],
)
def test_settings_fail_after_their_list_where_the_environment_is_not_known(
    home: Path, monkeypatch, name: str, value: str, why: str
) -> None:
    monkeypatch.delenv("DATA_PLATFORM_ENV")
    monkeypatch.setenv(name, value)

    ended = CliRunner().invoke(main, ["settings", "--json"])

    assert ended.exit_code == 1
    assert why in " ".join(ended.stderr.split())
    defaults = {row["setting"]: row["default"] for row in json.loads(ended.stdout)}
    for different in ("LANDING", "WAREHOUSE", "CATALOG", "LEDGER", "SPARK"):
        assert defaults[f"DATA_PLATFORM_{different}"] == "depends on DATA_PLATFORM_ENV"


@pytest.mark.parametrize("version", [None, 11, 17])
def test_a_java_that_spark_does_not_run_on_is_wrong_if_it_is_asked_for(
    home, tmp_path: Path, monkeypatch, version: int | None
) -> None:
    monkeypatch.setenv("DATA_PLATFORM_SPARK", "local[*]")
    program = tmp_path / "jvm/bin/java"
    if version:
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}.0.2\"' >&2\n")
        program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jvm"))
    monkeypatch.setattr(java, "OURS", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))

    if version == 17:
        assert "version 17" in " ".join(asked(code=0).output.split())
        return
    assert wrong()["Java"].endswith(java.WAY_OUT)
    monkeypatch.setenv("DATA_PLATFORM_SPARK", "sail")
    assert "Java" not in asked(code=0).output


def test_a_file_in_the_place_of_the_home_is_wrong(home: Path) -> None:
    home.write_text("")

    assert f"{home} is not a directory" in wrong()["permissions"]


def test_a_database_on_a_server_is_asked_though_there_is_no_home(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_LEDGER", "postgresql://nobody@127.0.0.1:1/ledger")

    found = wrong()
    assert "127.0.0.1" in found["ledger"] and "catalog" not in found
    assert not home.exists()


def test_the_setting_that_names_a_directory_is_the_way_out(
    home: Path, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DATA_PLATFORM_LANDING", f"file://{tmp_path}/file/landing")

    said = wrong()["permissions"]
    assert f"{tmp_path}/file is not a directory" in said and "in DATA_PLATFORM_LANDING" in said


@pytest.mark.parametrize("engine", ["spark://127.0.0.1:1", "sc://127.0.0.1:1"])
def test_an_engine_that_does_not_answer_is_wrong(home: Path, monkeypatch, engine: str) -> None:
    monkeypatch.setenv("DATA_PLATFORM_SPARK", engine)

    assert "127.0.0.1:1: [Errno 111]" in wrong()["engine"]


def test_directories_are_told_to_be_out_of_a_clusters_reach(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("DATA_PLATFORM_SPARK", "k8s://https://host")

    said = asked(code=0).output
    assert "executors on other machines cannot reach them" in said and "k8s://https" in said


def test_a_full_disk_is_wrong(home: Path, monkeypatch) -> None:
    least = shutil.disk_usage(home.parent).total + 1
    monkeypatch.setattr(doctor, "LEAST_FREE", least)

    assert "data-platform clean" in wrong()["disk"]


def test_a_database_that_is_damaged_is_wrong(home: Path) -> None:
    prepare_home(settings_at(home))
    (home / "ledger.db").write_text("this is no database, and long enough not to be taken for one")

    assert "ledger.db" in wrong()["ledger"]


def test_a_run_at_work_is_ok_and_one_whose_process_is_gone_is_wrong(home: Path) -> None:
    settings = settings_at(home)
    prepare_home(settings)
    with hold(Platform(settings), "run-of-now"):
        assert "run run-of-now" in asked(code=0).output
    assert "run-of-now" in wrong()["locks"]
    assert (home / "running" / "run-of-now").exists()
