"""Export of traces by OTLP to a collector.

Spans are encoded by OpenTelemetry's own exporter, and its requests go to a spool on disk instead
of the network (`SpoolAdapter`); a thread sends them. So no run waits for a collector that does not
answer, and what a killed process has exported is sent by the next one. Only `otlp` imports this
module, which takes a quarter of a second, and only where a collector is named.
"""

import logging
import threading
from pathlib import Path

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from requests.adapters import BaseAdapter

from data_platform.settings.environment import variables_of
from data_platform.settings.values import PREFIX
from data_platform.telemetry.collector import Target
from data_platform.telemetry.planned_ids import PlannedIds
from data_platform.telemetry.sampling import OfRuns
from data_platform.telemetry.sending import Sender
from data_platform.telemetry.spool import Spool

_LOG = logging.getLogger(__name__)
SERVICE = "data_platform"  # unless OTEL_SERVICE_NAME names another
_TRACES = "traces"  # the signal
LAST_SECONDS = 5.0  # for sending when a process ends


class SpoolAdapter(BaseAdapter):
    """A transport of `requests` that puts the requests of an exporter into a spool.

    Without their headers, which may contain credentials: `Target` has them when they are sent.
    """

    def __init__(self, sender: Sender) -> None:
        super().__init__()
        self._sender = sender

    def send(self, request: requests.PreparedRequest, *_: object, **__: object):
        """Put it there; the answer is 202, or 422 if the disk did not take it."""
        response = requests.Response()
        response.request, response.url = request, request.url or ""
        assert isinstance(request.body, bytes)  # serialized by the exporter
        encoding = str(request.headers.get("Content-Encoding", ""))
        try:
            self._sender.put(encoding, request.body)
        except OSError as error:
            response.status_code, response.reason = 422, f"{self._sender.folder}: {error}"
            return response
        response.status_code, response.reason = 202, "Accepted"
        return response

    def close(self) -> None:
        """Nothing is open."""


class Telemetry:
    """The export of a process."""

    def __init__(self, folder: Path, traces: Target) -> None:
        self._sender = Sender(Spool(folder / _TRACES), traces)
        self.ids = PlannedIds()
        self._tracing = TracerProvider(
            resource=resource(), id_generator=self.ids, shutdown_on_exit=False
        )
        self._tracing.sampler = OfRuns(self._tracing.sampler)
        exporter = OTLPSpanExporter(session=spooled(self._sender))
        self._tracing.add_span_processor(BatchSpanProcessor(exporter))
        self._sender.start()
        self._stopping = threading.Lock()

    def tracer(self) -> trace.Tracer:
        """The tracer of the platform."""
        return self._tracing.get_tracer(SERVICE)

    def within(self, parent: SpanContext) -> Context:
        """The context in which spans are children of this one, which any process may record."""
        flags = TraceFlags.SAMPLED if self.samples(parent) else TraceFlags.DEFAULT
        known = SpanContext(
            parent.trace_id, parent.span_id, is_remote=True, trace_flags=TraceFlags(flags)
        )
        return trace.set_span_in_context(NonRecordingSpan(known), Context())

    def samples(self, context: SpanContext) -> bool:
        """Whether a trace is recorded: every process gets the same answer."""
        asked = self._tracing.sampler.should_sample(Context(), context.trace_id, SERVICE)
        return asked.decision.is_sampled()

    def flush(self) -> None:
        """Put into the spool what was recorded so far."""
        self._tracing.force_flush()

    def stop(self) -> None:
        """Put the rest into the spool, and send it if the collector answers. Does so once."""
        if self._stopping.acquire(blocking=False):
            self._tracing.shutdown()
            self._sender.stop(LAST_SECONDS)


def resource() -> Resource:
    """OpenTelemetry's resource of the environment; it is of the service `SERVICE`, and of the
    settings' environment and project, unless it names others."""
    given = variables_of((PREFIX,))
    own = {
        SERVICE_NAME: SERVICE,
        "deployment.environment.name": given.get(f"{PREFIX}ENV", ""),
        "service.namespace": given.get(f"{PREFIX}PROJECT", ""),
        "data_platform.virtual_environment": given.get(f"{PREFIX}VIRTUAL_ENVIRONMENT", ""),
    }
    named = OTELResourceDetector().detect().attributes
    return Resource.create({k: v for k, v in own.items() if v and k not in named})


def spooled(sender: Sender) -> requests.Session:
    """A session whose requests go to the sender's spool."""
    session, adapter = requests.Session(), SpoolAdapter(sender)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session
