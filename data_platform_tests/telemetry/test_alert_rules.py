"""Each alert rule is about a metric that exists, and names a command that exists."""

import re

import pytest

from data_platform.cli.main import main
from data_platform.telemetry import metrics as m
from data_platform.telemetry.alert_rules import ALERT_RULES, Above, AlertRule, Increase
from data_platform.telemetry.metrics import METRICS, Metric

COMMAND = re.compile(r"`data-platform ([a-z-]+)`")


def rule(metric: Metric, condition: Above | Increase, **where: str) -> AlertRule:
    return AlertRule(
        name="It",
        metric=metric,
        where=where,
        condition=condition,
        severity="warning",
        summary="It is so.",
        action="Look.",
    )


@pytest.mark.parametrize("alert", ALERT_RULES, ids=lambda alert: alert.name)
def test_a_rule_says_what_is_so_and_what_to_do(alert: AlertRule) -> None:
    [*commands] = COMMAND.findall(alert.action)

    assert alert.metric in METRICS
    assert alert.summary.endswith(".")
    assert commands
    assert set(commands) <= main.commands.keys()
    assert alert.condition.minutes > 0


def test_names_are_unique() -> None:
    assert len({each.name for each in ALERT_RULES}) == len(ALERT_RULES) > 5


def test_alerts_are_told_apart_by_the_labels_that_the_rule_leaves_open() -> None:
    assert rule(m.OBJECTS, Above(0, 5), state="failed").labels == ("source",)
    assert rule(m.HELD_BACK, Above(0, 5)).labels == ("table",)


def test_a_label_that_the_metric_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pipeline\.held_back has no label source"):
        rule(m.HELD_BACK, Above(0, 5), source="online_retail")


@pytest.mark.parametrize(
    ("metric", "condition"), [(m.HELD_BACK, Increase(0, 5)), (m.ROWS, Above(0, 5))], ids=str
)
def test_a_condition_that_does_not_fit_the_kind_is_refused(
    metric: Metric, condition: Above | Increase
) -> None:
    with pytest.raises(ValueError, match=rf"{metric.name} is not a"):
        rule(metric, condition)
