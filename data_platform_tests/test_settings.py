from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from hypothesis import given
from hypothesis import strategies as st

from data_platform import settings as module
from data_platform.settings import Environment, Settings, SettingsError, prepare_home


def refused(env: Mapping[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        Settings.from_env(env)
    return str(error.value)


def test_an_empty_environment_is_a_laptop() -> None:
    settings = Settings.from_env({"PATH": "/bin"})

    assert settings.environment is Environment.LOCAL
    assert settings.home.is_absolute()
    assert settings.home.parent.name == ".platform"
    assert settings.spark_master == "local[*]"


def test_all_state_lives_under_the_home(tmp_path: Path) -> None:
    settings = Settings.from_env({"DATA_PLATFORM_HOME": str(tmp_path)})

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

    assert "DATA_PLATFORM_HOEM is no setting; did you mean DATA_PLATFORM_HOME?" in message


def test_a_name_like_no_other_is_answered_with_all() -> None:
    message = refused({"DATA_PLATFORM_ZZZZZZZZZZZZZZZZZ": "1"})

    assert "DATA_PLATFORM_SPARK_MEMORY" in message


@pytest.mark.parametrize("environment", ["test", "staging", "prod"])
def test_only_a_laptop_has_a_home_by_default(environment: str) -> None:
    assert "DATA_PLATFORM_HOME must be set" in refused({"DATA_PLATFORM_ENV": environment})


@pytest.mark.parametrize("mark", module.DEPLOYMENT_MARKS)
def test_a_deployment_is_never_silently_local(mark: str) -> None:
    assert "DATA_PLATFORM_ENV is not set" in refused({mark: "x"})
    assert Settings.from_env({mark: "x", "DATA_PLATFORM_ENV": "local"})


@pytest.mark.parametrize("memory", ["4", "4gb", "g", "0g", "-1g", "1.5g", "²g"])
def test_a_memory_the_jvm_would_refuse_is_refused_here(memory: str) -> None:
    message = refused({"DATA_PLATFORM_SPARK_MEMORY": memory})

    assert "write it like 4g" in message


@pytest.mark.parametrize("home", ["/a#b", "/a?b", "/a%20b", "/a*", "/a{b}", "/a[b]"])
def test_a_home_that_storage_would_misread_is_refused(home: str) -> None:
    assert "cannot stand in a table's location" in refused({"DATA_PLATFORM_HOME": home})


@given(st.text(min_size=1).filter(lambda text: "\x00" not in text and text.strip()))
def test_every_home_is_either_absolute_or_refused(home: str) -> None:
    try:
        settings = Settings.from_env({"DATA_PLATFORM_HOME": home})
    except SettingsError as error:
        assert "DATA_PLATFORM_HOME" in str(error)
    else:
        assert settings.home.is_absolute()


def test_the_last_demo_is_the_default_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKOUT", tmp_path / "installed")
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({}).home == tmp_path / ".platform" / "home"

    (tmp_path / ".platform").mkdir()
    (tmp_path / ".platform" / "last").write_text("demo-retail-1f3a09\n")
    assert Settings.from_env({}).home == tmp_path / ".platform" / "demo-retail-1f3a09"


def test_a_prepared_home_is_one_that_dagster_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.at(tmp_path / "new" / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    prepare_home(settings)
    prepare_home(settings)

    assert {path.name for path in settings.home.iterdir()} == {"landing", "warehouse", "dagster"}
    with DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert instance.nux_enabled is False
        assert instance.telemetry_enabled is False
        assert instance.run_retries_enabled


def test_preparing_a_home_again_brings_its_dagster_configuration_up_to_date(tmp_path: Path) -> None:
    settings = Settings.at(tmp_path)
    prepare_home(settings)
    shipped = (settings.dagster_home / "dagster.yaml").read_text()
    (settings.dagster_home / "dagster.yaml").write_text("nux: {enabled: true}\n")

    prepare_home(settings)

    assert (settings.dagster_home / "dagster.yaml").read_text() == shipped
    assert yaml.safe_load(shipped)["nux"] == {"enabled": False}
