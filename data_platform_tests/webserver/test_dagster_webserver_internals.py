"""What `dagster_webserver_internals` relies on is in the installed webserver."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import pytest
from dagster_graphql.schema import create_schema
from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLNonNull, GraphQLUnionType, get_named_type
from starlette.applications import Starlette
from starlette.routing import Route

from data_platform.webserver.dagster_webserver_internals import (
    _DONE,
    _LISTS,
    PlatformWebserver,
    is_done,
)
from data_platform_tests.support.upstream import is_pinned, parameters
from data_platform_tests.support.web_pages import Pages

CALLED: dict[Callable[..., Any], str] = {
    DagsterWebserver.__init__: (
        "self, process_context, app_path_prefix=, live_data_poll_rate=, uses_app_path_prefix="
    ),
    DagsterWebserver._make_request_context: "self, conn",
    DagsterWebserver.build_middleware: "self",
    DagsterWebserver.build_graphql_schema: "self",
    DagsterWebserver.report_asset_materialization_endpoint: "self, request",
    DagsterWebserver.report_asset_check_endpoint: "self, request",
    DagsterWebserver.report_asset_observation_endpoint: "self, request",
    app.create_app_from_workspace_process_context: (
        "workspace_process_context, path_prefix=, live_data_poll_rate=, kwargs"
    ),
}


@pytest.mark.parametrize("function", CALLED, ids=lambda function: function.__qualname__)
def test_functions_have_the_parameters_that_are_used(function: Callable[..., Any]) -> None:
    assert parameters(function) == CALLED[function]


def test_the_version_is_pinned() -> None:
    assert is_pinned("dagster-webserver")


def test_the_command_makes_its_app_by_the_function_that_is_replaced() -> None:
    source = inspect.getsource(cli.host_dagster_ui_with_workspace_process_context)

    assert "app = create_app_from_workspace_process_context(" in source


def _answers() -> set[str]:
    """The types that mutations answer, and those in the lists of them."""
    schema = create_schema().graphql_schema
    assert schema.mutation_type is not None
    found, types = (
        set[str](),
        [get_named_type(f.type) for f in schema.mutation_type.fields.values()],
    )
    while types:
        kind = types.pop()
        if isinstance(kind, GraphQLUnionType):
            types += kind.types
        else:
            found.add(kind.name)
            fields = getattr(kind, "fields", {})
            types += [get_named_type(fields[name].type) for name in _LISTS if name in fields]
    return found


def test_every_answer_of_a_mutation_is_one_of_success_or_of_failure() -> None:
    failures = ("Error", "Failure", "Invalid", "Conflict", "NotFound", "NotSupported")
    answers = _answers()

    assert {*_DONE, "LaunchRunSuccess", "TerminateRunFailure", "Boolean"} <= answers
    for kind in answers:
        assert is_done(kind) is not kind.endswith(failures), kind
    assert not is_done("SomethingNew")


def test_the_first_mutation_that_is_refused_ends_its_request() -> None:
    mutations = create_schema().graphql_schema.mutation_type

    assert mutations and mutations.fields
    for field in mutations.fields.values():
        assert isinstance(field.type, GraphQLNonNull)  # so an error leaves no data, and no others


def test_what_changes_something_without_graphql_is_what_is_known(pages: Pages) -> None:
    routes = [
        route
        for route in cast("Starlette", pages.client.app).routes
        if isinstance(route, Route) and "POST" in (route.methods or ())
    ]

    assert {route.path.partition("/{")[0] for route in routes} == {
        "/graphql",
        "/report_asset_materialization",
        "/report_asset_check",
        "/report_asset_observation",
    }
    assert {name for name in vars(PlatformWebserver) if name.startswith("report_")} == {
        f"{route.path.partition('/{')[0][1:]}_endpoint" for route in routes[1:]
    }
