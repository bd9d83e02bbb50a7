"""Incidents as OTLP log records, which SigNoz and others alert on.

Encoded with OpenTelemetry's own messages: its SDK for logs is not stable yet.
"""

import datetime as dt
from collections.abc import Mapping

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import (
    SEVERITY_NUMBER_ERROR,
    SEVERITY_NUMBER_INFO,
    SEVERITY_NUMBER_WARN,
    LogRecord,
    ResourceLogs,
    ScopeLogs,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from data_platform.telemetry.ids import trace_of
from data_platform.telemetry.incidents import Event, Incident, Severity

_SEVERITIES = {
    Severity.ERROR: (SEVERITY_NUMBER_ERROR, "ERROR"),
    Severity.WARNING: (SEVERITY_NUMBER_WARN, "WARN"),
}
_PREFIX = "data_platform.incident."


def request(
    event: Event, incident: Incident, at: dt.datetime, resource: Mapping[str, object]
) -> bytes:
    """The serialized request with the record of an event; of the severity of its incident, or for
    information when it is closed."""
    number, text = _SEVERITIES[incident.severity]
    if event is Event.CLOSED:
        number, text = SEVERITY_NUMBER_INFO, "INFO"
    moment = int(at.timestamp() * 10**9)
    record = LogRecord(
        time_unix_nano=moment,
        observed_time_unix_nano=moment,
        severity_number=number,
        severity_text=text,
        event_name=f"data_platform.incident.{event}",
        body=AnyValue(string_value=f"{event}: {incident.title}"),
        attributes=_pairs(
            {
                _PREFIX + name: value
                for name, value in {
                    "number": incident.number,
                    "kind": str(incident.kind),
                    "subject": incident.subject,
                    "rule": incident.rule,
                    "owner": incident.owner,
                    "partitions": incident.partitions,
                    "look": incident.look,
                    "do": incident.mend,
                    "run": incident.run,
                }.items()
                if value != ""
            }
        ),
        trace_id=bytes.fromhex(trace_of(incident.run)) if incident.run else b"",
    )
    scope = ScopeLogs(scope=InstrumentationScope(name="data_platform"), log_records=[record])
    of = ResourceLogs(resource=Resource(attributes=_pairs(resource)), scope_logs=[scope])
    return ExportLogsServiceRequest(resource_logs=[of]).SerializeToString()


def _pairs(values: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(string_value=str(value))
