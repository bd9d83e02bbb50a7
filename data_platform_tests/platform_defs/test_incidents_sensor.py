"""Dagster's sensor opens and closes incidents, which the command line shows."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from data_platform.health.causes import SENSOR
from data_platform.platform_defs import bucket_audit, incidents_sensor
from data_platform.platform_defs.assembly import definitions
from data_platform.telemetry import otlp
from data_platform.telemetry.incidents import Kind, incidents
from data_platform.telemetry.notices import waiting
from data_platform_tests.support.homes import SILVER, Home, csv, home_at, key_of, shop_lines
from data_platform_tests.support.queues import eventually
from data_platform_tests.support.tables import TABLES
from tools.collector import Collector, values

DAY = "2011-03-28"


@pytest.fixture
def home(spark: SparkSession, tmp_path: Path) -> Iterator[Home]:
    with home_at(tmp_path / "home", TABLES[:2]) as home:
        yield home


def tick(home: Home) -> str:
    """What the sensor says after a tick."""
    sensor = home.definitions.get_repository_def().get_sensor_def(SENSOR)
    with dg.build_sensor_context(
        instance=home.instance, resources={"platform": home.platform}
    ) as context:
        return sensor.evaluate_tick(context).skip_message or ""


def test_an_incident_is_opened_once_and_closed_by_itself(home: Home) -> None:
    home.land(key_of(DAY), csv([line.replace(",1.25,", ",?,") for line in shop_lines(DAY)]))
    home.run()

    said = [tick(home), tick(home)]
    [opened] = incidents(home.platform.builds.database)
    home.land(key_of(DAY), csv(shop_lines(DAY)))
    home.run()
    said.append(tick(home))

    assert said == [
        f"incident 1 opened: {SILVER}: 1 partition held back by rules; 1 incident open",
        "1 incident open",
        f"incident 1 closed: {SILVER}: 1 partition held back by rules; no incident is open",
    ]
    assert opened.partitions == DAY
    assert incidents(home.platform.builds.database) == []


@dataclass
class Receiver:
    """A web server that keeps what is posted to it, as a channel of a team."""

    url: str
    answer: int = 200
    got: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.answer == 200:
                found.got.append(json.loads(body))
            self.send_response(found.answer)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(f"json://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture
def alerted(home: Home, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home with a channel for every incident."""
    monkeypatch.setenv("DUTY_CHANNEL", receiver.url)
    file = home.settings.home / "alerts.toml"
    file.write_text('[channels]\nduty = "DUTY_CHANNEL"\n[[routes]]\nchannels = ["duty"]\n')
    return replace(home, settings=replace(home.settings, alerts=file))


def test_a_channel_gets_a_notice_when_an_incident_opens_and_when_it_closes(
    alerted: Home, receiver: Receiver
) -> None:
    alerted.land(key_of(DAY), "not the header\n1\n")
    alerted.run()
    tick(alerted)
    tick(alerted)
    alerted.land(key_of(DAY), csv(shop_lines(DAY)))
    alerted.run()
    tick(alerted)

    said = f"incident 1: the landed object {key_of(DAY)} of source online_retail cannot be read"
    assert [each["title"] for each in receiver.got] == [
        f"data-platform-test: {what}: {said}" for what in ("opened", "closed")
    ]
    assert [each["type"] for each in receiver.got] == ["failure", "success"]
    assert "do: correct the object" in receiver.got[0]["message"]


def test_a_channel_that_fails_is_logged_and_gets_it_later(
    alerted: Home, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    alerted.land("elsewhere/what.txt", "?")
    alerted.run()
    receiver.answer = 503
    tick(alerted)
    database = alerted.platform.builds.database
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)

    [notice] = waiting(database, "duty", later)

    assert receiver.got == []
    assert notice.tries == 1
    assert receiver.url not in caplog.text


def test_a_collector_gets_incidents_as_events(home: Home, collector: Collector, exported) -> None:
    exported(collector.endpoint)
    home.land("elsewhere/what.txt", "?")
    home.run()
    tick(home)
    otlp.stop()

    eventually(lambda: bool(collector.records()))
    [record] = collector.records()
    assert record["eventName"] == "data_platform.incident.opened"
    assert record["severityText"] == "WARN"
    assert "belongs to no source" in record["body"]["stringValue"]
    assert values(record)["data_platform.incident.kind"] == "object"
    assert record["resource"]["service.name"] == "data_platform"


def test_silence_is_an_incident_that_ends_with_the_next_tick(home: Home) -> None:
    sensor = home.definitions.get_repository_def().get_sensor_def(SENSOR)
    long_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)).timestamp()
    said: list[str] = []
    cursor: str | None = str(long_ago)
    for _ in range(2):
        with dg.build_sensor_context(
            instance=home.instance, resources={"platform": home.platform}, cursor=cursor
        ) as context:
            ended = sensor.evaluate_tick(context)
        said.append(ended.skip_message or "")
        cursor = ended.cursor

    assert said[0].startswith("incident 1 opened: the platform did not look for incidents from ")
    assert said[1].startswith("incident 1 closed: the platform did not look for incidents from ")


def test_a_wrong_file_of_channels_is_an_incident_and_what_is_wrong_is_told_later(
    alerted: Home, receiver: Receiver
) -> None:
    alerted.land("elsewhere/what.txt", "?")
    alerted.run()
    wrong = replace(alerted.settings, alerts=alerted.settings.home / "missing.toml")

    said = tick(replace(alerted, settings=wrong))

    assert "opened: nobody is told of incidents: DATA_PLATFORM_ALERTS is " in said
    assert receiver.got == []
    tick(alerted)
    [got] = receiver.got
    assert "elsewhere/what.txt belongs to no source" in got["title"]


def test_a_url_that_apprise_does_not_know_is_logged_without_it(
    alerted: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DUTY_CHANNEL", "T0KEN-of-somebody")
    alerted.land("elsewhere/what.txt", "?")
    alerted.run()

    tick(alerted)

    assert "channel duty: its variable has no URL that apprise knows" in caplog.text
    assert "T0KEN" not in caplog.text


def test_the_checks_of_buckets_and_of_other_assets_are_looked_at(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="report")], owners=["team:finance"])
    def report() -> dg.MaterializeResult: ...

    audit = bucket_audit.bucket_audit(home.settings)

    found = {
        (check.key.asset_key.to_user_string(), check.kind): check.owner
        for check in incidents_sensor.checks_of([report, audit])
    }

    assert found == {
        ("report", Kind.CHECK): "team:finance",
        ("platform/buckets_audit", Kind.BUCKET): bucket_audit.OWNER,
    }
    declared = definitions(home.tables, home.settings, others=[report])
    assert declared.get_repository_def().get_sensor_def(SENSOR)
