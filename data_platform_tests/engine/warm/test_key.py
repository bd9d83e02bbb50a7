"""Runs share an engine only if all that it depends on is the same."""

import sys
from pathlib import Path

import pytest

from data_platform.engine.warm.key import key_of
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings

pytestmark = pytest.mark.connect_only


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


def test_changed_code_changes_the_key(settings: Settings, tmp_path: Path) -> None:
    code = [tmp_path / "rules.py", tmp_path / "link_to_nothing.py"]
    code[0].write_text("MOST = 5")
    before = key_of(settings, {}, {}, code)
    assert key_of(settings, {}, {}, code) == before

    code[0].write_text("MOST = 10")

    assert key_of(settings, {}, {}, code) != before


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_PROFILE", "JAVA_TOOL_OPTIONS"])
def test_other_credentials_or_options_change_the_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = key_of(settings, {}, {}, [])
    monkeypatch.setenv(name, "other")

    assert key_of(settings, {}, {}, []) != before


def test_variables_of_a_run_do_not_change_the_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of(settings, {}, {}, [])
    monkeypatch.setenv("DAGSTER_RUN_JOB_NAME", "silver")
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")

    assert key_of(settings, {}, {}, []) == before


def test_another_version_of_a_distribution_changes_the_key(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    (tmp_path / "site" / "rates-1.0.dist-info").mkdir(parents=True)
    before = key_of(settings, {}, {}, [])

    (tmp_path / "site" / "rates-1.0.dist-info").rename(tmp_path / "site" / "rates-1.1.dist-info")

    assert key_of(settings, {}, {}, []) != before
