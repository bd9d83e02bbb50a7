"""What a deployment's webserver says by its GraphQL API: code locations, daemons, builds."""

import ipaddress
import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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
    ... on AssetNode {
      assetMaterializations(partitions: [$partition], limit: 10) {
        runId
        timestamp
        runOrError { ... on Run { startTime } }
        metadataEntries { label ... on TableMetadataEntry { table { records } } }
      }
    }
    ... on AssetNotFoundError { message }
  }
}
"""


class WebserverError(Exception):
    """The webserver refuses a query, or does not know what it is about; the message says what."""


@dataclass(frozen=True)
class Built:
    """A partition was built at a time (seconds since 1970) by a run that began before it; from
    these versions of landed objects, by their keys, if it is of bronze."""

    run: str
    begun: float
    at: float
    landed: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Webserver:
    """Dagster's webserver at a URL, and what its GraphQL API answers; `reach` is called before it
    is asked."""

    url: str
    reach: Callable[[], None] = lambda: None

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer. Raises OSError, and WebserverError if the query is refused."""
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
            raise WebserverError(f"{self.url} refuses a query: {errors[0]['message']}")
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
        """The last heartbeat of each daemon that a deployment needs, 0 for an unhealthy one.

        One of an older daemon counts as healthy for half an hour.
        """
        found = self.ask(_DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {
            each["daemonType"]: (each["lastHeartbeatTime"] or 0) * each["healthy"]
            for each in found
            if each["required"]
        }

    def builds(self, table: str, partition: str) -> list[Built]:
        """What last built a partition, the newest first. Raises WebserverError if there is no such
        table."""
        answer = self.ask(_BUILT, table=table.split("/"), partition=partition)["assetNodeOrError"]
        if "assetMaterializations" not in answer:
            raise WebserverError(f"{table}: {answer['message']}")
        return [_built(each) for each in answer["assetMaterializations"]]


def _built(event: Mapping[str, Any]) -> Built:
    tables = [each["table"] for each in event["metadataEntries"] if each.get("table")]
    records = [json.loads(record) for table in tables for record in table["records"]]
    return Built(
        run=event["runId"],
        begun=event["runOrError"].get("startTime") or 0,
        at=float(event["timestamp"]) / 1000,
        landed=frozenset((each["key"], each.get("version", "")) for each in records),
    )


def run_with(key: str, version: str, bronze: Sequence[Built], gold: Sequence[Built]) -> str | None:
    """The run that brought a version of a landed object to gold, if one did.

    That is the run that loaded it to bronze, or one that began afterwards. Another that builds the
    same day meanwhile may have read what was there before.
    """
    loads = [each for each in bronze if (key, version) in each.landed]
    if not loads:
        return None
    since, runs = min(each.at for each in loads), {each.run for each in loads}
    return next((each.run for each in gold if each.run in runs or each.begun >= since), None)


def _is_near(url: str) -> bool:
    """Whether the address is of this machine or network, which no proxy reaches."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_private
    except ValueError:
        return urlsplit(url).hostname == "localhost"
