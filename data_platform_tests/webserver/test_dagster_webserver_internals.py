"""What `dagster_webserver_internals` relies on is in the installed webserver."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._core.workspace.workspace import (
    CodeLocationEntry,
    CodeLocationLoadStatus,
    DefinitionsSource,
)
from dagster_graphql.schema import create_schema
from dagster_graphql.schema.errors import GraphenePythonError
from dagster_graphql.schema.external import GrapheneWorkspaceLocationEntry
from dagster_shared.error import SerializableErrorInfo
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


def test_a_context_that_is_made_read_only_permits_nothing(pages: Pages) -> None:
    with WorkspaceProcessContext(pages.instance, EmptyWorkspaceTarget()) as process:
        context, app = process.create_request_context(), DagsterWebserver(process, "/data")
        allowed = [each.enabled for each in context.permissions.values()]
        assert any(allowed) and context._read_only is False

        context._read_only = True

        assert not any(each.enabled for each in context.permissions.values())
        assert app._app_path_prefix == "/data"


def test_an_answer_has_its_type_its_message_and_its_code_location() -> None:
    error = SerializableErrorInfo("a bracket is missing", [], None)
    entry = CodeLocationEntry(
        origin=InProcessCodeLocationOrigin(
            loadable_target_origin=LoadableTargetOrigin(), location_name="small"
        ),
        code_location=None,
        load_error=error,
        load_status=CodeLocationLoadStatus.LOADED,
        display_metadata={},
        update_timestamp=0.0,
        version_key="",
        definitions_source=DefinitionsSource.CODE_SERVER,
    )
    shown, failed = cast("Any", GrapheneWorkspaceLocationEntry(entry)), GraphenePythonError(error)

    assert shown._meta.name == "WorkspaceLocationEntry"
    assert (shown._location_entry.origin.location_name, shown._location_entry.load_error) == (
        "small",
        error,
    )
    assert (failed._meta.name, failed._message) == ("PythonError", "a bracket is missing")


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
