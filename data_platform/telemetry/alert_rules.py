"""The alert rules: which values of the metrics need a person, how soon, and what to do then.

The rules of SigNoz and of Prometheus are made from this list, and so is the table in the reference.
No rule fires while the platform is idle and well, or while it does by itself what is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from data_platform.telemetry import metrics as m
from data_platform.telemetry.metrics import Metric

Severity = Literal["critical", "warning"]  # critical: data is late, or will be


@dataclass(frozen=True)
class Above:
    """A value is higher than `threshold` for `minutes`."""

    threshold: float
    minutes: int


@dataclass(frozen=True)
class Increase:
    """A counter has grown by more than `threshold` in the last `minutes`."""

    threshold: float
    minutes: int


@dataclass(frozen=True)
class Absent:
    """There has been no value for `minutes`."""

    minutes: int


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """A condition on a metric, of each combination of its labels that `where` leaves open.

    `summary` says what is so, `action` what to do: with a command of the platform.
    """

    name: str
    metric: Metric
    where: Mapping[str, str] = field(default_factory=dict)
    condition: Above | Increase | Absent
    severity: Severity
    summary: str
    action: str

    def __post_init__(self) -> None:
        if unknown := self.where.keys() - {*self.metric.labels}:
            raise ValueError(f"{self.metric.name} has no label {', '.join(sorted(unknown))}")
        kind = "counter" if isinstance(self.condition, Increase) else "gauge"
        if self.metric.kind != kind:
            raise ValueError(f"{self.name}: {self.metric.name} is not a {kind}")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that tell its alerts apart; none where there is no value to have them."""
        if isinstance(self.condition, Absent):
            return ()
        return tuple(label for label in self.metric.labels if label not in self.where)


ALERT_RULES: tuple[AlertRule, ...] = (
    AlertRule(
        name="Partitions held back",
        metric=m.HELD_BACK,
        condition=Above(0, minutes=5),
        severity="warning",
        summary="The checks of a table hold partitions back; their last good versions stay.",
        action="See why with `data-platform held`, then correct, release or change the rule.",
    ),
    AlertRule(
        name="Many rows quarantined",
        metric=m.QUARANTINED_SHARE,
        condition=Above(0.1, minutes=5),
        severity="warning",
        summary="More than a tenth of the rows of a table's last build broke its rules.",
        action="See them with `data-platform quarantine`, and ask the sender.",
    ),
    AlertRule(
        name="Landed objects failed",
        metric=m.OBJECTS,
        where={"state": "failed"},
        condition=Above(0, minutes=5),
        severity="warning",
        summary="Landed objects of a source cannot be read.",
        action="See them with `data-platform landing`, and have them sent again.",
    ),
    AlertRule(
        name="Unknown objects landed",
        metric=m.UNKNOWN,
        condition=Above(0, minutes=5),
        severity="warning",
        summary="Landed objects belong to no source, so nothing loads them.",
        action="See them with `data-platform landing`; declare a source, or forget them.",
    ),
    AlertRule(
        name="Landed objects wait",
        metric=m.OLDEST_PENDING,
        condition=Above(3600, minutes=5),
        severity="critical",
        summary="A landed object of a source has not been loaded for more than an hour.",
        action="See whether runs wait or fail with `data-platform status`.",
    ),
    AlertRule(
        name="Messages wait in the queue",
        metric=m.QUEUE_DEPTH,
        condition=Above(0, minutes=60),
        severity="critical",
        summary="The queue of landed objects has not been empty for an hour.",
        action="See `data-platform doctor`; is the sensor `landing_arrivals` on?",
    ),
    AlertRule(
        name="Runs fail",
        metric=m.RUNS_ENDED,
        where={"state": "failure"},
        condition=Increase(2, minutes=60),  # one or two are requested again, and succeed
        severity="warning",
        summary="More than two runs failed within an hour.",
        action="See their causes with `data-platform status`.",
    ),
    AlertRule(
        name="Runs wait",
        metric=m.OLDEST_QUEUED,
        condition=Above(1800, minutes=5),
        severity="critical",
        summary="A run has been queued for more than half an hour.",
        action="See `data-platform status`; is the daemon up, and can pods of runs start?",
    ),
    AlertRule(
        name="Sensor not evaluated",
        metric=m.SENSOR_LAG,
        condition=Above(600, minutes=5),
        severity="critical",
        summary="A sensor that is on has not been evaluated for ten minutes.",
        action="See its ticks in the UI, and `data-platform doctor`.",
    ),
    AlertRule(
        name="No metrics",
        metric=m.RUNS_OPEN,  # which is there whenever any are
        condition=Absent(minutes=10),
        severity="critical",
        summary="No metrics have arrived for ten minutes: nothing of the above is known either.",
        action="See `data-platform doctor`; are daemon, code location and collector up?",
    ),
)
