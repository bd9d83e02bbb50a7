"""Export of metrics by OTLP: what was observed goes to a spool, and a thread sends it.

Only `otlp` imports this module, as it does `export`, and for the same reason.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions
from opentelemetry.metrics import Observation as Observed
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter, ObservableGauge
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    PeriodicExportingMetricReader,
)

from data_platform.telemetry.collector import Target
from data_platform.telemetry.export import LAST_SECONDS, SERVICE, resource, spooled
from data_platform.telemetry.metrics import METRICS, Observation, by_name
from data_platform.telemetry.sending import Sender
from data_platform.telemetry.spool import Spool

_MOST_SERIES = 100_000  # of a metric; labels are bounded by the declarations


class Meters:
    """The export of this process's observations."""

    def __init__(self, folder: Path, target: Target) -> None:
        self._sender = Sender(Spool(folder / "metrics"), target)
        self._now: dict[str, list[Observation]] = {}
        self._exporting = threading.Lock()
        exporter = OTLPMetricExporter(
            session=spooled(self._sender),
            # A total is of the database: as a difference, each process would send all of it once.
            preferred_temporality={ObservableCounter: AggregationTemporality.CUMULATIVE},
        )
        # Observed and exported when `export` is called alone.
        reader = PeriodicExportingMetricReader(
            exporter,
            export_interval_millis=math.inf,
            cardinality_limits={ObservableCounter: _MOST_SERIES, ObservableGauge: _MOST_SERIES},
        )
        self._provider = MeterProvider([reader], resource(), shutdown_on_exit=False)
        self._declare()
        self._sender.start()

    def export(self, observations: Iterable[Observation]) -> None:
        """Put these observations, made now, into the spool."""
        with self._exporting:
            self._now = by_name(observations)
            self._provider.force_flush()

    def stop(self) -> None:
        """Send what waits, if the collector answers."""
        with self._exporting:
            self._now = {}  # the reader exports once more, which would send the same again
            self._provider.shutdown()
        self._sender.stop(LAST_SECONDS)

    def _declare(self) -> None:
        meter = self._provider.get_meter(SERVICE)
        for metric in METRICS:
            observable = (
                meter.create_observable_counter
                if metric.kind == "counter"
                else meter.create_observable_gauge
            )
            observable(metric.name, [self._values(metric.name)], metric.unit, metric.description)

    def _values(self, name: str) -> Callable[[CallbackOptions], Iterator[Observed]]:
        def values(_: CallbackOptions) -> Iterator[Observed]:
            for each in self._now.get(name, []):
                yield Observed(each.value, dict(each.labels))

        return values
