import base64
from pathlib import Path

import pytest

from data_platform.access.people import NotAllowed, NotAuthenticated, Person, Role, requesting
from data_platform.settings.environment import settings_at
from data_platform.settings.model import NO_PROXY, Settings

PEER = "10.0.0.7"
SECRET = "known to the proxy alone"


def settings(tmp_path: Path, **others: object) -> Settings:
    given = {"operators": frozenset({"ops"}), "viewers": frozenset({"all", "more"})}
    return settings_at(tmp_path, **{"proxy_secret": SECRET, **given, **others})


def basic(text: str) -> tuple[str, str]:
    return "authorization", "Basic " + base64.b64encode(text.encode()).decode()


def groups(*names: str) -> tuple[str, str]:
    return "x-forwarded-groups", ",".join(names)


@pytest.mark.parametrize(
    ("named", "role"),
    [
        (("ops",), Role.OPERATOR),
        (("all", "ops"), Role.OPERATOR),
        (("staff", " more "), Role.VIEWER),
    ],
)
def test_groups_give_the_role_and_the_greater_one_counts(
    tmp_path: Path, named: tuple[str, ...], role: Role
) -> None:
    headers = [basic(f"ann@example.com:{SECRET}"), groups(*named)]

    assert requesting(headers, settings(tmp_path), PEER) == Person("ann@example.com", role)


@pytest.mark.parametrize("named", [(), ("",), ("OPS",), ("op",), ("ops more",), ("staff",)])
def test_who_is_in_no_group_is_told_which_there_are(tmp_path: Path, named: tuple[str, ...]) -> None:
    headers = [basic(f"ann:{SECRET}"), groups(*named)]

    with pytest.raises(NotAllowed, match=r"ann is in none .* Ask for one of: all, more, ops"):
        requesting(headers, settings(tmp_path), PEER)


def test_a_star_among_viewers_is_everyone_who_logs_in(tmp_path: Path) -> None:
    everyone = settings(tmp_path, viewers=frozenset({"*"}))

    assert requesting([basic(f"ann:{SECRET}")], everyone, PEER).role is Role.VIEWER
    with pytest.raises(NotAuthenticated):
        requesting([groups("ops")], everyone, PEER)


@pytest.mark.parametrize(
    "header",
    [
        None,
        basic("ann:guessed"),
        basic("ann:"),
        basic(f":{SECRET}"),
        basic("ann"),
        ("authorization", f"Bearer {SECRET}"),
        ("authorization", f"Basic ann:{SECRET}"),
        ("authorization", "Basic /w=="),
        ("authorization", "Basic \u00e9\u00e9\u00e9\u00e9"),
        ("authorization", "Basic 7aCA"),
        basic("ann:gu\u00e9ssed"),
    ],
)
def test_without_the_proxys_secret_no_header_says_who_it_is(
    tmp_path: Path, header: tuple[str, str] | None
) -> None:
    headers = [groups("ops"), *([header] if header else [])]

    with pytest.raises(NotAuthenticated, match="does not come from the proxy"):
        requesting(headers, settings(tmp_path), PEER)


def test_a_header_that_is_there_twice_says_nothing(tmp_path: Path) -> None:
    once = basic(f"ann:{SECRET}")

    with pytest.raises(NotAuthenticated):
        requesting([once, once, groups("ops")], settings(tmp_path), PEER)
    with pytest.raises(NotAllowed):
        requesting([once, groups("ops"), groups("ops")], settings(tmp_path), PEER)


@pytest.mark.parametrize(
    ("host", "peer"),
    [("localhost:3000", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("[::1]:3000", "::1")],
)
def test_without_a_proxy_this_machine_is_let_in(tmp_path: Path, host: str, peer: str) -> None:
    alone = settings(tmp_path, proxy_secret="")

    assert requesting([("host", host)], alone, peer).may_change


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("localhost", "10.0.0.7"),
        ("elsewhere.example", "127.0.0.1"),
        ("localhost.elsewhere.example", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("[x", "127.0.0.1"),
        ("localhost", ""),
    ],
)
def test_without_a_proxy_no_other_machine_nor_name_is(tmp_path: Path, host: str, peer: str) -> None:
    alone = settings(tmp_path, proxy_secret="")

    with pytest.raises(NotAllowed, match="DATA_PLATFORM_UNPROTECTED_HOSTS"):
        requesting([("host", host)], alone, peer)


def test_a_host_that_is_open_on_purpose_is_open_to_other_machines(tmp_path: Path) -> None:
    shared = settings(tmp_path, proxy_secret="", unprotected_hosts=frozenset({"lab.example"}))

    assert requesting([("host", "lab.example:3000")], shared, "10.0.0.7").may_change
    with pytest.raises(NotAllowed):
        requesting([("host", "localhost")], shared, "10.0.0.7")
    everywhere = settings(tmp_path, proxy_secret=NO_PROXY)
    assert requesting([("host", "10.0.0.8:3000")], everywhere, "10.0.0.7").may_change


def test_without_a_proxy_the_one_who_runs_the_webserver_does_everything(tmp_path: Path) -> None:
    alone = settings(tmp_path, proxy_secret="", actor="me@laptop")

    assert requesting([("host", "localhost")], alone, "::1") == Person("me@laptop", Role.OPERATOR)
