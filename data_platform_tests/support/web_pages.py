"""The platform's webserver on a small code location, asked in this process as a proxy asks it."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from httpx import Response
from starlette.testclient import TestClient

from data_platform.access.trail import Entry, Trail
from data_platform.settings.environment import settings_at
from data_platform.webserver.dagster_webserver_internals import PlatformWebserver
from data_platform_tests.support import small_code_location

SECRET = "known to the proxy alone"
OPERATORS, VIEWERS = "data-operators", "data-viewers"
LOCATION = "small"
URL = "http://localhost:3000"
_REPOSITORY = "__repository__"
_LAUNCHER = {
    "module": "dagster._core.launcher.sync_in_memory_run_launcher",
    "class": "SyncInMemoryRunLauncher",
}
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId tags { key value } } }
    ... on PythonError { message }
  }
}
"""


def proxied(name: str, *groups: str, secret: str = SECRET) -> dict[str, str]:
    """The headers with which the proxy says who someone is."""
    basic = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {basic}", "X-Forwarded-Groups": ",".join(groups)}


OPERATOR = proxied("olga@example.com", "staff", OPERATORS)
VIEWER = proxied("vera@example.com", VIEWERS)


@dataclass(frozen=True)
class Pages:
    """A running webserver, and what it works on."""

    client: TestClient
    instance: dg.DagsterInstance
    trail: Trail

    def graphql(
        self, query: str, variables: Mapping[str, Any] | None = None, *, who: Mapping[str, str]
    ) -> Response:
        """The answer to a query as pages send it."""
        sent = {"query": query, "variables": variables or {}}
        return self.client.post("/graphql", json=sent, headers=dict(who))

    def launch(self, who: Mapping[str, str], **tags: str) -> Response:
        """Launch the job."""
        return self.graphql(LAUNCH, launching(**tags), who=who)

    def run_ids(self) -> Sequence[str]:
        """The runs that there are."""
        return [run.run_id for run in self.instance.get_runs()]

    def entries(self) -> Sequence[Entry]:
        """The trail."""
        return self.trail.entries()


def launching(**tags: str) -> dict[str, Any]:
    """The variables of LAUNCH."""
    selector = {
        "repositoryLocationName": LOCATION,
        "repositoryName": _REPOSITORY,
        "pipelineName": "quiet",
    }
    found = [{"key": key, "value": value} for key, value in tags.items()]
    params = {"selector": selector, "mode": "default", "executionMetadata": {"tags": found}}
    return {"params": params}


@contextmanager
def web_pages(home: Path, prefix: str = "", **settings: Any) -> Iterator[Pages]:
    """A webserver with these settings, on a home of its own; its pages are below the prefix."""
    known = settings_at(
        home,
        **{
            "proxy_secret": SECRET,
            "operators": frozenset({OPERATORS}),
            "viewers": frozenset({VIEWERS}),
            **settings,
        },
    )
    with (
        dg.instance_for_test(
            temp_dir=_made(home / "dagster"), overrides={"run_launcher": _LAUNCHER}
        ) as instance,
        WorkspaceProcessContext(instance, _target()) as context,
    ):
        trail = Trail(known.ledger_uri)
        app = PlatformWebserver(context, known, trail, prefix).create_asgi_app()
        client = TestClient(app, base_url=f"{URL}{prefix}", client=("127.0.0.1", 50000))
        yield Pages(client, instance, trail)


def _made(directory: Path) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    return str(directory)


def _target() -> InProcessWorkspaceLoadTarget:
    file = LoadableTargetOrigin(python_file=str(Path(small_code_location.__file__)))
    return InProcessWorkspaceLoadTarget(
        [InProcessCodeLocationOrigin(loadable_target_origin=file, location_name=LOCATION)]
    )
