"""OTLP log requests as log records, and what becomes of them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from greenflash_otel.gateway import otlp_logs
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.model.telemetry import LogRecord
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.testing import Emulator
from tests.gateway.test_gateway import JSON as AS_JSON
from tests.gateway.test_gateway import attributes
from tests.gateway.test_otlp import JSON, in_json

TRACE, SPAN = "ab" * 16, "cd" * 8
RECORD = LogRecord(
    TRACE, SPAN, "gen_ai.user.message", 7, {"content": "hi"}, {"a": 1}, "scope", {"service.name": "shop"}
)


def in_protobuf(**fields: Any) -> bytes:
    """A request with one log record."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="shop")))
    scope = resource.scope_logs.add()
    scope.scope.name = "scope"
    record = scope.log_records.add(**fields)
    record.body.kvlist_value.values.add(key="content", value=AnyValue(string_value="hi"))
    record.attributes.append(KeyValue(key="a", value=AnyValue(int_value=1)))
    return request.SerializeToString()


def logs_in_json(**fields: Any) -> bytes:
    """The same in JSON."""
    content = {"key": "content", "value": {"stringValue": "hi"}}
    record = {
        "traceId": TRACE.upper(),
        "spanId": SPAN,
        "body": {"kvlistValue": {"values": [content]}},
        "attributes": attributes({"a": 1}),
        **fields,
    }
    scope = {"scope": {"name": "scope"}, "logRecords": [record]}
    resource = {"attributes": attributes({"service.name": "shop"})}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}).encode()


IDS = {"trace_id": bytes.fromhex(TRACE), "span_id": bytes.fromhex(SPAN)}


def test_protobuf() -> None:
    """All of a record; the time it was observed stands for one it does not have."""
    whole = in_protobuf(**IDS, event_name="gen_ai.user.message", time_unix_nano=7)
    assert otlp_logs.read_protobuf(whole) == otlp_logs.Logs((RECORD,))
    observed = in_protobuf(**IDS, event_name="gen_ai.user.message", observed_time_unix_nano=7)
    assert otlp_logs.read_protobuf(observed) == otlp_logs.Logs((RECORD,))


def test_json() -> None:
    """Likewise."""
    assert otlp_logs.read_json(logs_in_json(eventName="gen_ai.user.message", timeUnixNano="7")).records == (
        RECORD,
    )
    named = [*attributes({"a": 1, "event.name": "gen_ai.user.message"})]
    (record,) = otlp_logs.read_json(logs_in_json(attributes=named, observedTimeUnixNano=7)).records
    assert (record.event_name, record.time_ns) == ("gen_ai.user.message", 7)


def test_of_no_span() -> None:
    """It tells nothing."""
    assert otlp_logs.read_protobuf(in_protobuf()) == otlp_logs.Logs((), unused=1)
    assert otlp_logs.read_json(logs_in_json(spanId="")) == otlp_logs.Logs((), unused=1)


@given(st.binary(max_size=50))
def test_anything_as_protobuf(body: bytes) -> None:
    """It is a request, or it is refused with a word."""
    try:
        otlp_logs.read_protobuf(body)
    except ValueError as error:
        assert "ExportLogsServiceRequest" in str(error)


@given(JSON)
def test_anything_as_json(request: object) -> None:
    """Whatever stands where something else should be is passed over."""
    body = json.dumps(request).encode()
    if isinstance(request, dict):
        assert otlp_logs.read_json(body).records == ()
    else:
        with pytest.raises(ValueError, match="no object"):
            otlp_logs.read_json(body)


def message(role: str, text: str) -> bytes:
    """A log record as instrumentations of version 1.28 of the conventions emit it."""
    body = {"kvlistValue": {"values": attributes({"content": text})}}
    return logs_in_json(eventName=f"gen_ai.{role}.message", body=body, timeUnixNano="5")


CALL = attributes({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.conversation.id": "c"})


@pytest.mark.parametrize("order", [("logs", "traces"), ("traces", "logs")])
def test_what_was_said_comes_apart_from_its_span(
    order: tuple[str, str],
    gateway: Gateway,
    pipeline: Pipeline,
    greenflash_emulator: Emulator,
) -> None:
    """In requests of their own, in either order, they become a message."""
    bodies = {"logs": message("user", "Hi!"), "traces": in_json(attributes=CALL)}
    for signal in order:
        httpx.post(f"{gateway.url}/v1/{signal}", content=bodies[signal], headers=AS_JSON).raise_for_status()
    assert pipeline.flush(10)
    assert [message.content for message in greenflash_emulator.conversation("c").messages] == ["Hi!"]
