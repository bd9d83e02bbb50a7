"""Metrics as Dagster's sensor exports them from a home."""

from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from data_platform.platform_defs import metrics_sensor
from data_platform.telemetry import otlp
from data_platform_tests.support.homes import Home


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Has this process export to an endpoint."""
    otlp.stop()
    yield lambda endpoint: monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    otlp.stop()


def evaluated(home: Home) -> str:
    """What the sensor says after a tick."""
    sensor = home.definitions.get_repository_def().get_sensor_def(metrics_sensor.NAME)
    with dg.build_sensor_context(
        instance=home.instance, resources={"platform": home.platform}
    ) as context:
        said = sensor.evaluate_tick(context).skip_message
    assert said
    return said
