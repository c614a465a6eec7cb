"""OTLP requests of a few spans or log records, and what arrives of them, in any order of delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from greenflash_otel.gateway import otlp, otlp_logs
from greenflash_otel.ingest.ingest import Ingest
from tests.api.wire import ADDRESS
from tests.fidelity.foreign import Arrived

START_NS = 1_795_990_000_000_000_000
SECOND_NS = 1_000_000_000
Row = tuple[str, str | None, int | None]
"""Type of a message, what it says, and the row it hangs on."""


def any_value(value: Any) -> Mapping[str, Any]:
    """Return a value as OTLP has it in JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [any_value(entry) for entry in value]}}
    return {"stringValue": value}


def pairs(attributes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return attributes as OTLP has them in JSON."""
    return [{"key": name, "value": any_value(value)} for name, value in attributes.items()]


def span(
    number: int,
    attributes: Mapping[str, Any],
    *,
    parent: int = 0,
    begin: int = 0,
    end: int = 9,
    failed: bool = False,
) -> Mapping[str, Any]:
    """Return a span of the one trace that there is."""
    return {
        "traceId": "a" * 32,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "run",
        "startTimeUnixNano": str(START_NS + begin * SECOND_NS),
        "endTimeUnixNano": str(START_NS + end * SECOND_NS),
        "status": {"code": 2, "message": "boom"} if failed else {},
        "attributes": pairs(attributes),
    }


def log(place: int, attributes: Mapping[str, Any], body: str = "") -> Mapping[str, Any]:
    """Return a log record that belongs to no span."""
    at = str(START_NS + place * SECOND_NS)
    return {"timeUnixNano": at, "body": {"stringValue": body}, "attributes": pairs(attributes)}


class Arrivals:
    """An intake, and what came of what it took."""

    def __init__(self) -> None:
        self._arrived = Arrived()
        self.intake = Ingest(self._arrived, ADDRESS)

    def take_spans(self, *spans: Mapping[str, Any], resource: Mapping[str, Any] = {}) -> None:
        """Take one request of spans."""
        scopes = [{"scope": {"name": "example"}, "spans": spans}]
        request = {"resourceSpans": [{"resource": {"attributes": pairs(resource)}, "scopeSpans": scopes}]}
        self.intake.take(otlp.read_json(json.dumps(request).encode()).records)

    def take_logs(self, *logs: Mapping[str, Any], resource: Mapping[str, Any] = {}) -> None:
        """Take one request of log records."""
        scopes = [{"scope": {"name": "example"}, "logRecords": logs}]
        request = {"resourceLogs": [{"resource": {"attributes": pairs(resource)}, "scopeLogs": scopes}]}
        self.intake.take_logs(otlp_logs.read_json(json.dumps(request).encode()).records)

    def finish(self) -> Mapping[str, list[Row]]:
        """Return the rows of each conversation, after all that waited."""
        self.intake.emit_all_waiting()
        found: dict[str, list[Row]] = {}
        places: dict[str, int] = {}
        for id, item in sorted(self._arrived.items, key=lambda item: item[1]["createdAt"]):
            rows = found.setdefault(id, [])
            places[item["externalMessageId"]] = len(rows)
            said = item.get("content") or item.get("toolName") or json.dumps(item.get("output"))
            kind = item.get("messageType") or "?"
            kind = "assistant_message" if kind == "final_response" else kind
            rows.append((kind, said, places.get(item.get("parentExternalMessageId") or "")))
        return found

    @property
    def users(self) -> Mapping[str, str]:
        """User by conversation."""
        return self._arrived.users


def in_any_order(spans: Sequence[Mapping[str, Any]], resource: Mapping[str, Any] = {}) -> list[Arrivals]:
    """Take spans in one request, each alone, each alone backwards, and all twice."""
    together, alone, backwards, twice = Arrivals(), Arrivals(), Arrivals(), Arrivals()
    together.take_spans(*spans, resource=resource)
    for span in sorted(spans, key=lambda found: int(found["endTimeUnixNano"])):
        alone.take_spans(span, resource=resource)
    for span in sorted(spans, key=lambda found: -int(found["endTimeUnixNano"])):
        backwards.take_spans(span, resource=resource)
    for _ in range(2):
        twice.take_spans(*spans, resource=resource)
    return [together, alone, backwards, twice]
