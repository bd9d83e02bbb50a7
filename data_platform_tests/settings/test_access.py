"""The settings about who may do what."""

import getpass
import socket

import pytest

from data_platform.settings.environment import listed, passed_on, settings_from_env
from data_platform.settings.values import SettingsError

PROXIED = {
    "DATA_PLATFORM_PROXY_SECRET": "known to the proxy alone",
    "DATA_PLATFORM_OPERATORS": "data-operators, on-call",
    "DATA_PLATFORM_VIEWERS": "*",
}


def test_groups_are_separated_by_commas() -> None:
    found = settings_from_env(PROXIED)

    assert found.proxy_secret == "known to the proxy alone"
    assert found.operators == {"data-operators", "on-call"}
    assert found.viewers == {"*"}


def test_that_there_is_no_proxy_can_be_said() -> None:
    assert not settings_from_env({"DATA_PLATFORM_PROXY_SECRET": "none"}).has_proxy
    assert settings_from_env(PROXIED).has_proxy


def test_the_actor_is_the_systems_user_unless_another_is_named() -> None:
    assert settings_from_env({}).actor == f"{getpass.getuser()}@{socket.gethostname()}"
    assert settings_from_env({"DATA_PLATFORM_ACTOR": "nightly-build"}).actor == "nightly-build"


def test_the_proxys_secret_is_neither_shown_nor_given_to_remote_jobs() -> None:
    assert "known to" not in str(listed(PROXIED))
    assert "known to" not in repr(settings_from_env(PROXIED))
    assert not set(PROXIED) & set(passed_on(PROXIED))
    assert settings_from_env(PROXIED, secrets=False).proxy_secret == ""


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"OPERATORS": "*"}, r"DATA_PLATFORM_OPERATORS is '\*'; name the groups"),
        ({"PROXY_SECRET": "short"}, "DATA_PLATFORM_PROXY_SECRET has 5 characters; use at least 16"),
        ({"OPERATORS": "", "VIEWERS": ""}, "neither DATA_PLATFORM_OPERATORS nor DATA_PLATFORM_VIE"),
        ({"UNPROTECTED_HOSTS": "*"}, r"DATA_PLATFORM_UNPROTECTED_HOSTS has '\*'; write it like"),
        ({"ACTOR": "a\nb"}, "DATA_PLATFORM_ACTOR is 'a.nb'; write it like nightly-build"),
    ],
)
def test_what_would_let_anybody_in_or_nobody_is_refused(
    variables: dict[str, str], why: str
) -> None:
    given = {f"DATA_PLATFORM_{name}": value for name, value in variables.items()}

    with pytest.raises(SettingsError, match=why) as refused:
        settings_from_env({**PROXIED, **given})

    assert "short" not in str(refused.value)
