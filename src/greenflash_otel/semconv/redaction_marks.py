"""What producers put in place of content that was not to be captured. Pure.

It is no content: a message of nothing else is none, and a tool that was given it was given something unknown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from greenflash_otel.model.operation import (
    Operation,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.visit import map_parts

T = TypeVar("T")

MARKS = frozenset({"__redacted__", "[redacted]", "<redacted>", "<elided>", "redacted-by-litellm"})
BEGINNING = "redacted by litellm."


def is_hidden(value: object) -> bool:
    """Return whether a text is in place of another one."""
    if not isinstance(value, str) or len(value) > 200:
        return False
    text = value.strip().lower()
    return text in MARKS or text.startswith(BEGINNING)


def remove_redaction_marks(operation: Operation) -> Operation:
    """Return an operation without what says only that something was left out."""
    tool = operation.tool
    if tool and (is_hidden(tool.arguments) or is_hidden(tool.result)):
        tool = replace(tool, arguments=show(tool.arguments), result=show(tool.result))
    failure = operation.failure
    if failure and is_hidden(failure.message):
        failure = replace(failure, message=None)
    return map_parts(replace(operation, tool=tool, failure=failure), _show_part)


def _show_part(part: Part, role: str) -> Part | None:
    match part:
        case Text(content) | Reasoning(content):
            return None if is_hidden(content) else part
        case ToolCall(_, arguments) if is_hidden(arguments):
            return replace(part, arguments=None)
        case ToolCallResponse(response) if is_hidden(response):
            return replace(part, response="")
    return part


def show(value: T) -> T | None:
    """Return what is not such a mark; None in place of one."""
    return None if is_hidden(value) else value
