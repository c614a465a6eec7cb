"""Log records of coding agents, each of which is an operation of its own. Pure.

Claude Code and Codex write an event for each prompt, answer and tool, and name the session. Their records usually
belong to no span. So each becomes a span with ids made of what it says, which are the same when it comes again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from greenflash_otel.model.operation import Json, Message, Operation, Text, ToolCall, ToolCallResponse
from greenflash_otel.model.roles import TOOL
from greenflash_otel.model.telemetry import NS_PER_MS, Attributes, AttributeValue, LogRecord, SpanRecord
from greenflash_otel.semconv.attributes import read_identifier, read_text

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
    return next((name for name in names if isinstance(name, str) and name.startswith(PREFIXES)), None)


def make_ids(
    event: str, attributes: Attributes, resource: Attributes, time_ns: int
) -> tuple[str, str] | None:
    """Make the ids of a trace and a span for an event; None if it names no session."""
    session = _find_session(attributes, resource)
    if session is None:
        return None
    parts = [event, str(time_ns), *(str(attributes.get(name)) for name in DISTINCT)]
    return _hash([event.partition(".")[0], session], 16), _hash([session, *parts], 8)


def _find_session(attributes: Attributes, resource: Attributes) -> str | None:
    all_attributes = {**resource, **attributes}
    return next((id for name in SESSIONS if (id := read_identifier(all_attributes, name))), None)


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


def make_prompt(span: SpanRecord, text: str, prompt_id: str | None) -> Operation:
    """Make what a user said: a message of its own, though the same words were said before.

    Args:
        prompt_id: By which later events name it.
    """
    messages = (Message("user", (Text(text),)),)
    return Operation(
        "chat", previous_response_id=f"before {span.span_id}", response_id=prompt_id, input=messages
    )


def make_tool_call(
    span: SpanRecord, call_id: str | None, arguments: Json, result: Json, prompt_id: str | None
) -> Operation:
    """Make a tool that ran, with what asked for it, which no event says.

    Args:
        result: What it answered, or why it failed; None if the event does not say.
        prompt_id: Names the prompt it ran for.
    """
    name, id = read_text(span.attributes, "tool_name") or "unknown", call_id or span.span_id
    has_failed = str(span.attributes.get("success", True)).lower() == "false"  # both agents write a text
    output = [Message("assistant", (ToolCall(name, arguments, id),))]
    if has_failed or result is not None:
        output.append(Message(TOOL, (ToolCallResponse(result, id, failed=has_failed),)))
    return continue_prompt(Operation("chat", output=tuple(output)), span, prompt_id)


def continue_prompt(operation: Operation, span: SpanRecord, prompt_id: str | None) -> Operation:
    """Return an operation as what follows a prompt; as what follows all of its session if no prompt is named."""
    if prompt_id:
        return replace(operation, previous_response_id=prompt_id)
    return replace(operation, provider_conversation_id=_find_session(span.attributes, span.resource))


def _read_duration(attributes: Attributes) -> int:
    try:
        return max(int(float(str(attributes.get("duration_ms", 0)))), 0) * NS_PER_MS
    except (ValueError, OverflowError):
        return 0


def _hash(parts: list[str], size: int) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=size).hexdigest()
