"""OTLP trace requests as `SpanRecord`s: protobuf and JSON. Pure. Source: opentelemetry-proto 1.9, OTLP 1.8.

JSON is read by hand: ids are hex there, 64-bit numbers may be text, and what is not known is passed over.
A span that cannot be used is counted, and does not keep the others back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.limits import ContentLimits
from greenflash_otel.gateway.otlp_request import (
    LAST_NS,
    Layout,
    Times,
    UnusableIdsError,
    read_json_request,
    read_protobuf_request,
)
from greenflash_otel.gateway.otlp_values import (
    SPAN_ID,
    Object,
    OtlpRequest,
    has_usable_ids,
    iterate_objects,
    json_attributes_of,
    read_attributes,
    read_number,
    read_object,
    read_text,
)
from greenflash_otel.model.telemetry import Attributes, SpanEvent, SpanRecord, Status

STATUS: Mapping[int, Status] = {1: "ok", 2: "error"}
STATUS_NAMES: Mapping[str, int] = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}

Spans: TypeAlias = OtlpRequest[SpanRecord]
Read: TypeAlias = Callable[[Content, ContentLimits, int], Spans]
"""Reads a request; raises ValueError if it is none."""


def read_protobuf(body: Content, limits: ContentLimits = ContentLimits(), now_ns: int = LAST_NS) -> Spans:  # noqa: B008 - frozen
    """Return the spans of a protobuf request. Raises ValueError if it is none."""
    return read_protobuf_request(body, LAYOUT, limits, now_ns)


def read_json(body: Content, limits: ContentLimits = ContentLimits(), now_ns: int = LAST_NS) -> Spans:  # noqa: B008 - frozen
    """Return the spans of a JSON request. Raises ValueError if it is none."""
    return read_json_request(body, LAYOUT, limits, now_ns)


def _record(span: _FromProtobuf | _FromJson, *, resource: Attributes, scope: str, times: Times) -> SpanRecord:
    trace_id, span_id, parent_id = span.read_ids()
    if not has_usable_ids(trace_id, span_id):
        raise UnusableIdsError
    start_ns, end_ns = map(times.clamp, span.read_times_ns())
    code, description = span.read_status()
    return SpanRecord(
        trace_id=trace_id,
        span_id=span_id,
        name=span.read_name(),
        start_ns=start_ns,
        end_ns=end_ns or start_ns,
        parent_span_id=parent_id if SPAN_ID.fullmatch(parent_id) else None,
        attributes=span.read_attributes(),
        events=tuple(
            SpanEvent(name, times.clamp(time_ns), attributes)
            for name, time_ns, attributes in span.read_events()
        ),
        status=STATUS.get(code, "unset"),
        status_description=description or None,
        scope=scope,
        resource=resource,
    )


class _FromProtobuf:
    """A span as protobuf has it."""

    def __init__(self, span: Any) -> None:  # the generated classes have no types
        self._span = span

    def read_ids(self) -> tuple[str, str, str]:
        return self._span.trace_id.hex(), self._span.span_id.hex(), self._span.parent_span_id.hex()

    def read_name(self) -> str:
        return str(self._span.name)

    def read_times_ns(self) -> tuple[int, int]:
        return self._span.start_time_unix_nano, self._span.end_time_unix_nano

    def read_status(self) -> tuple[int, str]:
        return self._span.status.code, self._span.status.message

    def read_attributes(self) -> Attributes:
        return read_attributes(self._span.attributes)

    def read_events(self) -> Iterator[tuple[str, int, Attributes]]:
        for event in self._span.events:
            yield event.name, event.time_unix_nano, read_attributes(event.attributes)


class _FromJson:
    """A span as JSON has it."""

    def __init__(self, span: Object) -> None:
        self._span = span

    def read_ids(self) -> tuple[str, str, str]:
        names = ("traceId", "spanId", "parentSpanId")
        trace_id, span_id, parent_id = (read_text(self._span.get(name)).lower() for name in names)
        return trace_id, span_id, parent_id

    def read_name(self) -> str:
        return read_text(self._span.get("name"))

    def read_times_ns(self) -> tuple[int, int]:
        return read_number(self._span.get("startTimeUnixNano")), read_number(
            self._span.get("endTimeUnixNano")
        )

    def read_status(self) -> tuple[int, str]:
        status = read_object(self._span.get("status"))
        code = status.get("code")
        named = STATUS_NAMES.get(code, 0) if isinstance(code, str) else read_number(code)
        return named, read_text(status.get("message"))

    def read_attributes(self) -> Attributes:
        return json_attributes_of(self._span.get("attributes"))

    def read_events(self) -> Iterator[tuple[str, int, Attributes]]:
        for event in iterate_objects(self._span.get("events")):
            time_ns = read_number(event.get("timeUnixNano"))
            yield read_text(event.get("name")), time_ns, json_attributes_of(event.get("attributes"))


LAYOUT: Layout[SpanRecord] = Layout(
    "ExportTraceServiceRequest",
    Span,
    "resourceSpans",
    "scopeSpans",
    "spans",
    lambda span, scope, resource, times: _record(
        _FromProtobuf(span), resource=resource, scope=scope, times=times
    ),
    lambda span, scope, resource, times: _record(
        _FromJson(span), resource=resource, scope=scope, times=times
    ),
)
