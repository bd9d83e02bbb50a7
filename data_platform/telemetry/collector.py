"""Where a collector is, by OpenTelemetry's environment variables, and requests to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import requests
from opentelemetry.util.re import parse_env_headers

Outcome = Literal["sent", "refused", "failed", "later"]
PROTOCOL = "http/protobuf"
_SECONDS, _MOST_SECONDS = 10.0, 60.0
_CONNECT_SECONDS = 1.0
# This request will never be taken ...
_REFUSED = frozenset({400, 413, 415, 422})
# ... and these are of the collector's load, or of settings that somebody can correct.
_LATER = frozenset({401, 403, 404, 408, 429, 502, 503, 504})


class NotExported(ValueError):
    """A variable has a value with which nothing can be exported; the message says what to set."""


@dataclass(frozen=True)
class Answer:
    """What became of a request: `failed` if the collector had an error that may be this request's
    fault; `later` if it is not. `wait`: for how many seconds, if the collector said so."""

    outcome: Outcome
    reason: str = ""
    wait: float | None = None


@dataclass(frozen=True)
class Target:
    """Where requests of a signal go, and how. Its text has no credentials."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = _SECONDS
    verify: str | bool = True
    certificate: tuple[str, str] | str | None = None

    @property
    def place(self) -> str:
        """The URL without what may be a credential, for messages."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def send(self, body: bytes, encoding: str) -> Answer:
        """Send a serialized request. Raises nothing."""
        headers = {**self.headers, "Content-Type": "application/x-protobuf"}
        if encoding:
            headers["Content-Encoding"] = encoding
        try:
            answer = requests.post(
                self.url,
                data=body,
                headers=headers,
                timeout=(min(_CONNECT_SECONDS, self.seconds), self.seconds),
                verify=self.verify,
                cert=self.certificate,
                allow_redirects=False,
            )
        except Exception as error:  # whose text may have the URL
            return Answer("later", type(error).__name__)
        status = answer.status_code
        if 200 <= status < 300:
            return Answer("sent")
        reason = f"HTTP {status} {answer.reason}"
        if status in _REFUSED:
            return Answer("refused", reason)
        wait = _seconds(answer.headers.get("Retry-After"))
        return Answer("later" if status in _LATER else "failed", reason, wait)


def target(signal: str, env: Mapping[str, str]) -> Target | None:
    """The target of a signal (`traces`, `metrics`, `logs`); None if it is not exported.

    A timeout is in seconds, as OpenTelemetry's Python exporters read it. Raises NotExported for a
    value that cannot be.
    """

    def given(name: str) -> str:
        own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
        return own or env.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()

    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    exporters = env.get(f"OTEL_{signal.upper()}_EXPORTER", "").lower().split(",")
    named = {name.strip() for name in exporters} - {""} or {"otlp"}
    disabled = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or "otlp" not in named or not (own or base):
        return None
    if (protocol := given("PROTOCOL") or PROTOCOL) != PROTOCOL:
        raise NotExported(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; only {PROTOCOL!r} is supported: set it, "
            "and the collector's port for HTTP (usually 4318) in OTEL_EXPORTER_OTLP_ENDPOINT"
        )
    url = own or f"{base.rstrip('/')}/v1/{signal}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotExported(
            "OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://, like "
            "http://localhost:4318"
        )
    certificate, key = given("CLIENT_CERTIFICATE"), given("CLIENT_KEY")
    return Target(
        url,
        parse_env_headers(given("HEADERS"), liberal=True),
        _timeout(given("TIMEOUT")),
        given("CERTIFICATE") or True,
        (certificate, key) if certificate and key else certificate or None,
    )


def _timeout(text: str) -> float:
    seconds = _seconds(text) if text else _SECONDS
    if not seconds:
        raise NotExported(
            f"OTEL_EXPORTER_OTLP_TIMEOUT is {text!r}; it must be a number of seconds, like 10"
        )
    return min(seconds, _MOST_SECONDS)


def _seconds(text: str | None) -> float | None:
    try:
        return max(float(text or ""), 0.0)
    except ValueError:  # of Retry-After: a date
        return None
