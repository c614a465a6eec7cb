"""What producers put in place of content that was not to be captured. Pure.

It is no content: a message of nothing else is none, and a tool that was given it was given something unknown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from greenflash_otel.model.operation import (
    Message,
    Operation,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)

T = TypeVar("T")

MARKS = frozenset({"__redacted__", "[redacted]", "<redacted>", "<elided>", "redacted-by-litellm"})
BEGINNING = "redacted by litellm."


def is_hidden(value: object) -> bool:
    """Whether a text stands in place of another one."""
    if not isinstance(value, str) or len(value) > 200:
        return False
    text = value.strip().lower()
    return text in MARKS or text.startswith(BEGINNING)


def without_marks(operation: Operation) -> Operation:
    """An operation without what says only that something was left out."""
    tool = operation.tool
    if tool and (is_hidden(tool.arguments) or is_hidden(tool.result)):
        tool = replace(tool, arguments=shown(tool.arguments), result=shown(tool.result))
    failure = operation.failure
    if failure and is_hidden(failure.message):
        failure = replace(failure, message=None)
    return replace(
        operation,
        tool=tool,
        failure=failure,
        system_instructions=tuple(part for part in map(_part, operation.system_instructions) if part),
        input=_messages(operation.input),
        output=_messages(operation.output),
    )


def _messages(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not any(_part(part) is not part for message in messages for part in message.parts):
        return messages
    shown = (replace(one, parts=tuple(part for part in map(_part, one.parts) if part)) for one in messages)
    return tuple(message for message in shown if message.parts)


def _part(part: Part) -> Part | None:
    match part:
        case Text(content) | Reasoning(content):
            return None if is_hidden(content) else part
        case ToolCall(_, arguments) if is_hidden(arguments):
            return replace(part, arguments=None)
        case ToolCallResponse(response) if is_hidden(response):
            return replace(part, response="")
    return part


def shown(value: T) -> T | None:
    """What is not such a mark; None in place of one."""
    return None if is_hidden(value) else value
