"""The alert rules as a rule file of Prometheus, with the names that Prometheus gives to metrics.

Prometheus takes OTLP itself, or scrapes a collector; both name a metric by the same rules of
OpenTelemetry: no dots, and suffixes of unit and kind.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from data_platform.telemetry.alert_rules import ALERT_RULES, Above, AlertRule, Increase
from data_platform.telemetry.metrics import Metric

_UNITS = {"By": "bytes", "s": "seconds", "1": "ratio"}  # what is in braces is no unit
_HEAD = """\
# The alert rules of data_platform for Prometheus, made by `python -m tools.monitoring` from
# data_platform/telemetry/alert_rules.py: change them there. README.md says how to use them.
"""


def prometheus_name(metric: Metric) -> str:
    """The name of a metric in Prometheus: `pipeline_rows_total` for `pipeline.rows`."""
    words = metric.name.replace(".", "_").split("_")
    unit = _UNITS.get(metric.unit)
    if unit and unit not in words and not (unit == "ratio" and metric.kind == "counter"):
        words.append(unit)
    return "_".join([*words, *(["total"] if metric.kind == "counter" else [])])


def expression(rule: AlertRule) -> str:
    """The rule's condition in PromQL; how long it must hold is not part of it."""
    match rule.condition:
        case Above(threshold):
            return f"{_selector(rule)} > {threshold:g}"
        case Increase(threshold, minutes):
            # Not increase(): it extrapolates, and where runs are deleted it takes all that are left
            # for new ones.
            counter = _selector(rule)
            return f"{counter} - min_over_time({counter}[{minutes}m]) > {threshold:g}"
        case _:
            return f"absent({_selector(rule)})"


def rule_file(rules: Iterable[AlertRule] = ALERT_RULES, *, at_once: bool = False) -> str:
    """The rule file; `at_once` is for tests: no condition has to hold for a while."""
    made = [_rule(each, at_once=at_once) for each in rules]
    group = {"groups": [{"name": "data_platform", "rules": made}]}
    return _HEAD + yaml.safe_dump(group, sort_keys=False, width=100)


def alert_name(rule: AlertRule) -> str:
    """A rule's name as Prometheus's rules have them: `RunsWait`."""
    return "".join(word.capitalize() for word in rule.name.split())


def _rule(rule: AlertRule, *, at_once: bool) -> Mapping[str, Any]:
    lasting = 0 if at_once or isinstance(rule.condition, Increase) else rule.condition.minutes
    of = ", ".join(f"{{{{ $labels.{label} }}}}" for label in rule.labels)
    return {
        "alert": alert_name(rule),
        "expr": expression(rule),
        "for": f"{lasting}m",
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": f"{rule.name}: {of}" if of else rule.name,
            "description": f"{rule.summary} {rule.action}",
        },
    }


def _selector(rule: AlertRule) -> str:
    matchers = ", ".join(f'{label}="{value}"' for label, value in rule.where.items())
    name = prometheus_name(rule.metric)
    return f"{name}{{{matchers}}}" if matchers else name
