"""Write what is remembered as text that outlives the process, and read it again. Pure.

`ConversationStore` makes `StateRecord` values of it. A record contains hashes, ids and times; only that of
something that waits contains what was said, and its owner redacts that first. Fields have names and defaults;
see `values`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeAlias, cast

from greenflash_otel.conversations.changes import Deferral, DeferralKey, DeferralKind, Location
from greenflash_otel.model.telemetry import ENVIRONMENTS, RELEASE, LogRecord, SpanEvent, SpanRecord
from greenflash_otel.semconv import genai, registry
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.values import from_json, to_json

VERSION = 1
"""Of all that is written here. A record of another version is not understood."""

Waiting: TypeAlias = Deferral | SpanRecord | LogRecord
"""An operation, the span of an outcome, or a span or log record that more log records may join."""

RESOURCE = "resource"
"""The field of spans and log records of which only a few names are read later."""


def write(value: object) -> str:
    """Write a record's text."""
    return json.dumps([VERSION, value], separators=(",", ":"), default=_write_unusual)


def read(text: str) -> Any:  # what was given to `write`, tuples as lists
    """Read the value of a record.

    Raises:
        ValueError: It is of another version, or no record at all.
    """
    version, value = json.loads(text)
    if version != VERSION:
        raise ValueError(f"version {version}")
    return value


def write_target(target: Location | str | None) -> str:
    """Write what a name leads to."""
    return write(to_json(target) if isinstance(target, Location) else target)


def read_target(text: str) -> Location | str | None:
    """Read what a name leads to.

    Raises:
        ValueError: It is no such record.
    """
    value = read(text)
    return value if value is None or isinstance(value, str) else from_json(Location, value)


def write_waiting(key: DeferralKey, entry: Waiting) -> str:
    """Write what waits: an operation with what counts of its span, or a span or a log record as it came."""
    written: dict[str, object] = {"for": [key.kind.value, key.id]}
    match entry:
        case SpanRecord():
            written["span"] = _write_fields(entry)
        case LogRecord():
            written["log"] = _write_fields(entry)
        case Deferral(_, span, operation):
            description = operation.failure.message if operation.failure else None
            retained = {"trace_id": span.trace_id, "span_id": span.span_id, "name": span.name}
            times = {"start_ns": span.start_ns, "end_ns": span.end_ns}
            ending = {"status": span.status, "status_description": description}
            attributes = {"attributes": genai.attributes_of(operation)}
            written["operation"] = {**retained, **times, **ending, **attributes}
    return write(written)


def read_waiting(text: str) -> tuple[DeferralKey, Waiting]:
    """Read what waits, and for what.

    Raises:
        ValueError, TypeError: It is no such record.
    """
    match read(text):
        case {"for": [kind, str(id)], "span": {**span}}:
            return DeferralKey(DeferralKind(kind), id), _read_span(span)
        case {"for": [kind, str(id)], "log": {**log}}:
            return DeferralKey(DeferralKind(kind), id), LogRecord(**_select_fields(LogRecord, log))
        case {"for": [kind, str(id)], "operation": {**written}}:
            key, span_record = DeferralKey(DeferralKind(kind), id), _read_span(written)
            if name := read_text(span_record.attributes, genai.OPERATION_NAME):
                return key, Deferral(key, span_record, genai.read_as(span_record, name))
    raise ValueError("nothing that waits")


def _write_fields(record: SpanRecord | LogRecord) -> dict[str, object]:
    """Write the fields of a record that differ from their defaults, by their names."""
    written: dict[str, object] = {}
    for field in fields(record):
        content: Any = getattr(record, field.name)
        if field.name == RESOURCE:
            content = _select_names(content)
        if content != _default_of(field):
            written[field.name] = (
                [_write_event(event) for event in content] if field.name == "events" else content
            )
    return written


def _select_names(resource: Mapping[str, Any]) -> dict[str, Any]:
    context = registry.read_conversation_context(resource) if resource else None
    names = genai.attributes_of_context(context) if context else {}
    facts = {name: resource[name] for name in (*ENVIRONMENTS, RELEASE) if name in resource}
    return {**facts, **{name: value for name, value in names.items() if value}}


def _write_event(event: SpanEvent) -> dict[str, object]:
    return {field.name: getattr(event, field.name) for field in fields(event)}


def _read_span(written: Mapping[Any, Any]) -> SpanRecord:
    events = tuple(SpanEvent(**_select_fields(SpanEvent, event)) for event in written.get("events", ()))
    return SpanRecord(**{**_select_fields(SpanRecord, written), "events": events})


def _select_fields(cls: type, written: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields that a class has: a later version may have written more."""
    names = {field.name for field in fields(cls)}
    return {name: value for name, value in written.items() if name in names}


def _default_of(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _write_unusual(value: object) -> object:
    """Return JSON for what has none: a mapping of another kind, as the SDK's; bytes, which nobody reads."""
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else None
