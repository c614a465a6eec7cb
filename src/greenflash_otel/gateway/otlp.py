"""OTLP trace requests as `SpanRecord`s: protobuf and JSON. Pure. Source: opentelemetry-proto 1.9, OTLP 1.8.

JSON is read by hand: ids are hex there, 64-bit numbers may be text, and what is not known is passed over.
A span whose ids cannot be used is counted, and does not keep the others back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from greenflash_otel.gateway.otlp_values import (
    Object,
    Request,
    attributes_of,
    json_attributes_of,
    json_request,
    number_of,
    object_of,
    objects,
    protobuf_request,
    text_of,
)
from greenflash_otel.model.telemetry import Attributes, SpanEvent, SpanRecord, Status

STATUS: Mapping[int, Status] = {1: "ok", 2: "error"}
STATUS_NAMES: Mapping[str, int] = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
TRACE_ID, SPAN_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")


Spans: TypeAlias = Request[SpanRecord]
Read: TypeAlias = Callable[[bytes], Spans]
"""Reads a request; raises ValueError if it is none."""


def read_protobuf(body: bytes) -> Spans:
    """The spans of a protobuf request. Raises ValueError if it is none."""
    request = protobuf_request(body, ExportTraceServiceRequest)
    return _sorted_out(
        _record(
            _FromProtobuf(span),
            resource=attributes_of(resource_spans.resource.attributes),
            scope=scope_spans.scope.name,
        )
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    )


def read_json(body: bytes) -> Spans:
    """The spans of a JSON request. Raises ValueError if it is none."""
    request = json_request(body, "ExportTraceServiceRequest")
    return _sorted_out(
        _record(
            _FromJson(span),
            resource=json_attributes_of(object_of(resource_spans.get("resource")).get("attributes")),
            scope=text_of(object_of(scope_spans.get("scope")).get("name")),
        )
        for resource_spans in objects(request.get("resourceSpans"))
        for scope_spans in objects(resource_spans.get("scopeSpans"))
        for span in objects(scope_spans.get("spans"))
    )


def _sorted_out(records: Iterable[SpanRecord | None]) -> Spans:
    found = tuple(records)
    kept = tuple(record for record in found if record is not None)
    return Spans(kept, len(found) - len(kept))


def _record(span: _FromProtobuf | _FromJson, *, resource: Attributes, scope: str) -> SpanRecord | None:
    trace_id, span_id, parent_id = span.ids()
    if not TRACE_ID.fullmatch(trace_id) or not SPAN_ID.fullmatch(span_id):
        return None
    start_ns, end_ns = span.times_ns()
    code, description = span.status()
    return SpanRecord(
        trace_id=trace_id,
        span_id=span_id,
        name=span.name(),
        start_ns=start_ns,
        end_ns=end_ns or start_ns,
        parent_span_id=parent_id if SPAN_ID.fullmatch(parent_id) else None,
        attributes=span.attributes(),
        events=tuple(span.events()),
        status=STATUS.get(code, "unset"),
        status_description=description or None,
        scope=scope,
        resource=resource,
    )


class _FromProtobuf:
    """A span as protobuf has it."""

    def __init__(self, span: Any) -> None:  # the generated classes have no types
        self._span = span

    def ids(self) -> tuple[str, str, str]:
        return self._span.trace_id.hex(), self._span.span_id.hex(), self._span.parent_span_id.hex()

    def name(self) -> str:
        return str(self._span.name)

    def times_ns(self) -> tuple[int, int]:
        return self._span.start_time_unix_nano, self._span.end_time_unix_nano

    def status(self) -> tuple[int, str]:
        return self._span.status.code, self._span.status.message

    def attributes(self) -> Attributes:
        return attributes_of(self._span.attributes)

    def events(self) -> Iterator[SpanEvent]:
        for event in self._span.events:
            yield SpanEvent(event.name, event.time_unix_nano, attributes_of(event.attributes))


class _FromJson:
    """A span as JSON has it."""

    def __init__(self, span: Object) -> None:
        self._span = span

    def ids(self) -> tuple[str, str, str]:
        names = ("traceId", "spanId", "parentSpanId")
        trace_id, span_id, parent_id = (text_of(self._span.get(name)).lower() for name in names)
        return trace_id, span_id, parent_id

    def name(self) -> str:
        return text_of(self._span.get("name"))

    def times_ns(self) -> tuple[int, int]:
        return number_of(self._span.get("startTimeUnixNano")), number_of(self._span.get("endTimeUnixNano"))

    def status(self) -> tuple[int, str]:
        status = object_of(self._span.get("status"))
        code = status.get("code")
        named = STATUS_NAMES.get(code, 0) if isinstance(code, str) else number_of(code)
        return named, text_of(status.get("message"))

    def attributes(self) -> Attributes:
        return json_attributes_of(self._span.get("attributes"))

    def events(self) -> Iterator[SpanEvent]:
        for event in objects(self._span.get("events")):
            at_ns = number_of(event.get("timeUnixNano"))
            yield SpanEvent(text_of(event.get("name")), at_ns, json_attributes_of(event.get("attributes")))
