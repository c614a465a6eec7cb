"""Requests are split, counted and repaired on the wire: a bad record costs only itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from greenflash_otel.gateway import otlp, otlp_logs
from greenflash_otel.gateway.json_wire import JsonReader
from greenflash_otel.gateway.limits import ContentLimits, TooLargeError
from greenflash_otel.gateway.otlp_request import DAY_NS
from greenflash_otel.gateway.otlp_values import TOO_LARGE, UNREADABLE, UNUSABLE_IDS
from tests.gateway.test_logs import IDS as LOG_IDS
from tests.gateway.test_logs import TRACE, in_protobuf
from tests.gateway.test_otlp import in_json, made
from tests.gateway.wire import attribute, field, request, span

BAD = b"caf\xc3 \xff"
GOOD = "caf\ufffd \ufffd"
NOW_NS = 1_800_000_000 * 10**9
TEXT = field(1, BAD)
SPANS_WITH_BAD_TEXT = {
    "name": span(field(5, BAD)),
    "trace state": span(field(3, BAD)),
    "attribute": span(attribute(b"k", TEXT)),
    "key": span(attribute(BAD, field(1, b"v"))),
    "element of an array": span(attribute(b"k", field(5, field(1, TEXT)))),
    "value of a map": span(attribute(b"k", field(6, field(1, field(1, b"x") + field(2, TEXT))))),
    "event": span(field(11, field(2, BAD))),
    "link": span(field(13, field(1, b"\xab" * 16) + field(2, b"\xcd" * 8) + field(3, BAD))),
    "status": span(field(15, field(2, BAD))),
}


@pytest.mark.parametrize("name", SPANS_WITH_BAD_TEXT)
def test_a_text_that_is_not_utf8(name: str) -> None:
    """It is repaired alone, wherever it is; the other span is as it was sent."""
    read = otlp.read_protobuf(request(SPANS_WITH_BAD_TEXT[name], span(field(5, b"other"), number=2)))
    assert [record.span_id for record in read.records] == [f"{1:016x}", f"{2:016x}"]
    assert (read.records[1].name, read.repaired, read.rejected) == ("other", 1, {})
    shown = repr(read.records[0])
    assert GOOD in shown or name in ("trace state", "link")  # which nobody reads


def test_a_resource_and_a_scope_that_are_not_utf8() -> None:
    """Spans keep the rest of both."""
    resource = field(1, field(1, b"service.name") + field(2, TEXT)) + field(
        1, field(1, b"greenflash.product_id") + field(2, field(1, b"p"))
    )
    (record,) = otlp.read_protobuf(request(span(), resource=resource, scope=field(1, BAD))).records
    assert (record.resource, record.scope) == (
        {"service.name": GOOD, "greenflash.product_id": "p"},
        GOOD,
    )


def test_a_log_record_that_is_not_utf8() -> None:
    """Likewise."""
    body = in_protobuf(**LOG_IDS, event_name="gen_ai.user.message").replace(b"hi", b"\xff\xff")
    read = otlp_logs.read_protobuf(body)
    assert (read.records[0].body, read.repaired) == ({"content": "\ufffd\ufffd"}, 1)


def test_json_that_is_not_utf8() -> None:
    """Likewise; and halves of characters, which JSON can escape."""
    spans = [{"traceId": TRACE, "spanId": f"{n:016x}", "name": "x"} for n in range(1, 5)]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    for text in (BAD, rb"half \ud83d", rb"whole \ud83d\ude00", rb"escaped \\ud83d"):
        body = body.replace(b'"x"', b'"' + text + b'"', 1)
    read = otlp.read_json(body)
    assert [record.name for record in read.records] == [
        GOOD,
        "half \ufffd",
        "whole \U0001f600",
        "escaped \\ud83d",
    ]
    assert read.repaired == 2


def deep(levels: int) -> bytes:
    """An ``AnyValue`` of arrays within arrays."""
    value = field(1, b"bottom")
    for _ in range(levels):
        value = field(5, field(1, value))
    return value


def test_protobuf_nested_deeply() -> None:
    """What is too deep is cut; the span and the others are taken."""
    read = otlp.read_protobuf(request(span(attribute(b"a", deep(10_000)), field(5, b"deep")), span(number=2)))
    assert ([record.name for record in read.records], read.repaired) == (["deep", ""], 1)


def test_json_nested_deeply() -> None:
    """Likewise, for brackets of either kind."""
    nested = b"[" * 10_000 + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"]" * 10_000
    body = in_json(name="deep", attributes=[{"key": "a", "value": "DEEP"}]).replace(b'"DEEP"', nested)
    read = otlp.read_json(body.replace(b'"service.name"', b'"service.name", "deep": ' + nested))
    assert ([record.name for record in read.records], read.repaired) == (["deep"], 2)


ODD: dict[str, tuple[str, Any]] = {
    "a number of thirty digits": ('{"intValue": "' + "9" * 30 + '"}', "9" * 30),
    "a bare number of thirty digits": ('{"intValue": ' + "9" * 30 + "}", "9" * 30),
    "a number of ten thousand digits": ('{"intValue": ' + "9" * 10_000 + "}", "9" * 40),
    "no number": ('{"doubleValue": NaN}', "NaN"),
    "no number in words": ('{"doubleValue": "NaN"}', "NaN"),
    "an endless number": ('{"doubleValue": 1e999}', "inf"),
    "a number where text belongs": ('{"stringValue": 5}', 5),
    "an object where text belongs": ('{"stringValue": {"a": [1]}}', '{"a": [1]}'),
    "bytes": ('{"bytesValue": "aGk="}', "hi"),
    "bytes that are no base64": ('{"bytesValue": "?"}', "?"),
    "a value twice": ('{"stringValue": "a", "stringValue": "b"}', "b"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values(name: str) -> None:
    """Each costs itself at most, and can be written as JSON again."""
    sent, expected = ODD[name]
    body = in_json(attributes=[{"key": "k", "value": "ODD"}]).replace(b'"ODD"', sent.encode())
    (record,) = otlp.read_json(body).records
    assert record.attributes == {"k": expected}
    json.dumps(record.attributes, allow_nan=False)


def test_times_out_of_range() -> None:
    """One in the far future would let everything that waits expire: the time of receipt stands for it."""
    future, year = "9" * 30, 365 * DAY_NS
    body = in_json(
        startTimeUnixNano=future, endTimeUnixNano=str(NOW_NS + year), events=[{"timeUnixNano": -5}]
    )
    read = otlp.read_json(body, now_ns=NOW_NS)
    (record,) = read.records
    assert (record.start_ns, record.end_ns, record.events[0].time_ns, read.repaired) == (NOW_NS, NOW_NS, 0, 1)
    (soon,) = otlp.read_json(in_json(endTimeUnixNano=str(NOW_NS + 1)), now_ns=NOW_NS).records
    assert soon.end_ns == NOW_NS + 1  # a clock that is a little ahead


BROKEN = {
    "in protobuf": lambda: otlp.read_protobuf(request(span(), b"\x0a\xff", span(number=2))),
    "in JSON": lambda: otlp.read_json(in_json().replace(b'[{"traceId"', b'[{no: json}, {"traceId"')),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_record_that_is_broken_inside(name: str) -> None:
    """It is counted, and costs no other."""
    read = BROKEN[name]()
    assert (len(read.records), read.rejected) == (2 if "protobuf" in name else 1, {UNREADABLE: 1})


def test_a_group_that_is_broken_inside() -> None:
    """Spans without their resource could belong to anybody: they are counted, and not taken."""
    broken = field(1, field(1, b"\x0a\xff") + field(2, field(2, span())))
    read = otlp.read_protobuf(broken + request(span(number=2)))
    assert ([record.span_id for record in read.records], read.rejected) == ([f"{2:016x}"], {UNREADABLE: 1})


SMALL = ContentLimits(max_records=5, max_values=1000, max_record_values=100, max_record_bytes=10_000)
ONE = attribute(b"k", field(1, b"v"))
ELEMENTS = attribute(b"k", field(5, field(1, b"") * 200))
EMPTY: dict[str, Any] = {"traceId": TRACE, "spanId": "cd" * 8}


def in_spans(*spans: Any) -> bytes:
    """A JSON request."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


@pytest.mark.parametrize(
    "large", [field(5, b"x" * 10_000), ONE * 200, ELEMENTS, attribute(b"k", field(6, field(1, b"") * 200))]
)
def test_a_span_with_too_much(large: bytes) -> None:
    """It is rejected alone, counted before it is built."""
    read = otlp.read_protobuf(request(span(large), span(number=2)), SMALL)
    assert ([record.span_id for record in read.records], read.rejected) == ([f"{2:016x}"], {TOO_LARGE: 1})


@pytest.mark.parametrize(
    "large", [{"attributes": [{}] * 600}, {"x": [1] * 600}, {"x": ["a"] * 600}, {"name": "x" * 10_000}]
)
def test_a_json_span_with_too_much(large: dict[str, Any]) -> None:
    """Likewise."""
    read = otlp.read_json(in_spans({**EMPTY, **large}, {**EMPTY, "name": "good"}), SMALL)
    assert ([record.name for record in read.records], read.rejected) == (["good"], {TOO_LARGE: 1})


TOO_LARGE_REQUESTS = {
    "empty spans": request(*[b""] * 6),
    "empty groups": field(1, b"") * 100,
    "empty scopes": field(1, field(2, b"") * 100),
    "many values together": request(*[span(ONE * 49)] * 3) + request(span(ELEMENTS)),
}


@pytest.mark.parametrize("name", TOO_LARGE_REQUESTS)
def test_a_request_with_too_much(name: str) -> None:
    """It is refused as a whole."""
    with pytest.raises(TooLargeError):
        otlp.read_protobuf(TOO_LARGE_REQUESTS[name], replace(SMALL, max_values=300))


@pytest.mark.parametrize(
    "body",
    [in_spans(*[{}] * 6), in_spans(*[{"x": ["a"] * 1200}] * 5), b'{"a":"' + b"x" * (5 << 20) + b'"}'],
)
def test_a_json_request_with_too_much(body: bytes) -> None:
    """Likewise."""
    with pytest.raises(TooLargeError):
        otlp.read_json(body, SMALL)


def test_values_within_the_limits() -> None:
    """Records that are many but small are counted, and taken."""
    limits = replace(SMALL, max_values=20)
    read = otlp.read_protobuf(request(*[span(field(5, b"x" * 60), number=n) for n in (1, 2)]), limits)
    assert len(read.records) == 2


TREE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.lists(st.dictionaries(st.text(), TREE, max_size=4), max_size=5), st.booleans())
def test_json_by_parts_is_json(records: list[dict[str, Any]], is_ascii: bool) -> None:
    """Quotation marks, brackets and backslashes in texts lead nobody astray."""
    sent = {"resourceSpans": [{"scopeSpans": [{"spans": records}], "x": [records]}]}
    reader = JsonReader(json.dumps(sent, ensure_ascii=is_ascii, indent=None).encode(), ContentLimits())
    outer = reader.read_outer()["resourceSpans"][0]
    assert [reader.read_record(number) for number in outer["scopeSpans"][0]["spans"]] == records
    assert outer["x"] == [records]
    assert reader.repaired == 0


@given(st.data())
def test_protobuf_with_any_byte_changed(data: st.DataObject) -> None:
    """It is read in part, or refused with a word; nothing else is raised."""
    body = bytearray(encode_spans(made({"a": "b", "c": [1, 2]})).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = otlp.read_protobuf(bytes(body))
    except ValueError as error:
        assert "ExportTraceServiceRequest" in str(error)
    else:
        assert set(read.rejected) <= {UNREADABLE, UNUSABLE_IDS}
