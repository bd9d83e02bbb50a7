"""OpenTelemetry's variables mean what its specification says."""

import pytest

from data_platform.telemetry.collector import NotExported, Target, target

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


def traces(env: dict[str, str]) -> Target:
    found = target("traces", env)
    assert found
    return found


@pytest.mark.parametrize("env", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}], ids=str)
def test_nothing_is_exported_without_an_endpoint(env: dict[str, str]) -> None:
    assert target("traces", env) is None


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_an_endpoint_is_the_base_of_every_signal(signal: str) -> None:
    found = target(signal, ENDPOINT)
    assert found and found.url == f"http://collector:4318/v1/{signal}"


def test_the_endpoint_of_a_signal_is_taken_as_it_is() -> None:
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://tempo:4318/otlp"}

    assert traces(env).url == traces(ENDPOINT | env).url == "http://tempo:4318/otlp"
    assert target("metrics", env) is None


@pytest.mark.parametrize(
    "off",
    [
        {"OTEL_SDK_DISABLED": " TRUE "},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "console"},
        {"OTEL_TRACES_EXPORTER": "none,"},
    ],
    ids=str,
)
def test_what_is_disabled_or_has_another_exporter_is_not_exported(off: dict[str, str]) -> None:
    assert target("traces", ENDPOINT | off) is None


@pytest.mark.parametrize(
    "on",
    [
        {"OTEL_SDK_DISABLED": "no"},
        {"OTEL_TRACES_EXPORTER": "console, OTLP"},
        {"OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc"},
    ],
    ids=str,
)
def test_what_is_said_of_another_signal_leaves_traces_on(on: dict[str, str]) -> None:
    assert target("traces", ENDPOINT | on)


def test_headers_timeouts_and_certificates_are_those_of_the_signal_or_of_all() -> None:
    env = ENDPOINT | {
        "OTEL_EXPORTER_OTLP_HEADERS": "signoz-access-token=a%20b,x-team=data",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "x-team=logs",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/us.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/us.key",
    }
    found, logs = traces(env), target("logs", env)

    assert logs and logs.headers == {"x-team": "logs"}
    assert found.headers == {"signoz-access-token": "a b", "x-team": "data"}
    assert (found.seconds, found.verify) == (3, "/ca.pem")
    assert found.certificate == ("/us.pem", "/us.key")


def test_a_timeout_in_milliseconds_is_a_minute_at_most() -> None:
    assert traces(ENDPOINT | {"OTEL_EXPORTER_OTLP_TIMEOUT": "10000"}).seconds == 60


def test_credentials_are_not_printed_with_their_target() -> None:
    found = traces(
        {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://ann:hunter2@host:4318/v1?key=hunter2",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2",
        }
    )

    assert "hunter2" not in f"{found} {found.place}"
    assert found.place == "https://host:4318/v1"


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'http/protobuf' is supported.*4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "begin with http://"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "'10s'; it must be a number of seconds"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, "'0'; it must be a number of seconds"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_with_the_way_out(
    wrong: dict[str, str], way_out: str
) -> None:
    with pytest.raises(NotExported, match=way_out):
        target("traces", ENDPOINT | wrong)


def test_a_header_that_cannot_be_sent_is_an_answer_and_no_error() -> None:
    answer = Target("http://127.0.0.1:9/v1/traces", {"x-team": "\u20ac"}).send(b"1", "")

    assert answer.outcome == "later"
