"""Valid requests of OTLP of which one record is mutated: nothing raises, and every other record arrives as it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.gateway import otlp, otlp_logs
from tests.gateway.test_logs import TRACE
from tests.gateway.wire import attribute, field, request, span

NAMES = ("first", "second", "third")
ATTRIBUTES = [
    {"key": "gen_ai.input.messages", "value": {"stringValue": '[{"role":"user"}]'}},
    {"key": "n", "value": {"intValue": "7"}},
    {"key": "l", "value": {"arrayValue": {"values": [{"doubleValue": 1.5}, {"boolValue": True}]}}},
    {"key": "m", "value": {"kvlistValue": {"values": [{"key": "b", "value": {"bytesValue": "aGk="}}]}}},
]
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["9" * 30, "NaN", "\x00", "ab" * 16, "[1,", '{"a": [1]}', "\ud83d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
"""What a sender may put anywhere."""


def span_of(number: int) -> dict[str, Any]:
    """A span with everything."""
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": "ef" * 8,
        "name": NAMES[number - 1],
        "kind": 1,
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "6",
        "attributes": copy.deepcopy(ATTRIBUTES),
        "events": [{"name": "e", "timeUnixNano": "5", "attributes": copy.deepcopy(ATTRIBUTES)}],
        "status": {"code": 2, "message": "failed"},
    }


def log_of(number: int) -> dict[str, Any]:
    """A log record with everything."""
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "timeUnixNano": "5",
        "eventName": NAMES[number - 1],
        "body": copy.deepcopy(ATTRIBUTES[3]["value"]),
        "attributes": copy.deepcopy(ATTRIBUTES),
    }


def spans_in(records: list[Any]) -> bytes:
    """A request of spans."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": records}]}]}).encode()


def logs_in(records: list[Any]) -> bytes:
    """A request of log records."""
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


Kind = tuple[Callable[[int], dict[str, Any]], Callable[[list[Any]], bytes], Callable[[bytes], Any]]
KINDS: dict[str, Kind] = {
    "spans": (span_of, spans_in, otlp.read_json),
    "log records": (log_of, logs_in, otlp_logs.read_json),
}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a record something can be changed."""
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*way, key)
        if isinstance(entry, (dict, list)):
            yield from places(entry, (*way, key))


def mutate(data: st.DataObject, record: dict[str, Any]) -> Any:
    """Up to three changes: another value, a field that is missing, one that nobody knows, another record altogether."""
    for _ in range(data.draw(st.integers(1, 3))):
        found = list(places(record))
        if not found:
            break
        *way, last = data.draw(st.sampled_from(found))
        inner: Any = record
        for key in way:
            inner = inner[key]
        change = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            inner[last] = data.draw(ODD)
        elif change == "remove":
            del inner[last]
        elif isinstance(inner, dict):
            inner[data.draw(st.text(max_size=6))] = data.draw(ODD)
    return data.draw(st.just(record) | ODD)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_json_with_one_record_mutated(kind: str, data: st.DataObject) -> None:
    """The two others are read as if they were alone; the mutated one is read, repaired or counted."""
    made, put, read = KINDS[kind]
    good = read(put([made(1), made(3)])).records
    found = read(put([made(1), mutate(data, made(2)), made(3)]))
    assert (found.records[0], found.records[-1]) == good
    assert len(found.records) + sum(found.rejected.values()) + found.unused <= 3
    for record in found.records:
        json.dumps([record.attributes, getattr(record, "body", None)], allow_nan=False)


CONTENT = b"".join(
    [
        attribute(b"gen_ai.input.messages", field(1, b'[{"role":"user"}]')),
        attribute(b"l", field(5, field(1, field(1, b"x")))),
        attribute(b"m", field(6, field(1, field(1, b"b") + field(2, field(7, b"\xff"))))),
        field(5, b"second"),
        field(11, field(2, b"e") + field(3, field(1, b"k") + field(2, field(1, b"v")))),
        field(15, field(2, b"failed")),
    ]
)


def log(content: bytes, number: int) -> bytes:
    """A log record with ids."""
    return field(9, b"\xab" * 16) + field(10, number.to_bytes(8, "big")) + content


LOG_CONTENT = b"".join(
    [
        field(5, field(6, field(1, field(1, b"content") + field(2, field(1, b"hi"))))),
        field(6, field(1, b"k") + field(2, field(5, field(1, field(1, b"x"))))),
        field(12, b"second"),
    ]
)
IN_PROTOBUF: dict[str, tuple[Callable[[bytes, int], bytes], bytes, Callable[[bytes], Any]]] = {
    "spans": (lambda content, number: span(content, number=number), CONTENT, otlp.read_protobuf),
    "log records": (log, LOG_CONTENT, otlp_logs.read_protobuf),
}


@pytest.mark.parametrize("kind", IN_PROTOBUF)
@given(data=st.data())
def test_protobuf_with_one_record_mutated(kind: str, data: st.DataObject) -> None:
    """Likewise, whichever bytes within the record are others, too few or too many."""
    made, content, read = IN_PROTOBUF[kind]
    bad = bytearray(made(content, 2))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bad)))
        bad[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    good = read(request(made(b"", 1), made(b"", 3))).records
    found = read(request(made(b"", 1), bytes(bad), made(b"", 3)))
    assert (found.records[0], found.records[-1]) == good
    assert len(found.records) + sum(found.rejected.values()) + found.unused == 3
    for record in found.records:
        json.dumps([record.attributes, getattr(record, "body", None)], allow_nan=False)
