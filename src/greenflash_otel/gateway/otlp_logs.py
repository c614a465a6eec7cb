"""OTLP log requests as `LogRecord`s: protobuf and JSON. Pure. Source: opentelemetry-proto 1.9.

A log record that belongs to no span tells nothing of a conversation: it is counted, and passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from greenflash_otel.gateway.otlp import SPAN_ID, TRACE_ID
from greenflash_otel.gateway.otlp_values import (
    Object,
    Request,
    attributes_of,
    json_attributes_of,
    json_request,
    json_value_of,
    number_of,
    object_of,
    objects,
    protobuf_request,
    text_of,
    value_of,
)
from greenflash_otel.model.telemetry import Attributes, LogRecord

Logs: TypeAlias = Request[LogRecord]


def read_protobuf(body: bytes) -> Logs:
    """The log records of a protobuf request. Raises ValueError if it is none."""
    request = protobuf_request(body, ExportLogsServiceRequest)
    return _sorted_out(
        _from_protobuf(record, scope_logs.scope.name, attributes_of(resource_logs.resource.attributes))
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    )


def read_json(body: bytes) -> Logs:
    """The log records of a JSON request. Raises ValueError if it is none."""
    request = json_request(body, "ExportLogsServiceRequest")
    return _sorted_out(
        _from_json(
            record,
            text_of(object_of(scope_logs.get("scope")).get("name")),
            json_attributes_of(object_of(resource_logs.get("resource")).get("attributes")),
        )
        for resource_logs in objects(request.get("resourceLogs"))
        for scope_logs in objects(resource_logs.get("scopeLogs"))
        for record in objects(scope_logs.get("logRecords"))
    )


def _sorted_out(records: Iterable[LogRecord]) -> Logs:
    found = tuple(records)
    kept = tuple(one for one in found if TRACE_ID.fullmatch(one.trace_id) and SPAN_ID.fullmatch(one.span_id))
    return Logs(kept, unused=len(found) - len(kept))


def _from_protobuf(record: Any, scope: str, resource: Attributes) -> LogRecord:  # has no types
    attributes = attributes_of(record.attributes)
    return LogRecord(
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        event_name=record.event_name or text_of(attributes.get("event.name")),
        time_ns=record.time_unix_nano or record.observed_time_unix_nano,
        body=value_of(record.body),
        attributes=attributes,
        scope=scope,
        resource=resource,
    )


def _from_json(record: Object, scope: str, resource: Attributes) -> LogRecord:
    attributes = json_attributes_of(record.get("attributes"))
    time_ns = number_of(record.get("timeUnixNano")) or number_of(record.get("observedTimeUnixNano"))
    return LogRecord(
        trace_id=text_of(record.get("traceId")).lower(),
        span_id=text_of(record.get("spanId")).lower(),
        event_name=text_of(record.get("eventName")) or text_of(attributes.get("event.name")),
        time_ns=time_ns,
        body=json_value_of(record.get("body")),
        attributes=attributes,
        scope=scope,
        resource=resource,
    )
