import os

import pytest

from data_platform.settings.engine import Engine, without_token
from data_platform.settings.environment import listed, settings_from_env
from data_platform.settings.values import SettingsError


@pytest.mark.parametrize(
    ("text", "kind", "cores"),
    [
        ("sail", "sail", os.cpu_count()),
        ("local", "local", 1),
        ("local[3]", "local", 3),
        ("local[2,4]", "local", 2),
        ("local[*]", "local", os.cpu_count()),
        ("local[*, 2]", "local", os.cpu_count()),
        ("spark://host:7077", "cluster", None),
        ("k8s://https://host", "cluster", None),
        ("yarn", "cluster", None),
        ("sc://host:15002", "connect", None),
        ("sc://host:15002/;token=abc;use_ssl=true", "connect", None),
    ],
)
def test_an_engine_has_its_kind_and_the_cores_it_uses_on_this_machine(
    text: str, kind: str, cores: int | None
) -> None:
    engine = Engine(text)

    assert (engine.kind, engine.cores) == (kind, cores)
    assert engine.has_jvm == (kind in ("local", "cluster"))


@pytest.mark.parametrize(
    "text",
    ["spark", "Sail", "local[]", "local[0]", "local [2]", "spark://", "sc://", "sc://;token"],
)
def test_an_unknown_engine_is_refused_with_those_that_are_allowed(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_from_env({"DATA_PLATFORM_SPARK": text})

    message = str(refused.value)
    assert repr(text) in message and "DATA_PLATFORM_SPARK" in message
    assert all(each in message for each in ("sail", "local[*]", "spark://", "yarn", "sc://"))


@pytest.mark.parametrize(
    ("text", "meant"), [("sial", "sail"), ("Sail", "sail"), ("local(*)", r"local\[\*\]")]
)
def test_a_mistyped_engine_is_asked_about(text: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"did you mean {meant}\\?"):
        settings_from_env({"DATA_PLATFORM_SPARK": text})


def test_the_former_name_of_the_setting_is_refused_with_the_new_one() -> None:
    with pytest.raises(SettingsError, match=r"did you mean DATA_PLATFORM_SPARK(_\w+)?\?"):
        settings_from_env({"DATA_PLATFORM_SPARK_MASTER": "local[2]"})


def test_a_token_is_shown_nowhere() -> None:
    env = {"DATA_PLATFORM_SPARK": "sc://host:1/;token=hunter2;use_ssl=true"}
    settings = settings_from_env(env)

    assert settings.spark.text == env["DATA_PLATFORM_SPARK"]
    shown = f"{settings} {settings!r} {settings.spark} {listed(env)}"
    assert "hunter2" not in shown and "use_ssl=true" in shown
    assert without_token("sail") == "sail"
