"""Make the span of a conversation that took place elsewhere. Pure, but for the time of its file.

The messages of a conversation become one operation that adds them: the conversation model compares them with what
it knows, so messages that were captured or imported before are not recorded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from greenflash_otel.arguments import Repairs, read_id, read_properties
from greenflash_otel.importing.piece import ImportRules
from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.json_values import JsonObject, read_list, read_str
from greenflash_otel.model.operation import (
    ADD_ITEMS,
    CallFacts,
    ConversationContext,
    Message,
    Operation,
)
from greenflash_otel.model.roles import PLAIN, SYSTEM_ROLES, read_role
from greenflash_otel.model.telemetry import NS_PER_MS, OURS, SpanRecord
from greenflash_otel.outcomes.repair import read_time_ns
from greenflash_otel.semconv.formats.openai import read_message
from greenflash_otel.semconv.genai import attributes_of, span_name_of

NO_TIME: Final = -1
LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""


class UnusableLineError(ValueError):
    """A line that cannot be imported, and why."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation as a file has it."""

    context: ConversationContext
    messages: Sequence[Message]
    default_ms: int
    """Unix time in milliseconds of messages that are before all that have one."""
    model: str | None = None


def read_moment_ms(name: str, moment: object) -> int | None:
    """Read a time as Unix milliseconds; one without a zone is UTC. None if there is none.

    Raises:
        UnusableLineError: It is no time.
    """
    if moment is None:
        return None
    time_ns = read_time_ns(moment, NO_TIME, Repairs())
    if time_ns == NO_TIME:
        raise UnusableLineError(f"{name} is no time; write ISO 8601 or Unix time")
    return time_ns // NS_PER_MS


def read_said(fields: JsonObject, name: str = "") -> Message:
    """Read a message of Chat Completions, with ``created_at`` and ``model``.

    Args:
        name: Begins what is said of a message that cannot be used.

    Raises:
        UnusableLineError: It is no message.
    """
    role = read_role(fields.get("role"), "")
    if role not in PLAIN:
        raise UnusableLineError(f"{name}role is none of system, developer, user, assistant, tool")
    if not isinstance(fields.get("content"), (str, list, dict, type(None))):
        raise UnusableLineError(f"{name}content is neither text nor a list of parts")
    message, model = read_message(fields), read_str(fields.get("model"))
    if not message.parts:
        raise UnusableLineError(f"{name}content is empty, and no tool is called")
    call = CallFacts(model=model) if model and role == "assistant" else None
    return replace(message, at_ms=read_moment_ms(f"{name}created_at", fields.get("created_at")), call=call)


def read_transcript_messages(value: object) -> tuple[Message, ...]:
    """Read the messages of a conversation. Raises `UnusableLineError` if one of them cannot be used."""
    entries = read_list(value)
    if not entries:
        raise UnusableLineError("messages is no list of messages")
    messages = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise UnusableLineError(f"message {number} is no object")
        messages.append(read_said(entry, f"message {number}: "))
    return tuple(messages)


def read_whose(fields: JsonObject) -> ConversationContext:
    """Read to whom a line belongs. Raises `UnusableLineError` if an id or the properties cannot be used."""
    repairs = Repairs()
    conversation_id, user_id, organization_id = (
        read_id(name, fields.get(name), repairs) for name in ("conversation_id", "user_id", "organization_id")
    )
    properties = read_properties(fields.get("properties"), repairs)
    if repairs.problems:
        raise UnusableLineError("; ".join(repairs.problems))
    return ConversationContext(conversation_id, user_id, organization_id, properties)


def make_span(transcript: Transcript, rules: ImportRules) -> SpanRecord:
    """Make the span that adds the messages of a conversation, which has an id, each at its time."""
    messages = _fill_times(transcript.messages, transcript.default_ms)
    times_ms = [message.at_ms for message in messages if message.at_ms is not None]
    operation = Operation(
        ADD_ITEMS, transcript.context, request_model=transcript.model, input=tuple(messages)
    )
    begin_ms = min(times_ms, default=transcript.default_ms)
    return make_operation_span(operation, begin_ms, max(times_ms, default=begin_ms), rules)


def make_operation_span(operation: Operation, begin_ms: int, end_ms: int, rules: ImportRules) -> SpanRecord:
    """Write an operation to a span, whose ids are made of what it says."""
    if not rules.captures_content:
        operation = remove_content(operation)
    attributes, failure = attributes_of(operation), operation.failure
    digest = rules.make_id("span", [begin_ms, {**attributes}]).removeprefix("import-")
    return SpanRecord(
        digest,
        digest[:16],
        span_name_of(operation),
        begin_ms * NS_PER_MS,
        end_ms * NS_PER_MS,
        attributes=attributes,
        status="error" if failure else "unset",
        status_description=failure.message if failure else None,
        scope=OURS,
    )


def _fill_times(messages: Sequence[Message], default_ms: int) -> Sequence[Message]:
    """Return messages of which each has a time, but for a system prompt at the beginning.

    A message without a time gets that of the message before it, or of the first that has one. The conversation
    model keeps the order: it moves each message behind the one before it, by a millisecond if need be.
    """
    first_ms = next((message.at_ms for message in messages if message.at_ms is not None), default_ms)
    timed, is_leading = list[Message](), True
    for message in messages:
        first_ms = first_ms if message.at_ms is None else message.at_ms
        is_leading = is_leading and message.role in SYSTEM_ROLES
        timed.append(replace(message, at_ms=None if is_leading else first_ms))
    return timed
