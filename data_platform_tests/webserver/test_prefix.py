"""The webserver below a path of a host, with `--path-prefix`: roles and checks are the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from data_platform_tests.support.web_pages import OPERATOR, URL, VIEWER, Pages, web_pages

PREFIX = "/teams/data"
RELOAD = "mutation { reloadWorkspace { __typename } }"
REPORTS = [f"/report_asset_{kind}/a" for kind in ("materialization", "check", "observation")]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with web_pages(tmp_path, PREFIX) as found:
        yield found


def test_the_pages_and_the_api_are_below_the_prefix_alone(pages: Pages) -> None:
    assert pages.client.get("/runs", headers=VIEWER).status_code == 200
    assert "version" in pages.graphql("{ version }", who=VIEWER).json()["data"]
    answer = pages.client.post(f"{URL}/graphql", json={"query": RELOAD}, headers=OPERATOR)
    assert answer.status_code == 404 and pages.entries() == []


@pytest.mark.parametrize("path", ["", "/", "/runs", "/graphql?query={version}", "/logs/r/a.out"])
def test_none_is_for_who_is_not_vouched_for(pages: Pages, path: str) -> None:
    assert pages.client.get(path).status_code == 401
    assert pages.client.get(f"{URL}{path}").status_code == 401


def test_a_probe_needs_no_password_below_the_prefix(pages: Pages) -> None:
    assert pages.client.get("/server_info").status_code == 200
    for other in (f"{URL}/server_info", "/server_info/", f"/server_info/..{PREFIX}/graphql"):
        assert pages.client.get(other).status_code == 401


def test_an_operator_launches_a_run_and_a_viewer_none(pages: Pages) -> None:
    refused = pages.launch(VIEWER)
    assert refused.json()["errors"][0]["message"].startswith("launchRun is for operators")
    assert pages.run_ids() == []

    pages.launch(OPERATOR)

    assert len(pages.run_ids()) == 1
    assert {(each.who, each.outcome) for each in pages.entries()} == {
        ("vera@example.com", "refused"),
        ("olga@example.com", "done"),
    }


def test_a_viewers_pages_show_their_buttons_disabled(pages: Pages) -> None:
    for who, some in ((VIEWER, False), (OPERATOR, True)):
        found = pages.graphql("{ permissions { value } }", who=who).json()["data"]["permissions"]
        assert any(each["value"] for each in found) is some


@pytest.mark.parametrize("path", REPORTS)
def test_a_viewer_reports_nothing(pages: Pages, path: str) -> None:
    answer = pages.client.post(path, headers=VIEWER, content="{}")

    assert answer.status_code == 403 and "is for operators" in answer.json()["error"]
    assert [each.outcome for each in pages.entries()] == ["refused"]


SITES: list[tuple[dict[str, Any], bool]] = [
    ({"Origin": URL}, True),
    ({"Origin": "https://elsewhere.example"}, False),
]


@pytest.mark.parametrize(("page", "own"), SITES)
def test_a_page_of_another_site_does_nothing_in_an_operators_name(
    pages: Pages, page: dict[str, str], own: bool
) -> None:
    headers = {**OPERATOR, **page, "Host": URL.removeprefix("http://")}

    answer = pages.client.post("/graphql", headers=headers, params={"query": RELOAD}, content="x")
    assert (answer.status_code == 200) is (len(pages.entries()) == 1) is own
    try:
        with pages.client.websocket_connect(f"{PREFIX}/graphql", ["graphql-ws"], headers=headers):
            connected = True
    except WebSocketDisconnect:
        connected = False
    assert connected is own
