"""The dashboard and the alert rules as SigNoz's API takes them, made from the list of metrics.

A dashboard has the schema `v6` (Perses with SigNoz's plugins), a rule `v2alpha1`. SigNoz refuses
unknown fields; what is left out here has a default there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_platform.telemetry import metrics as m
from data_platform.telemetry.alert_rules import ALERT_RULES, Above, Absent, AlertRule, Increase
from data_platform.telemetry.metrics import Metric

Json = dict[str, Any]
_STEP = 60  # seconds between two values, as the platform sends them
_WIDTH, _HEIGHT, _COLUMNS = 6, 6, 12  # of a panel, of the grid
_UNITS = {"By": "By", "s": "s", "1": "percentunit"}  # as SigNoz shows them; others are counts
_CHOSEN = "table"  # the label whose values are chosen at the top
_RED = "#F1575F"


@dataclass(frozen=True)
class Panel:
    """A chart of a metric over time; with `per`, of its increase for each of another counter."""

    title: str
    metric: Metric
    per: Metric | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it shows."""
        return (self.metric, self.per) if self.per else (self.metric,)


SECTIONS: Mapping[str, Sequence[Panel]] = {
    "Tables": (
        Panel("Partitions held back", m.HELD_BACK),
        Panel("Time since the last publication", m.FRESHNESS),
        Panel("Age of the newest data", m.DATA_AGE),
        Panel("Rows", m.ROW_COUNT),
        Panel("Size", m.SIZE),
        Panel("Partitions", m.PARTITIONS),
        Panel("Quarantined share of the last build", m.QUARANTINED_SHARE),
        Panel("Duplicate share of the last build", m.DUPLICATE_SHARE),
        Panel("Nulls in the newest partition", m.NULL_RATE),
    ),
    "Builds": (
        Panel("Rows written", m.ROWS),
        Panel("Bytes written", m.BYTES_WRITTEN),
        Panel("Partitions built", m.BUILT),
        Panel("Mean duration of a phase", m.PHASE_SECONDS, per=m.PHASE_COUNT),
        Panel("Peak memory of the last run", m.MEMORY),
    ),
    "Landing": (
        Panel("Landed objects that are not loaded", m.OBJECTS),
        Panel("Age of the oldest pending object", m.OLDEST_PENDING),
        Panel("Unknown objects", m.UNKNOWN),
        Panel("Messages in the queue", m.QUEUE_DEPTH),
    ),
    "Runs": (
        Panel("Runs under way", m.RUNS_OPEN),
        Panel("Runs that ended", m.RUNS_ENDED),
        Panel("Age of the oldest queued run", m.OLDEST_QUEUED),
        Panel("Time since a sensor was evaluated", m.SENSOR_LAG),
    ),
}


def dashboard() -> Json:
    """The dashboard, for `POST /api/v2/dashboards`."""
    return {
        "schemaVersion": "v6",
        "name": "data-platform",
        "tags": [{"key": "service", "value": "data_platform"}],
        "spec": {
            "display": {
                "name": "Data platform",
                "description": "Tables, builds, landed objects and runs of data_platform.",
            },
            "variables": [_variable(_CHOSEN)],
            "panels": {
                _key(panel): _panel(panel) for panels in SECTIONS.values() for panel in panels
            },
            "layouts": [_grid(title, panels) for title, panels in SECTIONS.items()],
        },
    }


def alert_rule(rule: AlertRule) -> Json:
    """An alert rule, for `POST /api/v2/rules`; the threshold's channels are the importer's."""
    condition: Json = {
        "compositeQuery": {
            "queryType": "builder",
            "panelType": "graph",
            "unit": _unit(rule.metric),
            "queries": [_envelope(_query("A", rule.metric, rule.labels, _filter(rule)))],
        },
        "selectedQueryName": "A",
        "thresholds": {
            "kind": "basic",
            "spec": [{"name": rule.severity, **_compared(rule), "channels": []}],
        },
    }
    if isinstance(rule.condition, Absent):
        condition |= {"alertOnAbsent": True, "absentFor": rule.condition.minutes}
    return {
        "alert": rule.name,
        "alertType": "METRIC_BASED_ALERT",
        "ruleType": "threshold_rule",
        "version": "v5",
        "schemaVersion": "v2alpha1",
        "description": rule.summary,
        "condition": condition,
        "evaluation": {
            "kind": "rolling",
            "spec": {"evalWindow": f"{rule.condition.minutes}m", "frequency": "1m"},
        },
        "notificationSettings": {
            "groupBy": list(rule.labels),
            "renotify": {"enabled": True, "interval": "4h", "alertStates": ["firing", "nodata"]},
        },
        "labels": {"severity": rule.severity, "service": "data_platform"},
        "annotations": {
            "summary": ": ".join([rule.name, *(f"{{{{${each}}}}}" for each in rule.labels)]),
            "description": f"{rule.summary} {rule.action}",
        },
    }


def _compared(rule: AlertRule) -> Json:
    match rule.condition:
        case Above(threshold):
            return {"op": "above", "target": threshold, "matchType": "all_the_times"}
        case Increase(threshold):
            return {"op": "above", "target": threshold, "matchType": "in_total"}
        case Absent():  # a threshold is required; no value is below 0
            return {"op": "below", "target": 0, "matchType": "at_least_once"}


def _filter(rule: AlertRule) -> str:
    return " AND ".join(f"{label} = '{value}'" for label, value in rule.where.items())


# --- panels -------------------------------------------------------------------------------


def _panel(panel: Panel) -> Json:
    unit = _unit(panel.metric)
    return {
        "kind": "Panel",
        "spec": {
            "display": {"name": panel.title, "description": panel.metric.description},
            "plugin": {
                "kind": "signoz/TimeSeriesPanel",
                "spec": {
                    "formatting": {"unit": unit},
                    "thresholds": [*_thresholds(panel.metric, unit)],
                },
            },
            "queries": [{"kind": "time_series", "spec": {"name": "A", "plugin": _shown(panel)}}],
        },
    }


def _shown(panel: Panel) -> Json:
    labels = panel.metric.labels
    chosen = f"{_CHOSEN} IN ${_CHOSEN}" if _CHOSEN in labels else ""
    query = _query("A", panel.metric, labels, chosen)
    if panel.per is None:
        return {"kind": "signoz/BuilderQuery", "spec": query}
    parts = [query, _query("B", panel.per, labels, chosen)]
    formula = {"name": "F1", "expression": "A / B", "legend": _legend(labels)}
    return {
        "kind": "signoz/CompositeQuery",
        "spec": {
            "queries": [
                *(_envelope({**part, "disabled": True}) for part in parts),
                {"type": "builder_formula", "spec": formula},
            ]
        },
    }


def _thresholds(metric: Metric, unit: str) -> Iterator[Json]:
    """A line where a rule alerts."""
    for rule in ALERT_RULES:
        if rule.metric is metric and isinstance(rule.condition, Above) and not rule.where:
            value = rule.condition.threshold
            yield {"value": value, "unit": unit, "color": _RED, "label": rule.name}


def _grid(title: str, panels: Sequence[Panel]) -> Json:
    across = _COLUMNS // _WIDTH
    items = [
        {
            "x": number % across * _WIDTH,
            "y": number // across * _HEIGHT,
            "width": _WIDTH,
            "height": _HEIGHT,
            "content": {"$ref": f"#/spec/panels/{_key(panel)}"},
        }
        for number, panel in enumerate(panels)
    ]
    return {"kind": "Grid", "spec": {"display": {"title": title}, "items": items}}


def _variable(label: str) -> Json:
    return {
        "kind": "ListVariable",
        "spec": {
            "name": label,
            "display": {"name": label},
            "allowAllValue": True,
            "allowMultiple": True,
            "sort": "alphabetical-asc",
            "plugin": {
                "kind": "signoz/DynamicVariable",
                "spec": {"name": label, "signal": "metrics"},
            },
        },
    }


def _key(panel: Panel) -> str:
    return panel.metric.name.replace(".", "-")


# --- queries ------------------------------------------------------------------------------


def _query(name: str, metric: Metric, labels: Sequence[str], filtered: str) -> Json:
    """A query of the builder: the last value of a gauge, the growth of a counter."""
    counter = metric.kind == "counter"
    return {
        "name": name,
        "signal": "metrics",
        "stepInterval": _STEP,
        "aggregations": [
            {
                "metricName": metric.name,
                "timeAggregation": "increase" if counter else "latest",
                "spaceAggregation": "sum" if counter else "max",
            }
        ],
        "filter": {"expression": filtered},
        "groupBy": [
            {"name": label, "fieldContext": "attribute", "fieldDataType": "string"}
            for label in labels
        ],
        "legend": _legend(labels),
    }


def _envelope(query: Json) -> Json:
    return {"type": "builder_query", "spec": query}


def _legend(labels: Sequence[str]) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def _unit(metric: Metric) -> str:
    return _UNITS.get(metric.unit, "none")
