"""Where a collector is, by the variables of OpenTelemetry's specification, and requests to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import requests
from opentelemetry.util.re import parse_env_headers

Outcome = Literal["sent", "refused", "later"]
SIGNALS = ("traces", "metrics", "logs")
PROTOCOL = "http/protobuf"
_SECONDS = 10.0  # the specification's default
# What says that this request will never be taken. Any other error may be the collector's, or of
# settings that can be mended.
_REFUSED = frozenset({400, 413, 415, 422})


class ProtocolNotSupported(ValueError):
    """A protocol of OTLP is set that is not supported."""


@dataclass(frozen=True)
class Answer:
    """What became of a request, why, and for how many seconds to wait if the collector says so."""

    outcome: Outcome
    said: str = ""
    wait: float | None = None


@dataclass(frozen=True)
class Target:
    """Where requests of a signal go, and how."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = _SECONDS
    verify: str | bool = True
    certificate: tuple[str, str] | str | None = None

    def send(self, body: bytes, encoding: str) -> Answer:
        """Send a serialized request."""
        headers = {**self.headers, "Content-Type": "application/x-protobuf"}
        if encoding:
            headers["Content-Encoding"] = encoding
        try:
            answer = requests.post(
                self.url,
                data=body,
                headers=headers,
                timeout=self.seconds,
                verify=self.verify,
                cert=self.certificate,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError) as error:
            return Answer("later", f"{type(error).__name__}: {error}")
        if 200 <= answer.status_code < 300:
            return Answer("sent")
        said = f"{answer.status_code} {answer.reason}"
        if answer.status_code in _REFUSED:
            return Answer("refused", said)
        return Answer("later", said, _seconds(answer.headers.get("Retry-After")))


def targets(env: Mapping[str, str]) -> dict[str, Target]:
    """The target of each signal that is exported; none where no endpoint is set.

    Raises ProtocolNotSupported for another protocol than `http/protobuf`.
    """
    if _true(env.get("OTEL_SDK_DISABLED")):
        return {}
    found = {signal: _target(signal, env) for signal in SIGNALS}
    return {signal: target for signal, target in found.items() if target is not None}


def _target(signal: str, env: Mapping[str, str]) -> Target | None:
    def given(name: str) -> str:
        own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
        return own or env.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()

    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    exporter = env.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() or "otlp"
    if exporter == "none" or not (own or base):
        return None
    if (protocol := given("PROTOCOL") or PROTOCOL) != PROTOCOL:
        raise ProtocolNotSupported(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; only {PROTOCOL!r} is supported: set it, "
            "and the collector's port for HTTP (usually 4318) in OTEL_EXPORTER_OTLP_ENDPOINT"
        )
    certificate, key = given("CLIENT_CERTIFICATE"), given("CLIENT_KEY")
    return Target(
        own or f"{base.rstrip('/')}/v1/{signal}",
        parse_env_headers(given("HEADERS"), liberal=True),
        float(given("TIMEOUT") or _SECONDS),
        given("CERTIFICATE") or True,
        (certificate, key) if certificate and key else certificate or None,
    )


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() == "true"


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
