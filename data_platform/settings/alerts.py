"""Who is told of incidents: the file that DATA_PLATFORM_ALERTS names.

    most_an_hour = 10
    dagster = "https://dagster.example.org"

    [channels]
    retail = "RETAIL_CHANNEL"

    [[routes]]
    owner = "team:retail"
    severity = "error"
    channels = ["retail"]

A channel is the name of the variable that has its URL, as apprise writes it: URLs have credentials.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from data_platform.settings.environment import variables_of
from data_platform.settings.values import PREFIX, SettingsError

LAYERS = ("bronze", "silver", "gold")
_KEYS: Mapping[str, type] = {
    "most_an_hour": int,
    "dagster": str,
    "traces": str,
    "channels": dict,
    "routes": list,
}
_OF_ROUTE = ("owner", "layer", "severity", "channels")
TRACE = "{trace}"
COLLECTOR = "otlp"
"""The channel of an OpenTelemetry collector, which gets every notice and is in no file."""


class Severity(StrEnum):
    """How bad an incident is, the worst last: `error` if readers wait for its end or rows do not
    arrive."""

    WARNING = "warning"
    ERROR = "error"


_SEVERITIES = tuple(Severity)


@dataclass(frozen=True)
class Route:
    """Incidents of an owner and a layer (empty: of any), at least of a severity, go to channels."""

    channels: tuple[str, ...]
    owner: str = ""
    layer: str = ""
    severity: str = Severity.WARNING

    def takes(self, owner: str, layer: str, severity: str) -> bool:
        """Whether an incident takes this route."""
        return (
            self.owner in ("", owner)
            and self.layer in ("", layer)
            and _SEVERITIES.index(Severity(severity)) >= _SEVERITIES.index(Severity(self.severity))
        )


@dataclass(frozen=True)
class Alerts:
    """Routes, the URL of each channel, and how many messages an hour a channel gets for each owner.

    `dagster` is the webserver's URL for links, `traces` that of a trace with `{trace}` for its id;
    empty for no links.
    """

    routes: Sequence[Route] = ()
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    most_an_hour: int = 10
    dagster: str = ""
    traces: str = ""

    def channels(self, owner: str, layer: str, severity: str) -> list[str]:
        """The channels that an incident goes to, each once."""
        taken = (route for route in self.routes if route.takes(owner, layer, severity))
        return list(dict.fromkeys(name for route in taken for name in route.channels))


def alerts_of(file: Path | None) -> Alerts:
    """The alerts that a file declares; none without a file. Raises SettingsError, naming the file
    and what is wrong in it."""
    if file is None:
        return Alerts()
    said = f"{PREFIX}ALERTS is {file}"
    try:
        given = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{said}, which cannot be read: {error}") from error
    _require_keys(said, given)
    urls = {
        name: _url(said, name, variable) for name, variable in given.get("channels", {}).items()
    }
    routes = [_route(said, n, of, urls) for n, of in enumerate(given.get("routes", []), 1)]
    return Alerts(
        routes,
        urls,
        given.get("most_an_hour", Alerts.most_an_hour),
        given.get("dagster", "").rstrip("/"),
        given.get("traces", ""),
    )


def _require_keys(said: str, given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        if key not in _KEYS:
            raise SettingsError(f"{said}: {key!r} is unknown; there are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise SettingsError(
                f"{said}: {key} is {value!r}; it must be of type {_KEYS[key].__name__}"
            )
    if given.get("most_an_hour", 1) < 1:
        raise SettingsError(f"{said}: most_an_hour is {given['most_an_hour']}; set 1 or more")
    for key in ("dagster", "traces"):
        if (url := given.get(key)) and not url.startswith(("http://", "https://")):
            raise SettingsError(f"{said}: {key} is {url!r}; it must begin with https://")
    if (url := given.get("traces")) and TRACE not in url:
        raise SettingsError(f"{said}: traces is {url!r}; write {TRACE} where a trace's id belongs")


def _url(said: str, name: str, variable: object) -> str:
    """The URL of a channel, which is never part of a message."""
    if name == COLLECTOR:
        raise SettingsError(f"{said}: a channel cannot be named {name}; that is the collector's")
    if not isinstance(variable, str) or not variable.replace("_", "").isalnum():
        raise SettingsError(
            f"{said}: channel {name} must be the name of the variable that has its URL, such as "
            f"{name.upper()}_CHANNEL"
        )
    url = variables_of((variable,)).get(variable, "").strip()
    if not url:
        raise SettingsError(
            f"{said}: channel {name} needs the variable {variable}, which is not set; set it to a "
            "URL of apprise, such as slack://token or mailto://user:password@example.org"
        )
    return url


def _route(said: str, number: int, of: Mapping[str, Any], urls: Mapping[str, str]) -> Route:
    where = f"{said}: route {number}"
    if unknown := sorted(set(of) - set(_OF_ROUTE)):
        raise SettingsError(f"{where}: {unknown[0]!r} is unknown; there are {', '.join(_OF_ROUTE)}")
    channels = of.get("channels") or []
    if not isinstance(channels, list) or not channels:
        raise SettingsError(f'{where}: it has no channels; write channels = ["NAME"]')
    if missing := [name for name in channels if name not in urls]:
        there = ", ".join(urls) or "none"
        raise SettingsError(f"{where}: there is no channel {missing[0]!r}; there are {there}")
    if not isinstance(of.get("owner", ""), str):
        raise SettingsError(f'{where}: owner is {of["owner"]!r}; write one, like "team:retail"')
    for name, allowed in (("layer", LAYERS), ("severity", _SEVERITIES)):
        if name in of and of[name] not in allowed:
            raise SettingsError(
                f"{where}: {name} is {of[name]!r}; it must be one of {', '.join(allowed)}"
            )
    rest = {name: of[name] for name in ("owner", "layer", "severity") if name in of}
    return Route(tuple(channels), **rest)
