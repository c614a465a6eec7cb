"""smolagents: the headings that it puts before what a user or a tool said. Pure. Source: its memory.py, 1.26.

Its spans are written in OpenInference. It sends a task as ``New task:\\n…`` and a result as ``Observation:\\n…``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenflash_otel.model.operation import Message, Part, Text, ToolCallResponse
from greenflash_otel.model.roles import TOOL

SCOPE = "openinference.instrumentation.smolagents"
HEADINGS: Mapping[str, str] = {"user": "New task:\n", TOOL: "Observation:\n"}


def remove_headings(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages with what was said, without the headings of the framework."""
    return tuple(_remove_heading(message) for message in messages)


def _remove_heading(message: Message) -> Message:
    heading = HEADINGS.get(message.role)
    if heading is None:
        return message
    return replace(message, parts=tuple(_shorten(part, heading) for part in message.parts))


def _shorten(part: Part, heading: str) -> Part:
    if isinstance(part, Text):
        return replace(part, content=part.content.removeprefix(heading))
    if isinstance(part, ToolCallResponse) and isinstance(part.response, str):
        return replace(part, response=part.response.removeprefix(heading))
    return part
