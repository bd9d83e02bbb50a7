"""Export of traces by OTLP, where OpenTelemetry's variables name a collector.

Spans are encoded by OpenTelemetry's own exporter, and its requests go to a spool on disk instead
of the network (`SpoolAdapter`); a thread sends them. So no run waits for a collector that does not
answer, and what a killed process has exported is sent by the next one.
"""

import atexit
import logging
import multiprocessing.util
import threading
from collections.abc import Mapping
from pathlib import Path

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from requests.adapters import BaseAdapter

from data_platform.settings.environment import given_dagster_home, variables_of
from data_platform.telemetry.collector import ProtocolNotSupported, Target, targets
from data_platform.telemetry.ids import PlannedIds
from data_platform.telemetry.sending import Sender
from data_platform.telemetry.spool import Spool

_LOG = logging.getLogger(__name__)
SERVICE = "data_platform"  # unless OTEL_SERVICE_NAME names another
_LAST_SECONDS = 5.0  # for sending when a process ends


class SpoolAdapter(BaseAdapter):
    """A transport of `requests` that puts the requests of an exporter into a spool.

    Without their headers, which may contain credentials: `Target` has them when they are sent.
    """

    def __init__(self, spool: Spool, signal: str, sender: Sender) -> None:
        super().__init__()
        self._spool = spool
        self._signal = signal
        self._sender = sender

    def send(self, request: requests.PreparedRequest, *_: object, **__: object):
        """Put it there; the answer is 202, or 422 if the disk did not take it."""
        response = requests.Response()
        response.request, response.url = request, request.url or ""
        assert isinstance(request.body, bytes)  # serialized by the exporter
        encoding = str(request.headers.get("Content-Encoding", ""))
        try:
            dropped = self._spool.put(self._signal, encoding, request.body)
        except OSError as error:
            response.status_code, response.reason = 422, f"{self._spool.folder}: {error}"
            return response
        if dropped:
            _LOG.warning(
                "%s is full, since no collector takes what waits there: the oldest %d requests "
                "were dropped",
                self._spool.folder,
                dropped,
            )
        self._sender.wake()
        response.status_code, response.reason = 202, "Accepted"
        return response

    def close(self) -> None:
        """Nothing is open."""


class Telemetry:
    """The export of a process. One that is not started records nothing, at next to no cost."""

    def __init__(self, folder: Path, reached: Mapping[str, Target]) -> None:
        spool = Spool(folder)
        self._sender = Sender(spool, reached)
        resource = Resource.create({SERVICE_NAME: SERVICE} if not _is_named() else {})
        self.ids = PlannedIds()
        self._tracing: TracerProvider | None = None
        if "traces" in reached:
            exporter = OTLPSpanExporter(session=_session(spool, "traces", self._sender))
            provider = TracerProvider(
                resource=resource, id_generator=self.ids, shutdown_on_exit=False
            )
            provider.add_span_processor(BatchSpanProcessor(exporter))
            self._tracing = provider
        self._sender.start()
        self._stopped = threading.Lock()

    def tracer(self) -> trace.Tracer:
        """The tracer; it records nothing if traces are not exported."""
        provider = self._tracing or trace.NoOpTracerProvider()
        return provider.get_tracer(SERVICE)

    def within(self, parent: SpanContext) -> Context:
        """The context in which spans are children of this one, which any process may record.

        The sampler's answer to its trace counts, since no process tells the others.
        """
        if self._tracing:
            decided = self._tracing.sampler.should_sample(None, parent.trace_id, SERVICE)
            flags = TraceFlags.SAMPLED if decided.decision.is_sampled() else TraceFlags.DEFAULT
            parent = SpanContext(
                parent.trace_id, parent.span_id, is_remote=True, trace_flags=TraceFlags(flags)
            )
        return trace.set_span_in_context(NonRecordingSpan(parent), Context())

    def flush(self) -> None:
        """Put into the spool what was recorded so far."""
        if self._tracing:
            self._tracing.force_flush()

    def stop(self) -> None:
        """Put the rest into the spool, and send it if the collector answers. Does so once."""
        if not self._stopped.acquire(blocking=False):
            return
        if self._tracing:
            self._tracing.shutdown()
        self._sender.stop(_LAST_SECONDS)


_lock = threading.Lock()
_process: list[Telemetry | None] = []


def telemetry() -> Telemetry | None:
    """The export of this process, started on first use; None where no endpoint is set."""
    with _lock:
        if not _process:
            _process.append(_started())
        return _process[0]


def stop() -> None:
    """End the export of this process, for tests that begin another."""
    with _lock:
        if _process and (running := _process[0]):
            running.stop()
        _process.clear()


def _started() -> Telemetry | None:
    home = given_dagster_home()
    try:
        reached = targets(variables_of(("OTEL_",)))
    except ProtocolNotSupported as error:
        _LOG.warning("no telemetry is exported: %s", error)
        return None
    if not reached or not home:
        return None
    running = Telemetry(Path(home) / "telemetry", reached)
    # A run that a code server starts is a child of multiprocessing, which skips atexit.
    multiprocessing.util.Finalize(None, running.stop, exitpriority=1)
    atexit.register(running.stop)
    return running


def _is_named() -> bool:
    given = variables_of(("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"))
    return bool(given.get("OTEL_SERVICE_NAME")) or "service.name=" in given.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )


def _session(spool: Spool, signal: str, sender: Sender) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, SpoolAdapter(spool, signal, sender))
    return session
