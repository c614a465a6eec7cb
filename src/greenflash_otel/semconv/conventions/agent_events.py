"""Log records of coding agents, each of which is an operation of its own. Pure.

Claude Code and Codex write an event for each prompt, answer and tool, and name the session. Their records usually
belong to no span. So each becomes a span with ids made of what it says, which are the same when it comes again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from greenflash_otel.model.telemetry import NS_PER_MS, Attributes, AttributeValue, LogRecord, SpanRecord
from greenflash_otel.semconv.attributes import read_identifier

CLAUDE_CODE, CODEX = "claude_code.event", "codex.event"
"""Attribute of the span that has the event's name, of either agent."""
PREFIXES = ("claude_code.", "codex.")
SESSIONS = ("session.id", "conversation.id")
DISTINCT = (
    "prompt.id",
    "event.sequence",
    "event.timestamp",
    "message.uuid",
    "call_id",
    "tool_use_id",
    "request_id",
)
"""What makes one event of a session another one than the next."""


def name_event(name: AttributeValue, body: AttributeValue) -> str | None:
    """Return the full name of an agent's event; None if a record is none. Claude Code has it in the body, too."""
    names = (name, body)
    return next((one for one in names if isinstance(one, str) and one.startswith(PREFIXES)), None)


def make_ids(
    event: str, attributes: Attributes, resource: Attributes, time_ns: int
) -> tuple[str, str] | None:
    """Make the ids of a trace and a span for an event; None if it names no session."""
    known = {**resource, **attributes}
    session = next((id for name in SESSIONS if (id := read_identifier(known, name))), None)
    if session is None:
        return None
    parts = [event, str(time_ns), *(str(attributes.get(name)) for name in DISTINCT)]
    return _hash([event.partition(".")[0], session], 16), _hash([session, *parts], 8)


def span_of_event(log: LogRecord) -> SpanRecord | None:
    """Return an agent's event as a span; None if a log record is none."""
    event = name_event(log.event_name, log.body)
    ids = make_ids(event, log.attributes, log.resource, log.time_ns) if event else None
    if event is None or ids is None:
        return None
    agent, _, kind = event.partition(".")
    duration_ns = _read_duration(log.attributes)
    return SpanRecord(
        trace_id=ids[0],
        span_id=ids[1],
        name=event,
        start_ns=log.time_ns - duration_ns,
        end_ns=log.time_ns,
        attributes={**log.attributes, f"{agent}.event": kind},
        scope=log.scope,
        resource=log.resource,
    )


def has_succeeded(attributes: Mapping[str, AttributeValue]) -> bool:
    """Return whether a tool succeeded; both agents write a text."""
    return str(attributes.get("success", True)).lower() != "false"


def _read_duration(attributes: Attributes) -> int:
    try:
        return max(int(float(str(attributes.get("duration_ms", 0)))), 0) * NS_PER_MS
    except (ValueError, OverflowError):
        return 0


def _hash(parts: list[str], size: int) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=size).hexdigest()
