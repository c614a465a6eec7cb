"""OTLP trace requests as `SpanRecord`s: protobuf and JSON. Pure. Source: opentelemetry-proto 1.9, OTLP 1.8.

JSON is read by hand: ids are hex there, 64-bit numbers may be text, and what is not known is passed over.
A span whose ids cannot be used is counted, and does not keep the others back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from greenflash_otel.spans import Attributes, AttributeValue, SpanEvent, SpanRecord, Status

MAX_DEPTH = 64
"""Of nested values; what lies deeper is left out."""
STATUS: Mapping[int, Status] = {1: "ok", 2: "error"}
STATUS_NAMES: Mapping[str, int] = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
TRACE_ID, SPAN_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spans:
    """What a request holds."""

    records: tuple[SpanRecord, ...]
    rejected: int = 0
    """Spans that nobody could ever take."""


Read: TypeAlias = Callable[[bytes], Spans]
"""Reads a request; raises ValueError if it is none."""


def read_protobuf(body: bytes) -> Spans:
    """The spans of a protobuf request. Raises ValueError if it is none."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise ValueError(f"not an ExportTraceServiceRequest: {error}") from None
    return _sorted_out(
        _record(
            _FromProtobuf(span),
            resource=_attributes(resource_spans.resource.attributes),
            scope=scope_spans.scope.name,
        )
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    )


def read_json(body: bytes) -> Spans:
    """The spans of a JSON request. Raises ValueError if it is none."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise ValueError("not an ExportTraceServiceRequest: no object")
    return _sorted_out(
        _record(
            _FromJson(span),
            resource=_json_attributes(_object(resource_spans.get("resource")).get("attributes")),
            scope=_text(_object(scope_spans.get("scope")).get("name")),
        )
        for resource_spans in _objects(request.get("resourceSpans"))
        for scope_spans in _objects(resource_spans.get("scopeSpans"))
        for span in _objects(scope_spans.get("spans"))
    )


def write_response(rejected: int, message: str, *, as_json: bool) -> bytes:
    """The answer to a request that was taken, in its encoding."""
    response = ExportTraceServiceResponse()
    if rejected or message:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    if not as_json:
        return bytes(response.SerializeToString())
    partial = {"rejectedSpans": str(rejected), "errorMessage": message}
    return json.dumps({"partialSuccess": partial} if rejected or message else {}).encode()


def write_status(code: int, message: str, *, as_json: bool) -> bytes:
    """A ``google.rpc.Status``, the body of every other answer."""
    if as_json:
        return json.dumps({"code": code, "message": message}).encode()
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


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
        return _attributes(self._span.attributes)

    def events(self) -> Iterator[SpanEvent]:
        for event in self._span.events:
            yield SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))


class _FromJson:
    """A span as JSON has it."""

    def __init__(self, span: Object) -> None:
        self._span = span

    def ids(self) -> tuple[str, str, str]:
        names = ("traceId", "spanId", "parentSpanId")
        trace_id, span_id, parent_id = (_text(self._span.get(name)).lower() for name in names)
        return trace_id, span_id, parent_id

    def name(self) -> str:
        return _text(self._span.get("name"))

    def times_ns(self) -> tuple[int, int]:
        return _number(self._span.get("startTimeUnixNano")), _number(self._span.get("endTimeUnixNano"))

    def status(self) -> tuple[int, str]:
        status = _object(self._span.get("status"))
        code = status.get("code")
        named = STATUS_NAMES.get(code, 0) if isinstance(code, str) else _number(code)
        return named, _text(status.get("message"))

    def attributes(self) -> Attributes:
        return _json_attributes(self._span.get("attributes"))

    def events(self) -> Iterator[SpanEvent]:
        for event in _objects(self._span.get("events")):
            at_ns = _number(event.get("timeUnixNano"))
            yield SpanEvent(_text(event.get("name")), at_ns, _json_attributes(event.get("attributes")))


def _attributes(pairs: Iterable[Any], depth: int = 0) -> dict[str, AttributeValue]:
    return {pair.key: _value(pair.value, depth) for pair in pairs}


def _value(value: Any, depth: int) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind is None or depth > MAX_DEPTH:
        return None
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values, depth + 1)
    plain: AttributeValue = getattr(value, kind)
    return plain


def _json_attributes(pairs: object, depth: int = 0) -> dict[str, AttributeValue]:
    return {_text(pair.get("key")): _json_value(pair.get("value"), depth) for pair in _objects(pairs)}


def _json_value(value: object, depth: int) -> AttributeValue:
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return None
    for kind, content in value.items():
        if kind == "intValue":
            return _number(content)
        if kind == "arrayValue":
            return [_json_value(item, depth + 1) for item in _list(_object(content).get("values"))]
        if kind == "kvlistValue":
            return _json_attributes(_object(content).get("values"), depth + 1)
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            plain: AttributeValue = content
            return plain
    return None


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> Iterator[Object]:
    return (item for item in _list(value) if isinstance(item, dict))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    try:
        return int(value) if isinstance(value, (int, str)) else 0
    except ValueError:
        return 0
