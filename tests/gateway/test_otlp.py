"""OTLP requests as span records: what the SDK's own encoder writes, and what other senders do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from greenflash_otel.exporter import record_of
from greenflash_otel.gateway import otlp
from greenflash_otel.gateway.otlp_values import MAX_DEPTH, UNUSABLE_IDS
from greenflash_otel.gateway.responses import UNAVAILABLE, write_status
from greenflash_otel.model.telemetry import SpanEvent, SpanRecord

rpc: Any = status_pb2  # has no types
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["a", "gen_ai.operation.name", "ключ"]),
    st.one_of(
        st.text(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.text()),
    ),
)


def made(attributes: dict[str, Any], *, fails: bool = False) -> list[ReadableSpan]:
    """A span and its child, as the SDK makes them."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope")
    with tracer.start_as_current_span("outer", attributes=attributes) as outer:
        outer.add_event("said", {"b": 1})
        with tracer.start_as_current_span("inner") as inner:
            inner.set_status(Status(StatusCode.ERROR, "went wrong") if fails else Status(StatusCode.OK))
    return list(exporter.get_finished_spans())


def plain(record: SpanRecord) -> SpanRecord:
    """With mappings and sequences that compare."""
    events = tuple(SpanEvent(event.name, event.time_ns, _plain(event.attributes)) for event in record.events)
    attributes, resource = _plain(record.attributes), _plain(record.resource)
    return replace(record, attributes=attributes, events=events, resource=resource)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if hasattr(value, "items") else value


@given(ATTRIBUTES, st.booleans())
def test_protobuf_of_the_sdk(attributes: dict[str, Any], fails: bool) -> None:
    """A span that went over the wire is the span that was recorded."""
    spans = made(attributes, fails=fails)
    body = encode_spans(spans).SerializeToString()
    assert [plain(record) for record in otlp.read_protobuf(body).records] == [
        plain(record_of(span)) for span in spans
    ]


def in_json(**fields: Any) -> bytes:
    """A JSON request with one span."""
    span = {"traceId": "AB" * 16, "spanId": "cd" * 8, "name": "chat", **fields}
    scope = {"scope": {"name": "js"}, "spans": [span]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()


def test_json() -> None:
    """Ids in any case, numbers as text, nested values, unknown fields."""
    text = {"stringValue": "y"}
    values = [{"intValue": "7"}, {"intValue": 8}, {"boolValue": True}, {"doubleValue": 0.5}, {}]
    body = in_json(
        parentSpanId="",
        startTimeUnixNano="1700000000000000000",
        endTimeUnixNano=1700000000000000001,
        status={"code": "STATUS_CODE_ERROR", "message": "no"},
        attributes=[
            {"key": "list", "value": {"arrayValue": {"values": values}}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "x", "value": text}]}}},
        ],
        events=[{"name": "said", "timeUnixNano": "5", "attributes": []}],
        never="heard of",
    )
    assert otlp.read_json(body).records == (
        SpanRecord(
            "ab" * 16,
            "cd" * 8,
            "chat",
            1700000000000000000,
            1700000000000000001,
            attributes={"list": [7, 8, True, 0.5, None], "map": {"x": "y"}},
            events=(SpanEvent("said", 5),),
            status="error",
            status_description="no",
            scope="js",
            resource={"service.name": "shop"},
        ),
    )


@pytest.mark.parametrize(
    "fields", [{"traceId": "12"}, {"spanId": "zz" * 8}, {"spanId": None}, {"traceId": "0"}]
)
def test_a_span_without_usable_ids(fields: dict[str, Any]) -> None:
    """It is counted; nobody can ever take it."""
    assert otlp.read_json(in_json(**fields)) == otlp.Spans((), {UNUSABLE_IDS: 1})


@given(st.binary(max_size=50))
def test_anything_as_protobuf(body: bytes) -> None:
    """It is a request, or it is refused with a word."""
    try:
        otlp.read_protobuf(body)
    except ValueError as error:
        assert "ExportTraceServiceRequest" in str(error)


NAMES = ["resourceSpans", "scopeSpans", "spans", "attributes", "value", "key", "resource"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "scopeSpans", "spans", "attributes", "value", "key", "resource"]
            ),
            inner,
        )
    ),
)


@given(JSON)
def test_anything_as_json(request: object) -> None:
    """Whatever stands where something else should be is passed over."""
    body = json.dumps(request).encode()
    if isinstance(request, dict):
        assert otlp.read_json(body).records == ()
    else:
        with pytest.raises(ValueError, match="no object"):
            otlp.read_json(body)


def test_values_nested_deeply() -> None:
    """What lies too deep is left out; the rest is taken."""
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(MAX_DEPTH + 10):
        value = {"arrayValue": {"values": [value]}}
    (record,) = otlp.read_json(in_json(attributes=[{"key": "a", "value": value}])).records
    assert str(record.attributes["a"]).count("[") == MAX_DEPTH + 1


def test_a_status_in_protobuf() -> None:
    """As protobuf's own library reads it."""
    status = rpc.Status.FromString(write_status(UNAVAILABLE, "нет" * 100))
    assert (status.code, status.message) == (14, "нет" * 100)
