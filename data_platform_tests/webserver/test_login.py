"""People log in at an OpenID Connect provider, before the webserver as it is deployed."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from data_platform.access.trail import Trail
from data_platform.runs.instance import open_instance
from data_platform.settings.environment import environment_kept, settings_at
from data_platform.settings.model import Settings
from data_platform.storage.waiting import wait
from data_platform_tests.support import small_code_location
from data_platform_tests.support.company import OPERATORS, VIEWERS, browser, email, leave, logged_in
from data_platform_tests.support.listening import until_it_listens
from data_platform_tests.support.servers import running
from data_platform_tests.support.web_pages import (
    LAUNCH,
    SECRET,
    launching,
    proxied,
)
from tools.identity import Client, Keycloak, Proxy, oauth2_proxy
from tools.servers import PATIENCE, free_port, launch

FORGED = {
    **proxied(email("olga"), OPERATORS),
    "X-Forwarded-User": email("olga"),
    "X-Forwarded-Email": email("olga"),
}
LOCATION = Path(small_code_location.__file__).name


@dataclass(frozen=True)
class Site:
    """The proxy that people open, the webserver behind it, and its state."""

    proxy: Proxy
    webserver: str
    settings: Settings


@contextmanager
def _webserver(settings: Settings) -> Iterator[str]:
    port, log = free_port(), settings.home / "webserver.txt"
    address = ("--host", "127.0.0.1", "--port", str(port), "-f", small_code_location.__file__)
    command = (sys.executable, "-m", "data_platform.webserver", *address)
    process = launch(
        [sys.executable, "-m", "data_platform.runs.container", *command],
        log=log,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "DATA_PLATFORM_HOME": str(settings.home),
            "DATA_PLATFORM_PROXY_SECRET": SECRET,
            "DATA_PLATFORM_OPERATORS": OPERATORS,
            "DATA_PLATFORM_VIEWERS": VIEWERS,
        },
    )
    try:
        until_it_listens(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def site(
    keycloak: Keycloak, client_at_keycloak: Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = settings_at(tmp_path_factory.mktemp("site"))
    with _webserver(settings) as webserver:
        before = oauth2_proxy(
            settings.home,
            issuer=keycloak.issuer,
            client=client_at_keycloak,
            upstream=webserver,
            password=SECRET,
            refresh="2s",
        )
        for proxy in running(before):  # skipped where it is not installed
            yield Site(proxy, webserver, settings)


def _launch(client: httpx.Client, headers: dict[str, str] | None = None) -> Any:
    variables = launching()
    variables["params"]["selector"]["repositoryLocationName"] = LOCATION
    sent = {"query": LAUNCH, "variables": variables}
    return client.post("/graphql", json=sent, headers=headers).json()


def _entries(site: Site, who: str) -> list[tuple[str, str, str]]:
    found = Trail(site.settings.ledger_uri).entries(who=email(who))
    return [(entry.action, entry.role, entry.outcome) for entry in found]


def test_who_has_not_logged_in_is_led_to_the_provider(site: Site, keycloak: Keycloak) -> None:
    with browser(site.proxy.url) as client:
        page = client.get("/runs")

        assert [each.status_code for each in page.history] == [302]
        assert str(page.url).startswith(f"{keycloak.issuer}/protocol/openid-connect/auth")
        assert client.get("/graphql", params={"query": "{version}"}).url.path != "/graphql"


def test_an_operator_launches_a_run_which_says_who_and_so_does_the_trail(site: Site) -> None:
    with logged_in(site.proxy.url, "olga") as client:
        answer = _launch(client)["data"]["launchRun"]

    assert answer["__typename"] == "LaunchRunSuccess"
    with environment_kept(), open_instance(site.settings) as instance:
        run = instance.get_run_by_id(answer["run"]["runId"])
    assert run and run.tags["user"] == email("olga")
    assert _entries(site, "olga") == [("launchRun", "operator", "done")]


def test_a_viewer_reads_pages_and_launches_nothing(site: Site) -> None:
    with logged_in(site.proxy.url, "vera") as client:
        page = client.get("/runs")
        version = client.get("/graphql", params={"query": "{version}"}).json()
        refused = _launch(client)

    assert (page.status_code, page.url.path) == (200, "/runs")
    assert "/_next/static/" in page.text  # the UI itself
    assert version["data"]["version"]
    assert refused["errors"][0]["message"].startswith(
        f"launchRun is for operators, and {email('vera')} is a viewer"
    )
    assert _entries(site, "vera") == [("launchRun", "viewer", "refused")]


@pytest.mark.parametrize("user", ["tara", "carl"])
def test_a_group_of_a_like_name_gives_no_role(site: Site, user: str) -> None:
    with logged_in(site.proxy.url, user) as client:
        page = client.get("/")

    assert (page.status_code, page.text.partition(" is in none")[0]) == (403, email(user))


def test_who_has_left_the_group_launches_nothing_more_without_logging_in_again(
    site: Site, keycloak: Keycloak
) -> None:
    with logged_in(site.proxy.url, "oskar") as client:
        assert _launch(client)["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
        leave(keycloak, "oskar", OPERATORS)
        refused = wait(lambda: _launch(client)["data"] is None, PATIENCE)

    assert refused
    assert _entries(site, "oskar")[-1] == ("launchRun", "viewer", "refused")


def test_headers_that_a_browser_makes_up_do_not_pass_the_proxy(site: Site) -> None:
    with logged_in(site.proxy.url, "vera") as client:
        assert "is for operators, and vera@" in _launch(client, FORGED)["errors"][0]["message"]
    with logged_in(site.proxy.url, "nora") as client:
        page = client.get("/", headers=FORGED)

    assert (page.status_code, page.text[:16]) == (403, "nora@example.com")


def test_past_the_proxy_nobody_is_let_in(site: Site) -> None:
    guessed = proxied(email("olga"), OPERATORS, secret="guessed, and wrong")
    with browser(site.webserver) as client:
        assert client.get("/", headers={**FORGED, **guessed}).status_code == 401
        sent = client.post("/graphql", json={"query": "{version}"}, headers=guessed)

    assert sent.status_code == 401


def test_pages_of_a_viewer_have_their_socket_through_the_proxy(site: Site) -> None:
    with logged_in(site.proxy.url, "vera") as client:
        cookies = "; ".join(f"{c.name}={c.value}" for c in client.cookies.jar if c.path == "/")
    url = site.proxy.url.replace("http", "ws") + "/graphql"

    with connect(
        url,
        subprotocols=[Subprotocol("graphql-ws")],
        additional_headers={"Cookie": cookies},
        proxy=None,
    ) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": {}}))
        answer = json.loads(socket.recv(PATIENCE))

    assert answer["type"] == "connection_ack"
