"""Log records that belong to a span, read as events of it. Pure.

Several conventions put what was said into log records next to the span; others put the same, under the same
names, into events of the span. As events they are read by one reader, `events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import LogRecord, SpanEvent, SpanRecord

EVENT_NAME = "event.name"
BODY = "body"
"""Attribute of an event made of a log record whose body is no object."""


def event_of(log: LogRecord) -> SpanEvent | None:
    """Return the event that a log record is; None if it has no name, as the lines of a log have none."""
    name = log.event_name or log.attributes.get(EVENT_NAME)
    if not isinstance(name, str) or not name:
        return None
    body = read_structure(log.body)
    fields: Mapping[str, Json] = body if isinstance(body, Mapping) else {} if body is None else {BODY: body}
    return SpanEvent(name, log.time_ns, {**log.attributes, **fields})


def add_logs(span: SpanRecord, logs: Iterable[LogRecord]) -> SpanRecord:
    """Return the span with its log records as events, in the order of their times. One that it has adds nothing."""
    events: list[SpanEvent] = []
    for log in logs:
        event = event_of(log)
        if event and event not in events and event not in span.events:  # a sender may repeat its request
            events.append(event)
    if not events:
        return span
    return replace(span, events=tuple(sorted((*span.events, *events), key=lambda event: event.time_ns)))
