"""The file of channels and routes, and what is said of a wrong one."""

from pathlib import Path

import pytest

from data_platform.settings.alerts import Alerts, alerts_of
from data_platform.settings.values import SettingsError

GOOD = """
most_an_hour = 4
dagster = "https://dagster.example.org/"
traces = "https://signoz.example.org/trace/{trace}"

[channels]
retail = "RETAIL_CHANNEL"
duty = "DUTY_CHANNEL"

[[routes]]
owner = "team:retail"
channels = ["retail"]

[[routes]]
layer = "gold"
severity = "error"
channels = ["duty", "retail"]
"""
SECRET = "slack://T0KEN"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The alerts of a file with this text."""
    monkeypatch.setenv("RETAIL_CHANNEL", SECRET)
    monkeypatch.setenv("DUTY_CHANNEL", "pagerduty://K@I")

    def read(text: str) -> Alerts:
        file = tmp_path / "alerts.toml"
        file.write_text(text)
        return alerts_of(file)

    return read


def test_an_incident_takes_every_route_that_fits(given) -> None:
    alerts = given(GOOD)

    assert alerts.channels("team:retail", "silver", "warning") == ["retail"]
    assert alerts.channels("team:retail", "gold", "error") == ["retail", "duty"]
    assert alerts.channels("team:funds", "gold", "error") == ["duty", "retail"]
    assert alerts.channels("team:funds", "gold", "warning") == []
    assert alerts.channels("team:funds", "", "error") == []
    assert alerts.most_an_hour == 4
    assert alerts.dagster == "https://dagster.example.org"


def test_urls_are_in_variables_and_in_no_text(given) -> None:
    alerts = given(GOOD)

    assert alerts.urls["retail"] == SECRET
    assert "T0KEN" not in str(alerts)


def test_without_a_file_there_are_no_channels() -> None:
    assert alerts_of(None) == Alerts()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = ", "which cannot be read"),
        ("route = []", "'route' is unknown; there are most_an_hour, dagster"),
        ("most_an_hour = 0", "set 1 or more"),
        ("most_an_hour = true", "must be of type int"),
        ('dagster = "dagster.example.org"', "must begin with https://"),
        ('traces = "https://x"', "write {trace} where"),
        ('[channels]\nduty = "slack://T0KEN"', "must be the name of the variable"),
        ('[channels]\nduty = "NOT_SET"', "needs the variable NOT_SET, which is not set"),
        ('[channels]\notlp = "DUTY_CHANNEL"', "that is the collector's"),
        (GOOD.replace('"team:retail"', '["a"]'), "route 1: owner is ['a']"),
        ("[[routes]]\nchannels = []", "route 1: it has no channels"),
        ('[[routes]]\nchannels = ["duty"]', "there is no channel 'duty'; there are none"),
        (f'{GOOD}\nlayers = "gold"', "route 2: 'layers' is unknown; there are owner, layer"),
        (GOOD.replace('"gold"', '"golden"'), "layer is 'golden'; it must be one of bronze, silver"),
        (GOOD.replace('"error"', '"fatal"'), "severity is 'fatal'; it must be one of warning, err"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text: str, said: str, given) -> None:
    with pytest.raises(SettingsError) as caught:
        given(text)

    assert str(caught.value).startswith("DATA_PLATFORM_ALERTS is ")
    assert said in str(caught.value)
    assert "T0KEN" not in str(caught.value)
