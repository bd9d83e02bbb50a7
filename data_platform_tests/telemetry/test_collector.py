"""OpenTelemetry's variables mean what its specification says."""

import pytest

from data_platform.telemetry.collector import ProtocolNotSupported, targets

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


def urls(env: dict[str, str]) -> dict[str, str]:
    return {signal: target.url for signal, target in targets(env).items()}


def test_nothing_is_exported_without_an_endpoint() -> None:
    assert targets({}) == {}
    assert targets({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}) == {}


def test_an_endpoint_is_the_base_of_every_signal() -> None:
    assert urls(ENDPOINT) == {
        signal: f"http://collector:4318/v1/{signal}" for signal in ("traces", "metrics", "logs")
    }


def test_the_endpoint_of_a_signal_is_taken_as_it_is() -> None:
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://tempo:4318/otlp"}

    assert urls(env) == {"traces": "http://tempo:4318/otlp"}
    assert urls(ENDPOINT | env)["traces"] == "http://tempo:4318/otlp"


@pytest.mark.parametrize(
    "off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_SDK_DISABLED": " TRUE "}], ids=str
)
def test_a_disabled_sdk_exports_nothing(off: dict[str, str]) -> None:
    assert targets(ENDPOINT | off) == {}
    assert targets(ENDPOINT | {"OTEL_SDK_DISABLED": "no"})


def test_a_signal_without_an_exporter_is_left_out() -> None:
    assert sorted(targets(ENDPOINT | {"OTEL_LOGS_EXPORTER": "none"})) == ["metrics", "traces"]


def test_headers_timeouts_and_certificates_are_those_of_the_signal_or_of_all() -> None:
    found = targets(
        ENDPOINT
        | {
            "OTEL_EXPORTER_OTLP_HEADERS": "signoz-access-token=a%20b,x-team=data",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "x-team=logs",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/us.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/us.key",
        }
    )

    assert found["traces"].headers == {"signoz-access-token": "a b", "x-team": "data"}
    assert found["logs"].headers == {"x-team": "logs"}
    assert found["traces"].seconds == 3
    assert found["traces"].verify == "/ca.pem"
    assert found["traces"].certificate == ("/us.pem", "/us.key")


def test_a_header_is_not_printed_with_its_target() -> None:
    env = ENDPOINT | {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2"}

    assert "hunter2" not in str(targets(env))


def test_another_protocol_is_refused_with_the_way_out() -> None:
    with pytest.raises(ProtocolNotSupported, match=r"'http/protobuf' is supported.*4318"):
        targets(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
