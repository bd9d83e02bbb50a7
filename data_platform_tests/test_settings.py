import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from hypothesis import given
from hypothesis import strategies as st

from data_platform.build.platform import Platform
from data_platform.runs.home import prepare_home
from data_platform.settings import environment as module
from data_platform.settings import values as setting_values
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at, settings_from_env
from data_platform.settings.model import Environment, Settings
from data_platform.settings.secrets import secret_name
from data_platform.settings.values import SettingsError


def refused(env: Mapping[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        settings_from_env(env)
    return str(error.value)


def test_an_empty_environment_is_a_laptop() -> None:
    settings = settings_from_env({"PATH": "/bin"})

    assert settings.environment is Environment.LOCAL
    assert settings.home.is_absolute()
    assert settings.home.parent.name == ".platform"
    assert settings.spark == Engine("sail")


def test_all_state_lives_under_the_home(tmp_path: Path) -> None:
    settings = settings_from_env({"DATA_PLATFORM_HOME": str(tmp_path)})

    assert settings.landing_uri == f"file://{tmp_path}/landing"
    assert settings.warehouse_uri == f"file://{tmp_path}/warehouse"
    assert settings.catalog_uri == f"sqlite:///{tmp_path}/catalog.db"
    assert settings.ledger_uri == f"sqlite:///{tmp_path}/ledger.db"
    assert settings.dagster_home == tmp_path / "dagster"


def test_an_unknown_environment_names_the_allowed_ones() -> None:
    message = refused({"DATA_PLATFORM_ENV": "production"})

    assert message == ("DATA_PLATFORM_ENV is 'production'; allowed: local, test, staging, prod")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    message = refused({"DATA_PLATFORM_HOEM": "/tmp"})

    assert "unknown setting DATA_PLATFORM_HOEM; did you mean DATA_PLATFORM_HOME?" in message


def test_a_name_like_no_other_is_answered_with_all() -> None:
    message = refused({"DATA_PLATFORM_ZZZZZZZZZZZZZZZZZ": "1"})

    assert "DATA_PLATFORM_SPARK_MEMORY" in message


@pytest.mark.parametrize("environment", ["test", "staging", "prod"])
def test_only_a_laptop_has_a_home_by_default(environment: str) -> None:
    assert "DATA_PLATFORM_HOME must be set" in refused({"DATA_PLATFORM_ENV": environment})


CLOUD = {
    "DATA_PLATFORM_ENV": "prod",
    "DATA_PLATFORM_HOME": "/tmp/home",
    "DATA_PLATFORM_AWS_REGION": "eu-west-1",
    "DATA_PLATFORM_DATABASE": "postgresql://app@db/data_platform",
}

ON_DATABASE = {**CLOUD, "DATA_PLATFORM_CATALOG": CLOUD["DATA_PLATFORM_DATABASE"]}


def test_a_deployment_is_on_buckets_glue_and_one_database() -> None:
    settings = settings_from_env(CLOUD)

    assert settings.landing_uri == "s3://data-platform-raw-landing-prod"
    assert settings.warehouse_uri == "s3://data-platform-warehouse-prod"
    assert settings.catalog_properties["type"] == "glue"
    assert settings.ledger_uri == settings.dagster_database == CLOUD["DATA_PLATFORM_DATABASE"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("LANDING", "s3://elsewhere/in", lambda s: s.landing_uri),
        ("WAREHOUSE", "s3://elsewhere/out", lambda s: s.warehouse_uri),
        ("CATALOG", "postgresql://app@db/catalog", lambda s: s.catalog_uri),
        ("LEDGER", "postgresql://app@db/ledger", lambda s: s.ledger_uri),
        ("DAGSTER_DATABASE", "postgresql://app@db/dagster", lambda s: s.dagster_database),
        ("QUEUE", "https://sqs.eu-west-1.amazonaws.com/1/q", lambda s: s.queue_url),
        ("INVENTORY", "s3://reports/in/acme-raw-landing-prod/daily", lambda s: s.inventory_uri),
        ("SPARK", "spark://x:7077", lambda s: s.spark.text),
        ("SPARK_MEMORY", "9g", lambda s: s.spark_memory),
        ("SPARK_JARS", "/opt/jars", lambda s: str(s.spark_jars)),
    ],
)
def test_everything_that_differs_has_a_setting_of_its_own(
    name: str, value: str, shown: Callable[[Settings], str]
) -> None:
    assert shown(settings_from_env({**CLOUD, f"DATA_PLATFORM_{name}": value})) == value


@pytest.mark.parametrize(
    ("environment", "migrates"),
    [("local", True), ("test", True), ("staging", False), ("prod", False)],
)
def test_tables_of_a_deployment_are_migrated_by_one_command(
    environment: str, migrates: bool
) -> None:
    settings = settings_from_env({**ON_DATABASE, "DATA_PLATFORM_ENV": environment})
    inside = settings_from_env(
        {
            **ON_DATABASE,
            "DATA_PLATFORM_ENV": environment,
            "DATA_PLATFORM_VIRTUAL_ENVIRONMENT": "pr_42",
        }
    )

    assert settings.migrates is migrates
    assert inside.migrates
    assert inside.production and inside.production.migrates is migrates


def test_a_database_takes_all_metadata_of_a_laptop_too() -> None:
    settings = settings_from_env({"DATA_PLATFORM_DATABASE": "postgresql://app@db/dp"})

    assert settings.catalog_uri == settings.ledger_uri == settings.dagster_database
    assert settings.catalog_uri == "postgresql://app@db/dp"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"DATABASE": ""}, "DATA_PLATFORM_DATABASE must be set"),
        ({"AWS_REGION": ""}, "DATA_PLATFORM_AWS_REGION must be set"),
        ({"WAREHOUSE": "/warehouse"}, "DATA_PLATFORM_CATALOG is 'glue'"),
        ({"CATALOG": "sqlite:////tmp/c.db"}, "a file on one machine"),
        ({"LEDGER": "sqlite:////tmp/l.db"}, "a file on one machine"),
        ({"LANDING": "/in", "QUEUE": "https://sqs/1/q"}, "only a bucket reports its arrivals"),
        ({"WAREHOUSE": "s3://data-platform-warehouse-staging"}, "a bucket of 'staging'"),
        ({"ENV": "staging", "LANDING": "s3://data-platform-raw-landing-prod"}, "of 'prod'"),
    ],
)
def test_what_cannot_work_together_is_refused(changes: dict[str, str], named: str) -> None:
    message = refused({**CLOUD, **{f"DATA_PLATFORM_{k}": v for k, v in changes.items()}})

    assert named in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANDING", "landing"),
        ("LANDING", "s3://UPPER"),
        ("WAREHOUSE", "gs://bucket"),
        ("WAREHOUSE", "s3://b"),
        ("WAREHOUSE", "/a#b"),
        ("CATALOG", "athena"),
        ("DATABASE", "mysql://db/x"),
        ("DATABASE", "postgresql://app@db"),
        ("QUEUE", "landing-queue"),
        ("INVENTORY", "s3://reports/daily/"),
        ("INVENTORY", "/reports/daily"),
    ],
)
def test_a_place_that_is_none_is_refused_with_its_setting(name: str, value: str) -> None:
    assert f"DATA_PLATFORM_{name} is {value!r}" in refused({f"DATA_PLATFORM_{name}": value})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2@db/x",
        "postgresql://db/x?user=app&password=hunter2",
        "postgresql://app:a#hunter2@db/x",
        "postgresql://app:a?hunter2@db/x",
        "postgresql://app:a/hunter2@db/x",
        "postgresql:/app:hunter2@db/x",
        "mysql://app:hunter2@db/x",
        "app:hunter2@db/x",
        "postgresql//app:hunter2@db/x",
    ],
)
@pytest.mark.parametrize("name", ["DATABASE", "CATALOG", "LEDGER", "DAGSTER_DATABASE"])
def test_a_password_in_an_url_is_refused_and_not_shown(name: str, url: str) -> None:
    message = refused({f"DATA_PLATFORM_{name}": url})

    assert f"DATA_PLATFORM_{name} carries a password" in message
    assert "DATA_PLATFORM_DATABASE_PASSWORD" in message
    assert "hunter2" not in message


def test_the_short_name_of_postgresql_is_refused_with_the_long_one() -> None:
    message = refused({"DATA_PLATFORM_DATABASE": "postgres://app@db:5432/x"})

    assert "begins with postgres://; write it like postgresql://user@host" in message


def test_a_file_is_no_database_for_dagster_which_has_its_own() -> None:
    url = "sqlite:////tmp/d.db"
    assert settings_from_env({"DATA_PLATFORM_DATABASE": url}).dagster_database == ""
    assert "unset it, or" in refused({"DATA_PLATFORM_DAGSTER_DATABASE": url})


def test_reading_the_settings_leaves_the_environment_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPASSWORD", "before")
    monkeypatch.setenv("DATA_PLATFORM_DATABASE_PASSWORD", "hunter2")
    before = dict(os.environ)
    assert settings_from_env().database_password == "hunter2"
    assert dict(os.environ) == before


@pytest.mark.parametrize("opened", ["ledger", "builds", "lake"])
def test_whoever_opens_a_database_gives_it_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", "before")
    platform = Platform(settings_at(tmp_path, database_password="hunter2"))
    assert os.environ["PGPASSWORD"] == "before"
    getattr(platform, opened)
    assert os.environ["PGPASSWORD"] == "hunter2"


def test_a_password_is_in_no_picture_of_the_settings() -> None:
    settings = settings_from_env({**CLOUD, "DATA_PLATFORM_DATABASE_PASSWORD": "hunter2"})

    assert settings.database_password == "hunter2"
    assert "hunter2" not in f"{settings} {settings!r}"


@pytest.mark.parametrize("mark", module.DEPLOYMENT_MARKS)
def test_a_deployment_is_never_silently_local(mark: str) -> None:
    assert "DATA_PLATFORM_ENV is not set" in refused({mark: "x"})
    assert settings_from_env({mark: "x", "DATA_PLATFORM_ENV": "local"})


@pytest.mark.parametrize("memory", ["4", "4gb", "g", "0g", "-1g", "1.5g", "²g"])
def test_a_memory_the_jvm_would_refuse_is_refused_here(memory: str) -> None:
    message = refused({"DATA_PLATFORM_SPARK_MEMORY": memory})

    assert "write it like 4g" in message


@pytest.mark.parametrize("project", ["Acme", "acme.", "-acme", "acme-", "a--b", "a_b", "a.b", "ü"])
def test_a_project_that_no_bucket_can_be_named_after_is_refused(project: str) -> None:
    message = refused({"DATA_PLATFORM_PROJECT": project})

    assert repr(project) in message and "lower case" in message


def test_a_project_that_makes_names_too_long_is_refused_with_the_most_it_may_have() -> None:
    longest = "p" * setting_values.LONGEST_PROJECT

    assert settings_from_env({"DATA_PLATFORM_PROJECT": longest}).project == longest
    assert "at most 43" in refused({"DATA_PLATFORM_PROJECT": longest + "p"})


@pytest.mark.parametrize("project", ["sthree-acme", "amzn-s3-demo-acme"])
def test_a_project_that_begins_as_s3_reserves_it_is_refused(project: str) -> None:
    assert "S3 reserves" in refused({"DATA_PLATFORM_PROJECT": project})


@pytest.mark.parametrize("region", ["Frankfurt", "eu-west", "EU-WEST-1", "eu-west-1a"])
def test_a_region_that_is_none_is_refused(region: str) -> None:
    assert "write it like eu-west-1" in refused({"DATA_PLATFORM_AWS_REGION": region})


def test_the_region_is_the_settings_else_that_of_awss_own_tools() -> None:
    aws = {"AWS_DEFAULT_REGION": "eu-west-3", "AWS_REGION": "eu-west-2"}

    assert settings_from_env({**aws, "DATA_PLATFORM_AWS_REGION": "eu-west-1"}).aws_region == (
        "eu-west-1"
    )
    assert settings_from_env(aws).aws_region == "eu-west-2"
    assert settings_from_env({"AWS_DEFAULT_REGION": "eu-west-3"}).aws_region == "eu-west-3"
    assert settings_from_env({}).aws_region == ""


@pytest.mark.parametrize("region", ["us-gov-west-1", "ap-southeast-2", "cn-north-1"])
def test_regions_of_every_partition_are_regions(region: str) -> None:
    assert settings_from_env({"DATA_PLATFORM_AWS_REGION": region}).aws_region == region


@pytest.mark.parametrize("endpoint", ["localhost:9000", "s3://x", "http://", "http://x/path"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    assert "write it like http" in refused({"DATA_PLATFORM_AWS_ENDPOINT": endpoint})


def test_an_endpoint_is_kept_without_its_last_slash() -> None:
    settings = settings_from_env({"DATA_PLATFORM_AWS_ENDPOINT": "http://localhost:9000/"})

    assert settings.aws_endpoint == "http://localhost:9000"


@pytest.mark.parametrize("home", ["/a#b", "/a?b", "/a%20b", "/a*", "/a{b}", "/a[b]"])
def test_a_home_that_storage_would_misread_is_refused(home: str) -> None:
    assert "cannot be part of a table's location" in refused({"DATA_PLATFORM_HOME": home})


@given(st.text(min_size=1).filter(lambda text: "\x00" not in text and text.strip()))
def test_every_home_is_either_absolute_or_refused(home: str) -> None:
    try:
        settings = settings_from_env({"DATA_PLATFORM_HOME": home})
    except SettingsError as error:
        assert "DATA_PLATFORM_HOME" in str(error)
    else:
        assert settings.home.is_absolute()


def test_the_last_demo_is_the_default_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKOUT", tmp_path / "installed")
    monkeypatch.chdir(tmp_path)
    assert settings_from_env({}).home == tmp_path / ".platform" / "home"

    (tmp_path / ".platform").mkdir()
    (tmp_path / ".platform" / "last").write_text("demo-retail-1f3a09\n")
    assert settings_from_env({}).home == tmp_path / ".platform" / "demo-retail-1f3a09"


def test_a_prepared_home_is_one_that_dagster_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_at(tmp_path / "new" / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    prepare_home(settings)
    prepare_home(settings)

    assert {path.name for path in settings.home.iterdir()} == {"landing", "warehouse", "dagster"}
    with DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert instance.nux_enabled is False
        assert instance.telemetry_enabled is False
        assert instance.run_retries_enabled


def test_preparing_a_home_again_brings_its_dagster_configuration_up_to_date(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    prepare_home(settings)
    shipped = (settings.dagster_home / "dagster.yaml").read_text()
    (settings.dagster_home / "dagster.yaml").write_text("nux: {enabled: true}\n")

    prepare_home(settings)

    assert (settings.dagster_home / "dagster.yaml").read_text() == shipped
    assert yaml.safe_load(shipped)["nux"] == {"enabled": False}


def test_a_deployments_own_sections_replace_those_of_dagsters_configuration(tmp_path: Path) -> None:
    own = tmp_path / "instance.yaml"
    own.write_text("concurrency: {runs: {max_concurrent_runs: 7}}\nrun_launcher: {class: Theirs}")
    settings = settings_at(tmp_path / "home", dagster_config=own)

    prepare_home(settings)

    written = yaml.safe_load((settings.dagster_home / "dagster.yaml").read_text())
    assert written["concurrency"] == {
        "pools": {"granularity": "run", "default_limit": 1},  # kept
        "runs": {"max_concurrent_runs": 7},
    }
    assert written["run_launcher"] == {"class": "Theirs"}
    assert written["nux"] == {"enabled": False}
    assert "event_log_storage" in written


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("storage: {postgres: {}}", "has storage; leave it out and set DATA_PLATFORM_DAGSTER_DATA"),
        ("- run_launcher", "write sections of dagster.yaml in it"),
        ("run_launcher: {", "cannot be read"),
        (None, "No such file"),
    ],
)
def test_what_is_no_configuration_of_dagster_is_refused(
    tmp_path: Path, text: str | None, why: str
) -> None:
    own = tmp_path / "instance.yaml"
    if text is not None:
        own.write_text(text)

    with pytest.raises(SettingsError, match=why) as caught:
        prepare_home(settings_at(tmp_path / "home", dagster_config=own))

    assert f"DATA_PLATFORM_DAGSTER_CONFIG is {own}" in str(caught.value)


def test_the_price_of_storage_is_a_number_of_dollars() -> None:
    assert settings_from_env({"DATA_PLATFORM_STORAGE_PRICE": "0.021"}).storage_price == 0.021
    assert settings_from_env({}).storage_price is None
    for wrong in ("cheap", "-1", "nan", "inf"):
        assert "like 0.023" in refused({"DATA_PLATFORM_STORAGE_PRICE": wrong})


def test_the_format_of_logs_is_text_or_json() -> None:
    assert settings_from_env({"DATA_PLATFORM_LOG_FORMAT": "json"}).log_format == "json"
    assert settings_from_env({}).log_format == "text"
    assert "allowed: text, json" in refused({"DATA_PLATFORM_LOG_FORMAT": "JSON lines"})


def test_the_name_of_a_passwords_secret_is_known_and_a_password_is_no_name() -> None:
    assert secret_name("secretsmanager:acme/database#password") == "acme/database"
    assert secret_name("secretsmanager:acme/database") == "acme/database"
    settings = settings_from_env({**CLOUD, "DATA_PLATFORM_DATABASE_PASSWORD": "hunter2"})
    assert settings.database_secret == ""
