"""Walk over all parts of an operation: in one place, so that no walk forgets any of them. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from greenflash_otel.model.operation import Message, Operation, Part, Reasoning, Text

MapPart: TypeAlias = Callable[[Part, str], Part | None]
"""Returns what replaces a part, from the part and the role of its message; None leaves the part out."""

CONTENT = ("arguments", "response", "call", "fields", "transcript")
"""Fields of parts in which there is content other than text."""

SYSTEM = "system"
"""The role whose words `Operation.system_instructions` are."""


def map_parts(operation: Operation, change: MapPart) -> Operation:
    """Return an operation with each part of its instructions, input and output changed.

    A message of which no part is left, though it had some, is left out. What does not change is not copied.
    """
    instructions = map_each(operation.system_instructions, change, SYSTEM)
    input, output = map_messages(operation.input, change), map_messages(operation.output, change)
    same = (
        instructions is operation.system_instructions
        and input is operation.input
        and output is operation.output
    )
    if same:
        return operation
    return replace(operation, system_instructions=instructions, input=input, output=output)


def map_messages(messages: tuple[Message, ...], change: MapPart) -> tuple[Message, ...]:
    """Return messages with each of their parts changed."""
    changed_messages = tuple(_map_message(message, change) for message in messages)
    if all(changed is other for changed, other in zip(changed_messages, messages, strict=True)):
        return messages
    return tuple(message for message in changed_messages if message is not None)


def _map_message(message: Message, change: MapPart) -> Message | None:
    parts = map_each(message.parts, change, message.role)
    if parts is message.parts:
        return message
    return replace(message, parts=parts) if parts else None


def map_each(parts: tuple[Part, ...], change: MapPart, role: str) -> tuple[Part, ...]:
    """Return parts changed; the same tuple if none changes."""
    changed_parts = [change(part, role) for part in parts]
    if all(changed is other for changed, other in zip(changed_parts, parts, strict=True)):
        return parts
    return tuple(part for part in changed_parts if part is not None)


def size_of_value(value: object) -> int:
    """Estimate the bytes of texts. A character takes one, two or four bytes, depending on the others in its text."""
    if isinstance(value, (list, tuple)):
        return sum(sys.getsizeof(text) for text in value if isinstance(text, str))
    return sys.getsizeof(value) if isinstance(value, (str, bytes)) else 0


def size_of_texts(operation: Operation) -> int:
    """Estimate the bytes that the texts of an operation take in memory."""
    size, tool = 0, operation.tool
    values: list[object] = [operation.properties, *([tool.arguments, tool.result] if tool else ())]
    parts = list(operation.system_instructions)
    for message in (*operation.input, *operation.output):
        parts += message.parts
    for part in parts:
        if isinstance(part, (Text, Reasoning)):
            size += sys.getsizeof(part.content)
        else:
            values += [getattr(part, name, None) for name in CONTENT]
    return size + size_of_nested(values)


def size_of_nested(values: list[object]) -> int:
    """Estimate the bytes of the texts in values, at any level. Empties the list."""
    size = 0
    while values:
        value = values.pop()
        if isinstance(value, str):
            size += sys.getsizeof(value)
        elif isinstance(value, Mapping):
            values += value.values()
        elif isinstance(value, (list, tuple)):
            values += value
    return size
