"""Whether a deployment works, from outside: `make smoke`.

Its webserver answers, its code locations load, its daemons are alive; and, where files may be
landed, one comes out in gold. The webserver is at a URL, or else reached through kubectl in the
cluster of its current context, since the URL for people asks for their login.
"""

import argparse
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

import boto3

from data_platform.storage.waiting import is_listening, wait
from tools.dagster_api import Webserver, WebserverError, run_with
from tools.installing import say
from tools.jars import ROOT
from tools.release import namespace_of
from tools.release_history import ReleaseError
from tools.reporting import reported
from tools.servers import free_port

EXAMPLE = ROOT / "docker" / "example" / "2011-03-04.csv"
KEY = f"online_retail/{EXAMPLE.name}"
LANDED, TABLE, PARTITION = "bronze/retail/order_lines", "gold/retail/daily_sales", EXAMPLE.stem
PATIENCE = 900  # seconds, for each check; a node may have to be started for the first run

Put = Callable[[str, bytes], str]
"""Lands an object; returns its version: the size with the etag, as the platform knows it."""


class SmokeError(Exception):
    """The deployment does not work; the message says what is wrong with it."""


def smoke(web: Webserver, put: Put | None = None, patience: float = PATIENCE) -> list[str]:
    """Check a deployment, and land a file through `put` if it may be; what was seen.

    Raises SmokeError for the first thing that is wrong for longer than `patience` seconds, and
    WebserverError if the tables are not known.
    """
    broken: dict[str, str] = {}
    first: dict[str, float] = {}
    silent: list[str] = []
    landed: list[str] = []
    runs: list[str] = []

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
        builds = [web.builds(table, PARTITION) for table in (LANDED, TABLE)]
        if landed and (run := run_with(KEY, landed[0], *builds)):
            runs.append(run)
        return bool(runs)

    _require(
        loads,
        lambda: f"{web.url} does not serve all code locations: {_lines(broken)}",
        patience,
    )
    seen = [f"{web.url} answers, all code locations are loaded"]
    _require(lives, lambda: f"no new heartbeat of: {', '.join(silent)}; see its log", patience)
    seen.append("all daemons are alive")
    if put:
        _require(
            lambda: is_built() or True, lambda: f"{web.url} does not say what was built", patience
        )
        landed.append(put(KEY, new_content()))
        _require(
            is_built,
            lambda: (
                f"{KEY} was landed, and {TABLE} has no {PARTITION} that was built from it; "
                f"look at the sensors and the runs at {web.url}"
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

    def put(key: str, content: bytes) -> str:
        name = "/".join(filter(None, [prefix, key]))
        etag = store.put_object(Bucket=bucket, Key=name, Body=content)["ETag"]
        return f"{len(content)}-" + etag.strip('"')

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

    return reported(check, SmokeError, WebserverError, ReleaseError)


if __name__ == "__main__":
    sys.exit(main())
