"""OTLP log requests as `LogRecord`s: protobuf and JSON. Pure. Source: opentelemetry-proto 1.9.

A log record that belongs to no span is counted and passed over, unless it is an operation of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

from opentelemetry.proto.logs.v1 import logs_pb2

from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.limits import ContentLimits
from greenflash_otel.gateway.otlp_request import (
    LAST_NS,
    Layout,
    Times,
    read_json_request,
    read_protobuf_request,
)
from greenflash_otel.gateway.otlp_values import (
    Object,
    OtlpRequest,
    has_usable_ids,
    json_attributes_of,
    json_value_of,
    read_attributes,
    read_number,
    read_text,
    read_value,
)
from greenflash_otel.model.telemetry import Attributes, LogRecord
from greenflash_otel.semconv.conventions.agent_events import span_of_event

Logs: TypeAlias = OtlpRequest[LogRecord]


def read_protobuf(body: Content, limits: ContentLimits = ContentLimits(), now_ns: int = LAST_NS) -> Logs:  # noqa: B008 - frozen
    """Return the log records of a protobuf request. Raises ValueError if it is none."""
    return read_protobuf_request(body, LAYOUT, limits, now_ns)


def read_json(body: Content, limits: ContentLimits = ContentLimits(), now_ns: int = LAST_NS) -> Logs:  # noqa: B008 - frozen
    """Return the log records of a JSON request. Raises ValueError if it is none."""
    return read_json_request(body, LAYOUT, limits, now_ns)


def _read_protobuf_record(record: Any, scope: str, resource: Attributes, times: Times) -> LogRecord | None:
    attributes = read_attributes(record.attributes)
    log = LogRecord(
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        event_name=record.event_name or read_text(attributes.get("event.name")),
        time_ns=times.clamp(record.time_unix_nano or record.observed_time_unix_nano),
        body=read_value(record.body),
        attributes=attributes,
        scope=scope,
        resource=resource,
    )
    return _choose_usable(log)


def _choose_usable(log: LogRecord) -> LogRecord | None:
    """Return a log record of a span, or one that is an operation of its own; None for any other."""
    if has_usable_ids(log.trace_id, log.span_id):
        return log
    event = span_of_event(log)
    return replace(log, trace_id=event.trace_id, span_id=event.span_id) if event else None


def _read_json_record(record: Object, scope: str, resource: Attributes, times: Times) -> LogRecord | None:
    trace_id, span_id = read_text(record.get("traceId")).lower(), read_text(record.get("spanId")).lower()
    attributes = json_attributes_of(record.get("attributes"))
    time_ns = read_number(record.get("timeUnixNano")) or read_number(record.get("observedTimeUnixNano"))
    log = LogRecord(
        trace_id=trace_id,
        span_id=span_id,
        event_name=read_text(record.get("eventName")) or read_text(attributes.get("event.name")),
        time_ns=times.clamp(time_ns),
        body=json_value_of(record.get("body")),
        attributes=attributes,
        scope=scope,
        resource=resource,
    )
    return _choose_usable(log)


LAYOUT: Layout[LogRecord] = Layout(
    "ExportLogsServiceRequest",
    logs_pb2.LogRecord,
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    _read_protobuf_record,
    _read_json_record,
)
