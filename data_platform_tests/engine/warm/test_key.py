"""Runs share an engine if nothing that it depends on differs."""

import sys
from pathlib import Path

import pytest

from data_platform.engine.warm.key import key_of, own_code
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings

pytestmark = pytest.mark.connect_only


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


def test_changed_code_is_other_code(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_package_of_tables"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__(package.name)
    before, key = set(own_code()), key_of(settings, {}, {})
    assert {Path(path).parts[-2] for path, _, _ in before} >= {package.name, "contracts"}

    (package / "rules.py").write_text("MOST = 5")

    assert {path for path, _, _ in set(own_code()) - before} == {str(package / "rules.py")}
    assert key_of(settings, {}, {}) != key


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_PROFILE", "JAVA_TOOL_OPTIONS"])
def test_of_other_credentials_or_options_the_key_is_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = key_of(settings, {}, {})
    monkeypatch.setenv(name, "other")

    assert key_of(settings, {}, {}) != before


def test_what_a_run_is_about_does_not_change_the_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of(settings, {}, {})
    monkeypatch.setenv("DAGSTER_RUN_JOB_NAME", "silver")
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")

    assert key_of(settings, {}, {}) == before


def test_with_a_distribution_of_another_version_the_key_is_another(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    (tmp_path / "site" / "rates-1.0.dist-info").mkdir(parents=True)
    before = key_of(settings, {}, {})

    (tmp_path / "site" / "rates-1.0.dist-info").rename(tmp_path / "site" / "rates-1.1.dist-info")

    assert key_of(settings, {}, {}) != before
