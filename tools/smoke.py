"""Whether a deployment works, from outside: `make smoke`.

Its webserver answers, its code locations load, its daemons are alive; and, where files may be
landed, one comes out in gold. The webserver is at a URL, or else reached through kubectl in the
cluster of its current context, since the URL for people asks for their login.
"""

import argparse
import ipaddress
import json
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import boto3

from data_platform.storage.waiting import is_listening, wait
from tools.installing import say
from tools.jars import ROOT
from tools.release import ReleaseError, namespace_of
from tools.reporting import reported
from tools.servers import free_port

EXAMPLE = ROOT / "docker" / "example" / "2011-03-04.csv"
KEY = f"online_retail/{EXAMPLE.name}"
TABLE, PARTITION = "gold/retail/daily_sales", EXAMPLE.stem
PATIENCE = 900  # seconds, for each check; a node may have to be started for the first run

Put = Callable[[str, bytes], object]

_LOCATIONS = """
query {
  workspaceOrError {
    ... on Workspace {
      locationEntries {
        name
        loadStatus
        locationOrLoadError { __typename ... on PythonError { message } }
      }
    }
    ... on PythonError { message }
  }
}
"""
_DAEMONS = """
query {
  instance {
    daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } }
  }
}
"""
_BUILT = """
query ($table: [String!]!, $partition: String!) {
  assetNodeOrError(assetKey: {path: $table}) {
    ... on AssetNode { assetMaterializations(partitions: [$partition], limit: 1) { runId } }
    ... on AssetNotFoundError { message }
  }
}
"""


class SmokeError(Exception):
    """The deployment does not work; the message says what is wrong with it."""


@dataclass(frozen=True)
class Webserver:
    """Dagster's webserver at a URL, and what its GraphQL API answers; `reach` is called before it
    is asked."""

    url: str
    reach: Callable[[], None] = lambda: None

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer. Raises OSError, and SmokeError if the query is refused."""
        self.reach()
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        direct = [urllib.request.ProxyHandler({})] if _is_near(self.url) else []
        opener = urllib.request.build_opener(*direct)
        with opener.open(request, timeout=60) as answer:
            said = json.load(answer)
        if errors := said.get("errors"):
            raise SmokeError(f"{self.url} refuses a query: {errors[0]['message']}")
        return said["data"]

    def broken_locations(self) -> dict[str, str]:
        """What is wrong with each code location that has not loaded."""
        found = self.ask(_LOCATIONS)["workspaceOrError"]
        if not found.get("locationEntries"):
            return {"the workspace": found.get("message", "it has no code location")}
        return {
            each["name"]: (each["locationOrLoadError"] or {}).get("message", each["loadStatus"])
            for each in found["locationEntries"]
            if (each["locationOrLoadError"] or {}).get("__typename") != "RepositoryLocation"
        }

    def heartbeats(self) -> dict[str, float]:
        """The last sign of life of each daemon that a deployment needs, 0 for an unhealthy one.

        One of an older daemon counts as healthy for half an hour.
        """
        found = self.ask(_DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {
            each["daemonType"]: (each["lastHeartbeatTime"] or 0) * each["healthy"]
            for each in found
            if each["required"]
        }

    def last_run(self, table: str, partition: str) -> str | None:
        """The run that last built a partition. Raises SmokeError if there is no such table."""
        answer = self.ask(_BUILT, table=table.split("/"), partition=partition)["assetNodeOrError"]
        if "assetMaterializations" not in answer:
            raise SmokeError(f"{table}: {answer['message']}")
        return next((each["runId"] for each in answer["assetMaterializations"]), None)


def _is_near(url: str) -> bool:
    """Whether the address is of this machine or network, which no proxy reaches."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_private
    except ValueError:
        return urlsplit(url).hostname == "localhost"


def smoke(web: Webserver, put: Put | None = None, patience: float = PATIENCE) -> list[str]:
    """Check a deployment, and land a file through `put` if it may be; what was seen.

    Raises SmokeError for the first thing that is wrong for longer than `patience` seconds.
    """
    broken: dict[str, str] = {}
    first: dict[str, float] = {}
    silent: list[str] = []
    runs: list[str | None] = []

    def loads() -> bool:
        broken.clear()
        broken.update(web.broken_locations())
        return not broken

    def lives() -> bool:
        beats = web.heartbeats()
        first.update({name: beat for name, beat in beats.items() if name not in first})
        silent[:] = [name for name, beat in beats.items() if beat <= first[name]]
        return bool(beats) and not silent

    def is_built() -> bool:
        runs.append(web.last_run(TABLE, PARTITION))
        return runs[-1] != runs[0]

    _require(
        loads,
        lambda: f"{web.url} does not serve all code locations: {_lines(broken)}",
        patience,
    )
    seen = [f"{web.url} answers, all code locations are loaded"]
    _require(lives, lambda: f"no new sign of life from: {', '.join(silent)}; see its log", patience)
    seen.append("all daemons are alive")
    if put:
        _require(lambda: is_built() or True, lambda: f"{TABLE} is not known", patience)
        put(KEY, new_content())
        _require(
            is_built,
            lambda: (
                f"{KEY} was landed, and {TABLE} has no new {PARTITION}; look at the sensors "
                f"and the runs at {web.url}"
            ),
            patience,
        )
        seen.append(f"{KEY} has reached {TABLE} in run {runs[-1]}")
    return seen


def _lines(broken: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in broken.items())


def _require(check: Callable[[], bool], wrong: Callable[[], str], patience: float) -> None:
    """Repeat a check until it holds, without asking a webserver more often than it bears.

    No answer, or a page instead of one, means that it does not hold yet: a pod may be replaced.
    Raises SmokeError if it does not hold in time.
    """
    trouble = ""

    def looked() -> bool:
        nonlocal trouble
        try:
            trouble = ""
            if check():
                return True
        except (OSError, ValueError, HTTPException) as error:
            trouble = f" ({error})"
        time.sleep(2)
        return False

    if not wait(looked, patience):
        raise SmokeError(f"{wrong()}{trouble}")


def new_content() -> bytes:
    """The example with a description that no other landing has, so that its day is built again."""
    text = EXAMPLE.read_text("utf-8")
    return text.replace("METAL LANTERN", f"METAL LANTERN {uuid.uuid4().hex[:8]}").encode()


def into_s3(landing: str) -> Put:
    """Puts objects below `s3://bucket/prefix`, with AWS's own settings of the environment."""
    bucket, _, prefix = landing.removeprefix("s3://").partition("/")
    store = boto3.Session().client("s3")

    def put(key: str, content: bytes) -> None:
        store.put_object(Bucket=bucket, Key="/".join(filter(None, [prefix, key])), Body=content)

    return put


@contextmanager
def forwarded(namespace: str) -> Iterator[Webserver]:
    """The webserver of a namespace, through kubectl. Raises SmokeError."""
    if not shutil.which("kubectl"):
        raise SmokeError("kubectl is not installed: install it, or give the webserver's URL")
    selector = "app.kubernetes.io/component=webserver"
    get = ["kubectl", "get", "service", "-n", namespace, "-l", selector, "-o", "name"]
    found = subprocess.run(get, capture_output=True, text=True, check=False)
    [name, *others] = found.stdout.split() or [""]
    if not name or others:
        raise SmokeError(
            f"not one webserver in namespace {namespace}: {found.stdout or found.stderr.strip()}"
        )
    port = free_port()
    forward = _Forward(["kubectl", "port-forward", "-n", namespace, name, f"{port}:80"], port)
    try:
        forward.reach()
        yield Webserver(f"http://127.0.0.1:{port}", forward.reach)
    except ForwardError as error:
        raise SmokeError(str(error)) from error
    finally:
        forward.end()


class ForwardError(OSError):
    """There is no pod to forward to."""


@dataclass
class _Forward:
    """`kubectl port-forward`, which goes to one pod and ends with it: then it is started again."""

    command: Sequence[str]
    port: int
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def reach(self) -> None:
        """Raises ForwardError."""
        if self.running and self.running[-1].poll() is None:
            return
        self.running[:] = [process := subprocess.Popen(self.command, stdout=subprocess.DEVNULL)]
        wait(lambda: is_listening("127.0.0.1", self.port) or process.poll() is not None, 60)
        if process.poll() is not None:
            raise ForwardError(f"{' '.join(self.command)} ended with {process.returncode}")

    def end(self) -> None:
        for process in self.running:
            process.terminate()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of the webserver; else it is reached through kubectl")
    parser.add_argument("--branch", default="", help="the release of a branch, like pr-12")
    parser.add_argument("--landing", help="s3://bucket to land a file in; else none is landed")
    given = parser.parse_args(arguments)
    put = into_s3(given.landing) if given.landing else None

    def check() -> None:
        if given.url:
            seen = smoke(Webserver(given.url), put)
        else:
            with forwarded(namespace_of(given.branch)) as web:
                seen = smoke(web, put)
        for line in seen:
            say(line)

    return reported(check, SmokeError, ReleaseError)


if __name__ == "__main__":
    sys.exit(main())
