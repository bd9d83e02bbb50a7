"""Notices of incidents: each at least once, summed up in a storm, sent later to what is down."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from data_platform.databases.connections import Database
from data_platform.health.arrival_causes import PLATFORM
from data_platform.health.notifying import layer_of, notify, telling, text_of
from data_platform.settings.alerts import Alerts, Route
from data_platform.telemetry.incidents import Cause, Kind, Severity, reconcile
from data_platform.telemetry.notices import Notice, drop_others, not_taken, waiting
from data_platform_tests.telemetry.test_incidents import LINES, NOW, every

MINUTE = dt.timedelta(minutes=1)
ALERTS = Alerts(
    [Route(("duty",))],
    {"duty": "json://duty"},
    most_an_hour=3,
    dagster="https://dagster.example.org",
    traces="https://signoz.example.org/trace/{trace}",
)
RUN = "6e8a3b9c-7e0b-4cb0-9a55-6f6c9b7f1d11"


def _short(notice: Notice) -> str:
    return f"incident-{notice.incident.number}-{notice.event}"


@dataclass
class Channels:
    """What channels were sent; those in `down` take nothing."""

    database: Database
    down: set[str] = field(default_factory=set)
    sent: list[tuple[str, list[str]]] = field(default_factory=list)

    def send(self, channel: str, notices: Sequence[Notice]) -> bool:
        if channel in self.down:
            return False
        self.sent.append((channel, [_short(notice) for notice in notices]))
        return True

    def tick(
        self,
        causes: Sequence[Cause],
        now: dt.datetime = NOW,
        alerts: Alerts = ALERTS,
        always: Sequence[str] = (),
    ) -> list[str]:
        """What a tick of the sensor sends; returns the channels that took nothing."""
        reconcile(self.database, causes, every, now, telling(alerts, always, now))
        drop_others(self.database, [*alerts.urls, *always])
        return list(notify(self.database, alerts, now, self.send, unlimited=always))


@pytest.fixture
def channels(migrated_url: str) -> Channels:
    return Channels(Database(migrated_url))


def causes(count: int, owner: str = LINES.owner) -> list[Cause]:
    """As many causes, of tables of this owner."""
    of = owner.partition(":")[2]
    return [replace(LINES, subject=f"silver/{of}/t{n}", owner=owner) for n in range(count)]


def test_what_opens_and_closes_is_sent_once_each(channels: Channels) -> None:
    for at, seen in enumerate(([LINES], [LINES], [], [])):
        channels.tick(seen, NOW + at * MINUTE)

    assert channels.sent == [
        ("duty", ["incident-1-opened"]),
        ("duty", ["incident-1-closed"]),
    ]


def test_an_incident_without_a_route_is_sent_to_nobody(channels: Channels) -> None:
    alerts = replace(ALERTS, routes=[Route(("duty",), layer="gold")])

    channels.tick([LINES], alerts=alerts)

    assert channels.sent == []


def test_a_storm_is_summed_up_for_each_owner(channels: Channels) -> None:
    channels.tick([*causes(20), *causes(1, "team:funds")])

    assert [len(notices) for _, notices in channels.sent] == [1, 1, 18, 1]
    assert len({key for _, notices in channels.sent for key in notices}) == 21

    later = channels.tick([*causes(20), *causes(2, "team:funds")], NOW + 30 * MINUTE)
    more = [*causes(25), *causes(2, "team:funds")]
    channels.tick(more, NOW + 40 * MINUTE)
    assert later == []
    assert [len(notices) for _, notices in channels.sent[4:]] == [1]  # of the other owner

    channels.tick(more, NOW + 61 * MINUTE)
    assert [len(notices) for _, notices in channels.sent[5:]] == [1, 1, 3]


def test_a_channel_that_is_down_gets_all_later(channels: Channels) -> None:
    channels.down = {"duty"}
    assert channels.tick(causes(2)) == ["duty"]
    assert channels.tick(causes(2), NOW + MINUTE) == []  # it waits for its next try, in order

    channels.down = set()
    channels.tick(causes(2), NOW + 30 * MINUTE)

    assert channels.sent == [("duty", ["incident-1-opened"]), ("duty", ["incident-2-opened"])]
    assert waiting(channels.database, "duty", NOW + 60 * MINUTE) == []


def test_a_channel_that_stays_down_is_known(channels: Channels) -> None:
    channels.down = {"duty"}
    for minutes in (0, 2, 6):
        assert not_taken(channels.database, 3) == {}
        channels.tick(causes(1), NOW + minutes * MINUTE)

    assert not_taken(channels.database, 3) == {"duty": 1}


def test_what_opened_and_closed_while_a_channel_was_down_is_not_told(channels: Channels) -> None:
    channels.down = {"duty"}
    channels.tick(causes(2))
    channels.tick(causes(1), NOW + MINUTE)
    channels.down = set()
    channels.tick(causes(1), NOW + 30 * MINUTE)

    assert channels.sent == [("duty", ["incident-1-opened"])]


def test_a_channel_that_gets_a_route_later_hears_of_what_is_open(channels: Channels) -> None:
    warning = replace(LINES, severity=Severity.WARNING)
    alerts = replace(ALERTS, routes=[Route(("duty",), severity="error")])
    channels.tick([warning], alerts=alerts)
    assert channels.sent == []

    channels.tick([LINES], NOW + MINUTE, alerts)
    channels.tick([warning], NOW + 2 * MINUTE, alerts)
    channels.tick([], NOW + 3 * MINUTE, alerts)

    assert channels.sent == [("duty", ["incident-1-opened"]), ("duty", ["incident-1-closed"])]


def test_what_waits_for_a_channel_that_is_removed_is_dropped(channels: Channels) -> None:
    channels.down = {"duty"}
    for minutes in (0, 2, 6):
        channels.tick(causes(1), NOW + minutes * MINUTE)

    channels.tick(causes(1), NOW + 20 * MINUTE, Alerts())

    assert not_taken(channels.database, 1) == {}


def test_what_is_said_of_a_channel_goes_to_the_others(channels: Channels) -> None:
    down = replace(LINES, kind=Kind.CHANNEL, subject="duty", rule="not taken", owner=PLATFORM)
    alerts = replace(
        ALERTS,
        routes=[Route(("duty", "mail"))],
        urls={"duty": "json://duty", "mail": "mailto://x"},
    )

    channels.tick([down], alerts=alerts)

    assert channels.sent == [("mail", ["incident-1-opened"])]


def test_a_collector_gets_every_notice_by_itself(channels: Channels) -> None:
    channels.tick(causes(20), always=["otlp"])

    assert [len(keys) for name, keys in channels.sent if name == "otlp"] == [1] * 20


def test_a_message_says_what_where_whose_and_what_to_do(channels: Channels) -> None:
    channels.down = {"duty"}
    channels.tick([replace(LINES, run=RUN)])
    text = text_of(waiting(channels.database, "duty", NOW + 60 * MINUTE), ALERTS, "acme-prod")

    assert text.title == f"acme-prod: opened: incident 1: {LINES.title}"
    assert text.body.splitlines() == [
        "owner: team:retail",
        "partitions: 2011-01-01..2011-12-31",
        "rows by rule: quantity.not_null 12",
        f"look: {LINES.look}",
        f"do: {LINES.mend}",
        f"run: https://dagster.example.org/runs/{RUN}",
        f"trace: https://signoz.example.org/trace/{RUN.replace('-', '')}",
        "id: acme-prod-1-20260302100000-opened",
    ]
    assert (text.severity, text.resolved) == ("error", False)


def test_a_summary_counts_and_names_some(channels: Channels) -> None:
    channels.down = {"duty"}
    channels.tick(causes(30))
    text = text_of(waiting(channels.database, "duty", NOW + 60 * MINUTE), ALERTS, "acme-prod")

    assert text.title == "acme-prod: team:retail: 30 more incidents opened, 0 closed"
    assert "and 10 more" in text.body
    assert "data-platform incidents" in text.body


@pytest.mark.parametrize(
    ("cause", "layer"),
    [
        (LINES, "silver"),
        (replace(LINES, kind=Kind.OBJECT, subject="landing/gold/x/y.csv"), "bronze"),
        (replace(LINES, kind=Kind.SENSOR, subject="stale_tables"), ""),
        (replace(LINES, kind=Kind.CHECK, subject="platform/buckets_audit"), ""),
    ],
    ids=lambda value: str(getattr(value, "kind", value)),
)
def test_the_layer_of_a_cause_is_that_of_its_table(cause: Cause, layer: str) -> None:
    assert layer_of(cause) == layer
