"""What is remembered, as text that outlives the process. Pure.

`Memory` writes notes of what changed, and asks for them again by topic when it needs what it does not know.
Whoever keeps them, keeps them in the order given. A note holds hashes, ids and times; only that of
something that waits holds what was said, and its owner redacts that first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from greenflash_otel.message_ids.chain import Position
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import LogRecord, SpanEvent, SpanRecord
from greenflash_otel.semconv import genai

VERSION = 1
"""Of all that is written here. A note of another version is not understood."""

Held: TypeAlias = tuple[SpanRecord, Operation]
Record: TypeAlias = SpanRecord | LogRecord


def write(value: object) -> str:
    """A note's text."""
    return json.dumps([VERSION, value], separators=(",", ":"), default=_in_json)


def read(text: str) -> Any:  # what was given to `write`, tuples as lists
    """The value of a note.

    Raises:
        ValueError: It is of another version, or no note at all.
    """
    version, value = json.loads(text)
    if version != VERSION:
        raise ValueError(f"version {version}")
    return value


def write_position(position: Position) -> list[object]:
    """A place in a conversation."""
    one = position
    return [one.tip, one.visible, one.asked, one.requested, one.agentic, one.calls]


def read_position(values: Sequence[Any]) -> Position:
    """The place that was written."""
    tip, visible, asked, requested, agentic, calls = values
    return Position(tip, visible, asked, requested, agentic, tuple((call, id) for call, id in calls))


def write_waiting(one: Held | Record) -> list[object]:
    """What waits: an operation with what counts of its span, or a span or a log record as it came."""
    match one:
        case SpanRecord():
            events = [[event.name, event.time_ns, event.attributes] for event in one.events]
            told = [one.name, one.start_ns, one.end_ns, one.parent_span_id, one.attributes, events]
            return ["span", one.trace_id, one.span_id, *told, one.status, one.status_description, one.scope]
        case LogRecord():
            told = [one.event_name, one.time_ns, one.body, one.attributes]
            return ["log", one.trace_id, one.span_id, *told, one.scope]
    span, operation = one
    message = operation.failure.message if operation.failure else None
    told = [span.name, span.start_ns, span.end_ns, span.status, message]
    return ["operation", span.trace_id, span.span_id, *told, genai.attributes_of(operation)]


def read_waiting(values: Sequence[Any]) -> Held | Record:
    """What was written of something that waits.

    Raises:
        ValueError: It is nothing of the kind.
    """
    match values:
        case ["span", trace_id, span_id, name, start_ns, end_ns, parent, attributes, events, *more]:
            found = tuple(SpanEvent(*event) for event in events)
            status, message, scope = more
            return SpanRecord(
                trace_id, span_id, name, start_ns, end_ns, parent, attributes, found, status, message, scope
            )
        case ["log", *told]:
            return LogRecord(*told)
        case ["operation", trace_id, span_id, name, start_ns, end_ns, status, message, attributes]:
            span = SpanRecord(
                trace_id,
                span_id,
                name,
                start_ns,
                end_ns,
                attributes=attributes,
                status=status,
                status_description=message,
            )
            if operation := genai.read(span):
                return span, operation
    raise ValueError("nothing that waits")


def _in_json(value: object) -> object:
    """What JSON has no word for: a mapping of another kind, as the SDK's; bytes, which nobody reads."""
    return dict(value) if isinstance(value, Mapping) else None
