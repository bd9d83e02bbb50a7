"""The metrics of the platform: their names, kinds, units and labels.

All are observed from the platform's databases and tables, by one process now and then, so that they
do not depend on which runs were killed. Labels have few values: never a partition or an object.
The reference, the dashboards and the alert rules are made from this list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["gauge", "counter"]
_BYTES, _SECONDS, _SHARE = "By", "s", "1"  # units, as UCUM writes them


@dataclass(frozen=True)
class Metric:
    """A metric: a `counter` only grows. `unit` is one of UCUM."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Observation:
    """The value of a metric now, with its labels."""

    metric: Metric
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels.keys() != {*self.metric.labels}:
            raise ValueError(f"{self.metric.name} has the labels {self.metric.labels}")


def _gauge(name: str, unit: str, labels: tuple[str, ...], description: str) -> Metric:
    return Metric(f"pipeline.{name}", "gauge", unit, labels, description)


def _counter(name: str, unit: str, labels: tuple[str, ...], description: str) -> Metric:
    return Metric(f"pipeline.{name}", "counter", unit, labels, description)


_TABLE = ("table",)

# Of a table as it is published
ROW_COUNT = _gauge("row_count", "{row}", _TABLE, "Rows of the published table.")
SIZE = _gauge("size", _BYTES, _TABLE, "Bytes of the published table's data files.")
PARTITIONS = _gauge("partitions", "{partition}", _TABLE, "Partitions that have a version.")
HELD_BACK = _gauge(
    "held_back", "{partition}", _TABLE, "Partitions whose last build was held back by its checks."
)
NULL_RATE = _gauge(
    "null_rate",
    _SHARE,
    ("table", "column"),
    "Share of nulls in a column of the newest partition that has rows.",
)
FRESHNESS = _gauge(
    "freshness_seconds", _SECONDS, _TABLE, "Seconds since a version was last published."
)
DATA_AGE = _gauge(
    "data_age_seconds",
    _SECONDS,
    _TABLE,
    "Seconds since the end of the newest partition that has rows, of tables by time.",
)
QUARANTINED_SHARE = _gauge(
    "quarantined_share", _SHARE, _TABLE, "Share of the last attempt's rows that were quarantined."
)
DUPLICATE_SHARE = _gauge(
    "duplicate_share", _SHARE, _TABLE, "Share of the last attempt's rows that were duplicates."
)

# Of the builds of a table since the beginning
ROWS = _counter(
    "rows",
    "{row}",
    ("table", "outcome"),
    "Rows that builds wrote; outcome: published, quarantined or duplicate.",
)
BYTES_WRITTEN = _counter("bytes_written", _BYTES, _TABLE, "Bytes of published data files.")
BUILT = _counter(
    "partitions_built",
    "{partition}",
    ("table", "outcome"),
    "Partitions that were built; outcome: published or held_back.",
)
PHASE_SECONDS = _counter(
    "phase.seconds",
    _SECONDS,
    ("table", "phase"),
    "Seconds of the phases of a table's steps: plan, parse or compute, audit, commit.",
)
PHASE_COUNT = _counter(
    "phase.runs", "{run}", ("table", "phase"), "How often the phases of a table's steps were run."
)
MEMORY = _gauge(
    "engine.memory",
    _BYTES,
    _TABLE,
    "Peak memory of the last run that built the table, with the processes that it started.",
)

# Of what lands
OBJECTS = _gauge(
    "objects",
    "{object}",
    ("source", "state"),
    "Landed objects that are not loaded; state: pending or failed.",
)
OLDEST_PENDING = _gauge(
    "oldest_pending_seconds",
    _SECONDS,
    ("source",),
    "Seconds since the oldest pending one landed.",
)
UNKNOWN = _gauge("unknown_objects", "{object}", (), "Landed objects that belong to no source.")
QUEUE_DEPTH = _gauge(
    "queue.depth", "{message}", (), "Messages about landed objects that wait in the queue."
)

# Of Dagster
RUNS_OPEN = _gauge(
    "runs.open",
    "{run}",
    ("state",),
    "Runs under way; state: queued, starting or started.",
)
RUNS_ENDED = _counter(
    "runs.ended", "{run}", ("state",), "Ended runs; state: success, failure or canceled."
)
OLDEST_QUEUED = _gauge(
    "runs.oldest_queued_seconds", _SECONDS, (), "Seconds since the oldest queued run was requested."
)
SENSOR_LAG = _gauge(
    "sensor.lag_seconds",
    _SECONDS,
    ("sensor",),
    "Seconds since a sensor was last evaluated.",
)

METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)


def by_name(observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    """The observations of each metric."""
    found: dict[str, list[Observation]] = {}
    for each in observations:
        found.setdefault(each.metric.name, []).append(each)
    return found
