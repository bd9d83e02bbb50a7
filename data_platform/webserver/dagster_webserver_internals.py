"""Dagster's webserver, with roles and an audit trail: no other module uses its private API.

Every way to a mutation (POST, GET, any content type, a document with several operations, fragments,
aliases) ends in the resolver of a field of the schema's mutation type. So that is where it is
judged: each of these resolvers, also those that a later version adds, asks first who it is for.
Besides, the request of a viewer is read-only for Dagster itself, so that pages show their buttons
disabled. The version is pinned, and a test compares what is used here with it.
"""

from collections.abc import Callable
from dataclasses import replace
from inspect import isawaitable
from typing import Any

from dagster_webserver import cli
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse

from data_platform.access.people import NotAllowed, NotAuthenticated, Person, requesting
from data_platform.access.sites import from_another_site
from data_platform.access.trail import Change, Outcome, Through, Trail
from data_platform.databases.errors import DatabaseError
from data_platform.settings.model import Settings
from data_platform.webserver.mutations import HARMLESS, change_of, launched_by

_ANSWERS_WITHIN = 10.0  # seconds: a database out of reach must not use up the threads
_HEALTH = "/server_info"  # versions only: probes have no password

# What a mutation answers that has done something, beside types called `...Success` and booleans.
_DONE = frozenset(
    {"DryRunInstigationTick", "LaunchMultipleRunsResult", "RefreshComponentStateAccepted"}
    | {"ScheduleStateResult", "Sensor", "StopSensorMutationResult", "TerminateRunsResult"}
    | {"Workspace", "WorkspaceLocationEntry"}
)
_LISTS = ("launchMultipleRunsResult", "terminateRunResults", "locationEntries")

Resolver = Callable[..., Any]


class Refused(GraphQLError):
    """A mutation is not made. It has the path of its field, so that the answer's status is 400 and
    not that of a failure of the server."""


class PlatformWebserver(DagsterWebserver):
    """Dagster's webserver for people whom the settings know."""

    def __init__(self, context: Any, settings: Settings, trail: Trail, *others: Any) -> None:
        self._settings, self._trail = settings, trail  # before the schema is built
        super().__init__(context, *others)

    def build_middleware(self) -> list[Middleware]:
        authentication = Middleware(
            AuthenticationMiddleware,
            backend=_Proxied(self._settings, self._app_path_prefix + _HEALTH),
            on_error=_refusal,
        )
        return [authentication, *super().build_middleware()]

    def build_graphql_schema(self) -> Any:
        schema = super().build_graphql_schema()
        mutations = schema.graphql_schema.mutation_type
        assert mutations is not None
        for name, field in mutations.fields.items():
            assert field.resolve is not None
            field.resolve = _judged(name, field.resolve, self._trail)
        return schema

    def _make_request_context(self, conn: HTTPConnection) -> Any:
        context = super()._make_request_context(conn)
        context._read_only = context._read_only or not conn.user.may_change
        return context

    async def report_asset_materialization_endpoint(self, request: Request) -> JSONResponse:
        return await self._reported(request, super().report_asset_materialization_endpoint)

    async def report_asset_check_endpoint(self, request: Request) -> JSONResponse:
        return await self._reported(request, super().report_asset_check_endpoint)

    async def report_asset_observation_endpoint(self, request: Request) -> JSONResponse:
        return await self._reported(request, super().report_asset_observation_endpoint)

    async def _reported(self, request: Request, report: Resolver) -> JSONResponse:
        """The answer of an endpoint by which other systems report events, not by GraphQL."""
        key = request.path_params.get("asset_key") or request.query_params.get("asset_key", "")
        action = request.scope["endpoint"].__name__.removesuffix("_endpoint")
        change = Change(who=request.user, through=Through.WEBSERVER, action=action, tables=(key,))
        try:
            await run_in_threadpool(_admit, change, self._trail)
        except Refused as refused:
            return JSONResponse({"error": refused.message}, status_code=403)
        outcome = Outcome.FAILED
        try:
            answer = await report(request)
            outcome = Outcome.FAILED if answer.status_code >= 400 else Outcome.DONE
        finally:
            await run_in_threadpool(self._trail.end, change, outcome)
        return answer


def serve(settings: Settings) -> None:
    """Dagster's command `dagster-webserver`, with its options, serving a PlatformWebserver."""
    trail = Trail(settings.ledger_uri, within=_ANSWERS_WITHIN, migrates=settings.migrates)

    def app(context: Any, prefix: str = "", poll: int | None = None, **others: Any) -> Starlette:
        return PlatformWebserver(context, settings, trail, prefix, poll).create_asgi_app(**others)

    cli.create_app_from_workspace_process_context = app  # pyright: ignore[reportPrivateImportUsage]
    cli.main()


class _Proxied(AuthenticationBackend):
    def __init__(self, settings: Settings, health: str) -> None:
        self._settings, self._health = settings, health

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Any] | None:
        if conn.scope["path"] == self._health:
            return None
        is_read = conn.scope.get("method") in ("GET", "HEAD", "OPTIONS")  # a socket has no method
        if not is_read and from_another_site(conn.headers):
            raise AuthenticationError("A page of another site sent this request. Open the UI.")
        try:
            peer = conn.client.host if conn.client else ""
            return AuthCredentials(), requesting(conn.headers.items(), self._settings, peer)
        except (NotAllowed, NotAuthenticated) as refused:
            raise AuthenticationError(refused) from refused


def _refusal(_: HTTPConnection, error: AuthenticationError) -> PlainTextResponse:
    status = 401 if isinstance(error.__cause__, NotAuthenticated) else 403
    return PlainTextResponse(str(error), status_code=status)


def _judged(name: str, resolve: Resolver, trail: Trail) -> Resolver:
    """The resolver of a mutation, for those who may, with its entries in the trail."""

    async def judged(root: Any, info: Any, **arguments: Any) -> Any:
        request, path = info.context.source, info.path.as_list()
        who: Person = request.user
        if name in HARMLESS:
            return await _result(resolve(root, info, **arguments))
        if request.method != "POST":  # a page of another site can make a browser send a GET
            raise Refused(f"{name}: a mutation is sent by POST, not {request.method}.", path=path)
        change = change_of(name, arguments, who)
        _admit(change, trail, path)
        try:
            result = await _result(resolve(root, info, **launched_by(arguments, who)))
        except BaseException as error:
            trail.end(replace(change, detail=f"{change.detail} {error}".strip()), Outcome.FAILED)
            raise
        trail.end(*_ended(change, result))
        return result

    return judged


def _admit(change: Change, trail: Trail, path: list[str | int] | None = None) -> None:
    """Begin the change. Raises Refused for who may not, and where nobody would know of it."""
    who, allowed = change.who, change.who.may_change
    try:
        trail.add(change, Outcome.BEGUN if allowed else Outcome.REFUSED)
    except DatabaseError as error:
        if allowed:
            why = f"{change.action} was not done, since the audit trail cannot be written: {error}"
            raise Refused(why, path=path or []) from None
    if not allowed:
        raise Refused(
            f"{change.action} is for operators, and {who.name} is a {who.role}. Nothing was "
            "changed. Ask for a group of DATA_PLATFORM_OPERATORS.",
            path=path or [],
        )


def _ended(change: Change, result: Any) -> tuple[Change, Outcome]:
    """The change with the runs of a result of Dagster's, and whether that has an error."""
    runs, errors = [change.run], list[str]()
    for each in _each(result):
        run = getattr(getattr(each, "run", None), "run_id", "")
        runs += [run, getattr(each, "backfill_id", "")]
        kind = "Boolean" if isinstance(each, bool) else each._meta.name
        message = getattr(each, "message", None) or getattr(each, "_message", None)
        if not is_done(kind):
            errors.append(": ".join(filter(None, (kind, message))))
        location = getattr(each, "_location_entry", None)
        if location and location.load_error:
            name = location.origin.location_name
            errors.append(f"{name} cannot be loaded: {location.load_error.message}")
    ended = replace(
        change,
        run=", ".join(dict.fromkeys(filter(None, runs))),
        detail=", ".join(filter(None, (change.detail, *errors))),
    )
    return ended, Outcome.FAILED if errors else Outcome.DONE


def _each(result: Any) -> list[Any]:
    """The results of a mutation that does several things, each of which may fail."""
    return [result, *(each for name in _LISTS for each in getattr(result, name, None) or ())]


def is_done(kind: str) -> bool:
    """Whether an answer of this type says that something was done: what is not known has failed."""
    return kind == "Boolean" or kind.endswith("Success") or kind in _DONE


async def _result(found: Any) -> Any:
    return await found if isawaitable(found) else found
