"""Dagster's webserver for viewers, operators and others, and every way to a mutation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster_graphql.schema import create_schema
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)
from starlette.websockets import WebSocketDisconnect

from data_platform.databases.connections import Database
from data_platform.webserver.mutations import HARMLESS
from data_platform_tests.support.backfills import LAUNCH_BACKFILL, backfill_of
from data_platform_tests.support.web_pages import (
    LAUNCH,
    LOCATION,
    OPERATOR,
    URL,
    VIEWER,
    Pages,
    launching,
    proxied,
    web_pages,
)

RELOAD = "mutation { reloadWorkspace { __typename } }"


def test_an_operator_launches_a_run_and_both_the_run_and_the_trail_say_who(pages: Pages) -> None:
    answer = pages.launch(OPERATOR, user="someone else").json()["data"]["launchRun"]

    [run_id] = pages.run_ids()
    run = pages.instance.get_run_by_id(run_id)
    assert run is not None
    assert answer["run"]["runId"] == run_id
    assert run.tags["user"] == "olga@example.com"
    [entry] = pages.entries()
    assert (entry.who, entry.role, entry.action) == ("olga@example.com", "operator", "launchRun")
    assert (entry.run, entry.outcome) == (run_id, "done")
    assert "job quiet" in entry.detail


def test_a_viewer_reads_and_launches_nothing(pages: Pages) -> None:
    read = pages.graphql("{ version permissions { permission value } }", who=VIEWER).json()["data"]
    refused = pages.launch(VIEWER)

    assert "version" in read
    assert {each["value"] for each in read["permissions"]} == {False}
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"].startswith(
        "launchRun is for operators, and vera@example.com is a viewer. Nothing was changed."
    )
    assert pages.run_ids() == []
    [entry] = pages.entries()
    assert (entry.who, entry.action, entry.outcome) == ("vera@example.com", "launchRun", "refused")


def test_a_backfill_says_who_and_the_trail_what_it_is_of(pages: Pages) -> None:
    days = backfill_of(["silver/shop/lines"], ["2011-03-01", "2011-03-02"])
    answer = pages.graphql(LAUNCH_BACKFILL, days, who=OPERATOR).json()

    backfill_id = answer["data"]["launchPartitionBackfill"]["backfillId"]
    backfill = pages.instance.get_backfill(backfill_id)
    assert backfill is not None
    assert backfill.tags["user"] == "olga@example.com"
    [entry] = pages.entries()
    assert (entry.tables, entry.partitions) == ("silver/shop/lines", "2011-03-01..2011-03-02")
    assert (entry.run, entry.outcome) == (backfill_id, "done")


def test_each_of_several_runs_says_who_and_is_in_the_entry(pages: Pages) -> None:
    launch = """
      mutation($list: [ExecutionParams!]!) {
        launchMultipleRuns(executionParamsList: $list) { __typename }
      }
    """
    [params] = launching().values()
    missing = {**params, "selector": {**params["selector"], "pipelineName": "loud"}}

    pages.graphql(launch, {"list": [params, params]}, who=OPERATOR)
    pages.graphql(launch, {"list": [params, missing]}, who=OPERATOR)

    runs = pages.instance.get_runs()
    assert [run.tags["user"] for run in runs] == ["olga@example.com"] * 3
    both, one = pages.entries()
    assert {*both.run.split(", "), one.run} == {run.run_id for run in runs}
    assert (both.outcome, one.outcome) == ("done", "failed")
    assert "PipelineNotFoundError" in one.detail


def test_what_dagster_answers_with_an_error_has_failed(pages: Pages) -> None:
    repository = launching()["params"]["selector"]
    del repository["pipelineName"]
    unknown = {"partitionSetName": "none", "repositorySelector": repository}
    nowhere = {"selector": unknown, "partitionNames": ["2011-03-01"]}
    pages.graphql(LAUNCH_BACKFILL, {"params": nowhere}, who=OPERATOR)
    pages.graphql('mutation { terminateRun(runId: "r1") { __typename } }', who=OPERATOR)

    backfill, run = pages.entries()
    assert backfill.outcome == "failed"
    assert "partition set none" in backfill.detail
    assert "PartitionSetNotFoundError" in backfill.detail
    assert (run.run, run.outcome) == ("r1", "failed")
    assert "RunNotFoundError" in run.detail


def test_each_run_that_was_not_ended_is_a_failure(pages: Pages) -> None:
    ended = 'mutation { terminateRuns(runIds: ["r1", "r2"]) { __typename } }'
    answer = pages.graphql(ended, who=OPERATOR).json()

    assert answer["data"]["terminateRuns"]["__typename"] == "TerminateRunsResult"
    [entry] = pages.entries()
    assert (entry.run, entry.outcome) == ("r1, r2", "failed")
    assert entry.detail.count("RunNotFoundError") == 2


def test_code_that_cannot_be_loaded_is_a_failure_of_its_reload(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise SyntaxError("a bracket is missing")

    monkeypatch.setattr(InProcessCodeLocationOrigin, "reload_location", broken)
    pages.graphql(RELOAD, who=OPERATOR)

    [entry] = pages.entries()
    assert entry.outcome == "failed"
    assert f"{LOCATION} cannot be loaded: SyntaxError: a bracket is missing" in entry.detail


def test_half_a_character_in_a_request_is_recorded(pages: Pages) -> None:
    sent = b"""{"query": "mutation($id: String!) { deleteRun(runId: $id) { __typename } }",
        "variables": {"id": "a\\ud800"}}"""
    headers = {**VIEWER, "Content-Type": "application/json"}

    answer = pages.client.post("/graphql", content=sent, headers=headers)

    assert "is for operators" in answer.text
    [entry] = pages.entries()
    assert (entry.run, entry.outcome) == (r"a\ud800", "refused")


# --- who is let in ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Forwarded-Email": "olga@example.com", "X-Forwarded-Groups": "data-operators"}, 401),
        (proxied("olga@example.com", "data-operators", secret="guessed, and wrong"), 401),
        (proxied("nora@example.com", "staff"), 403),
        (VIEWER, 200),
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/runs", "/graphql?query={version}", "/logs/r/compute_logs/a.out"]
)
def test_every_page_is_for_those_whom_the_proxy_vouches_for(
    pages: Pages, headers: dict[str, str], status: int, path: str
) -> None:
    found = pages.client.get(path, headers=headers)

    is_missing = path.startswith("/logs") and status == 200
    assert found.status_code == (404 if is_missing else status)


def test_a_probe_needs_no_password_and_learns_versions_only(pages: Pages) -> None:
    assert set(pages.client.get("/server_info").json()) == {
        "dagster_webserver_version",
        "dagster_version",
        "dagster_graphql_version",
    }
    assert pages.client.get("/server_info/../graphql").status_code == 401
    assert pages.client.get("/server_info/").status_code == 401


def test_without_a_proxy_everything_is_as_dagster_has_it(tmp_path: Path) -> None:
    alone = {"proxy_secret": "", "actor": "me@laptop"}
    with web_pages(tmp_path, **alone) as pages:
        pages.launch({})

        assert len(pages.run_ids()) == 1
        [entry] = pages.entries()
        assert (entry.who, entry.outcome) == ("me@laptop", "done")


def test_without_a_proxy_no_other_name_leads_to_a_laptop(tmp_path: Path) -> None:
    with web_pages(tmp_path, proxy_secret="") as pages:
        found = pages.client.get("/runs", headers={"Host": "elsewhere.example:3000"})

    assert found.status_code == 403
    assert "DATA_PLATFORM_UNPROTECTED_HOSTS" in found.text


# --- ways around --------------------------------------------------------------------------

AROUND: dict[str, dict[str, Any]] = {
    "a GET": {"method": "GET", "params": {"query": RELOAD}},
    "a query in the address, beside a harmless body": {
        "method": "POST",
        "params": {"query": RELOAD},
        "json": {"query": "{version}"},
        "headers": {"Content-Type": "text/plain"},
    },
    "a document that is not JSON": {
        "method": "POST",
        "content": RELOAD,
        "headers": {"Content-Type": "application/graphql"},
    },
    "an alias": {"json": {"query": "mutation { version: reloadWorkspace { __typename } }"}},
    "a fragment with a harmless name": {
        "json": {
            "query": "mutation { ...logTelemetry } "
            "fragment logTelemetry on Mutation { reloadWorkspace { __typename } }"
        }
    },
    "one of several operations": {
        "json": {"query": f"query A {{ version }} mutation B {RELOAD[9:]}", "operationName": "B"}
    },
    "a harmless one before it": {
        "json": {"query": "mutation { setNuxSeen reloadWorkspace { __typename } }"}
    },
}


@pytest.mark.parametrize("way", AROUND)
def test_no_way_to_write_a_mutation_gets_a_viewer_past_the_role(pages: Pages, way: str) -> None:
    request = {"method": "POST", "url": "/graphql", **AROUND[way]}
    request["headers"] = {**VIEWER, **request.get("headers", {})}

    answer = pages.client.request(**request)

    [error] = answer.json()["errors"]
    assert error["message"].startswith("reloadWorkspace")
    assert answer.status_code == 400


def test_a_list_of_operations_is_no_way_either(pages: Pages) -> None:
    with pytest.raises(AttributeError):  # Dagster has no batches
        pages.client.post("/graphql", json=[{"query": RELOAD}], headers=VIEWER)

    assert pages.entries() == []


def test_not_even_an_operator_changes_something_by_a_get(pages: Pages) -> None:
    answer = pages.client.get("/graphql", params={"query": RELOAD}, headers=OPERATOR)

    assert "a mutation is sent by POST, not GET" in answer.text
    assert pages.entries() == []


SIMPLE = {"params": {"query": RELOAD}, "content": "x"}  # what a page may send to any site


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ({"Origin": URL, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": URL}, 200),
        ({}, 200),
        ({"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_page_of_another_site_does_nothing_in_an_operators_name(
    pages: Pages, page: dict[str, str], status: int
) -> None:
    host = URL.removeprefix("http://")  # of sockets, too, for which the client has its own
    headers = {**OPERATOR, **page, "Host": host, "Content-Type": "text/plain"}

    assert pages.client.post("/graphql", headers=headers, **SIMPLE).status_code == status
    assert len(pages.entries()) == (status == 200)
    report = pages.client.post("/report_asset_materialization/a", headers=headers, content="{}")
    assert report.status_code == (403 if status == 403 else 400)
    try:
        with pages.client.websocket_connect("/graphql", ["graphql-ws"], headers=headers):
            connected = True
    except WebSocketDisconnect:
        connected = False
    assert connected is (status == 200)


def _literal(kind: Any) -> str:
    """A value of a type, as short as it can be."""
    match kind:
        case GraphQLNonNull(of_type=inner):
            return _literal(inner)
        case GraphQLList(of_type=inner):
            return f"[{_literal(inner)}]"
        case GraphQLEnumType(values=values):
            return next(iter(values))
        case GraphQLInputObjectType(fields=fields):
            wanted = {n: f for n, f in fields.items() if is_required_input_field(f)}
            return "{" + ", ".join(f"{n}: {_literal(f.type)}" for n, f in wanted.items()) + "}"
    return {"Boolean": "true", "Int": "1", "Float": "1.0"}.get(str(kind), '"x"')


def _every_mutation() -> Iterator[Any]:
    mutations = create_schema().graphql_schema.mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        given = {n: a for n, a in field.args.items() if is_required_argument(a)}
        arguments = ", ".join(f"{n}: {_literal(a.type)}" for n, a in given.items())
        selection = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
        call = f"{name}({arguments})" if arguments else name
        yield pytest.param(name, f"mutation {{ {call}{selection} }}", id=name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with web_pages(tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.mark.parametrize(("name", "mutation"), [*_every_mutation()])
def test_every_mutation_that_dagster_has_is_refused_to_a_viewer(
    shared: Pages, name: str, mutation: str
) -> None:
    answer = shared.graphql(mutation, who=VIEWER).json()

    if name in HARMLESS:
        assert "errors" not in answer
    else:
        [error] = answer["errors"]
        assert error["message"].startswith(f"{name} is for operators"), answer


def test_a_viewer_cannot_fill_the_trail(pages: Pages) -> None:
    ways = [f"m{n}: deleteRun(runId: $id) {{ __typename }}" for n in range(50)]
    sent = f"mutation($id: String!) {{ {' '.join(ways)} }}"

    answer = pages.graphql(sent, {"id": "r" * 100_000}, who=VIEWER).json()

    assert len(answer["errors"]) == 1
    [entry] = pages.entries()
    assert (entry.action, entry.outcome) == ("deleteRun", "refused")
    assert len(str(entry)) < 5000
    pages.graphql(RELOAD, who=VIEWER)
    assert len(pages.entries()) == 2


# --- other entrances ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["materialization", "check", "observation"])
def test_events_are_reported_by_operators_and_recorded(pages: Pages, kind: str) -> None:
    url = f"/report_asset_{kind}/silver/shop/lines"
    body = {"partition": "2011-03-01", "check_name": "rows", "passed": True, "data_version": "1"}

    refused = pages.client.post(url, json=body, headers=VIEWER)
    done = pages.client.post(url, json=body, headers=OPERATOR)
    wrong = pages.client.post(url, headers={**OPERATOR, "Content-Type": "text/plain"}, content="x")

    assert (refused.status_code, done.status_code, wrong.status_code) == (403, 200, 400)
    first, second, third = pages.entries()
    assert (first.who, first.outcome) == ("vera@example.com", "refused")
    assert (second.who, second.action) == ("olga@example.com", f"report_asset_{kind}")
    assert second.tables == "silver/shop/lines"
    assert (second.outcome, third.outcome) == ("done", "failed")


def test_a_report_that_ends_in_an_error_has_failed(pages: Pages) -> None:
    headers = {**OPERATOR, "Content-Type": "application/json"}

    with pytest.raises(ValueError, match="Expecting"):  # for which the server answers 500
        pages.client.post("/report_asset_materialization/a", content="{", headers=headers)

    assert [entry.outcome for entry in pages.entries()] == ["failed"]


def _started(query: str) -> dict[str, Any]:
    return {"type": "start", "id": "1", "payload": {"query": query}}


def test_pages_of_viewers_are_kept_up_to_date_by_a_socket_that_changes_nothing(
    pages: Pages,
) -> None:
    run_id = pages.launch(OPERATOR).json()["data"]["launchRun"]["run"]["runId"]
    log = f'subscription {{ pipelineRunLogs(runId: "{run_id}") {{ __typename }} }}'

    with pages.client.websocket_connect("/graphql", ["graphql-ws"], headers=VIEWER) as socket:
        socket.send_json(_started(RELOAD))
        refused = socket.receive_json()
        socket.send_json({**_started(log), "id": "2"})
        found = socket.receive_json()

    assert refused["type"] == "error"
    assert found["payload"]["data"]["pipelineRunLogs"]["__typename"]
    assert [entry.action for entry in pages.entries()] == ["launchRun"]


@pytest.mark.parametrize("headers", [{}, proxied("nora", "staff"), {"X-Forwarded-Groups": "x"}])
def test_a_socket_is_for_the_same_people_as_the_pages(
    pages: Pages, headers: dict[str, str]
) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        pages.client.websocket_connect("/graphql", ["graphql-ws"], headers=headers),
    ):
        pass


# --- the trail ----------------------------------------------------------------------------


def test_what_cannot_be_recorded_is_not_done(pages: Pages) -> None:
    vars(pages.trail)["database"] = Database("sqlite:////no/such/folder.db")

    answer = pages.graphql(LAUNCH, launching(), who=OPERATOR)

    [error] = answer.json()["errors"]
    assert error["message"].startswith("launchRun was not done, since the audit trail cannot be")
    assert pages.run_ids() == []
    assert pages.graphql("{ version }", who=VIEWER).status_code == 200
