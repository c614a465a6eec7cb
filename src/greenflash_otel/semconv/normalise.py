"""What a model answered, put as the spans of this library have it, whoever recorded it. Pure.

| recorded as                                   | told as                                                |
|-----------------------------------------------|--------------------------------------------------------|
| a message for each item of one answer         | one message                                            |
| messages that each say why they ended         | choices beside each other                              |
| tools that were asked for, then what was said | what was said first, as a stream of both has it        |
| a tool that is given an empty text            | a tool that is given nothing, as a model that has none |
| instructions that are also the first message  | the message                                            |
| reasoning of which there is no word, a part   | nothing                                                |
| that a cut left without name and content      |                                                        |
| bytes within a part that nobody knows         | their digest                                           |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.json_values import digest_of
from greenflash_otel.model.operation import (
    MAIN_CALLS,
    Json,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    ToolCall,
)
from greenflash_otel.model.visit import map_parts

SYSTEM = ("system", "developer")
BYTES = re.compile(r"[A-Za-z0-9+/_-]{512,}={0,2}")
"""What no text is: base64 without a space."""


def in_order(operation: Operation) -> Operation:
    """An operation with its messages put so."""
    if operation.name not in MAIN_CALLS:
        return operation
    operation = _as_choices(operation)
    said = operation.input[0] if operation.input and operation.input[0].role in SYSTEM else None
    twice = said is not None and said.parts == operation.system_instructions
    operation = map_parts(replace(operation, system_instructions=()) if twice else operation, _plain)
    return replace(
        operation,
        input=tuple(map(_in_order, operation.input)),
        output=tuple(map(_in_order, operation.output)),
    )


def _as_choices(operation: Operation) -> Operation:
    said, reasons = operation.output, [message.finish_reason for message in operation.output]
    if operation.choice_count > 1 or len(said) < 2 or any(one.role != "assistant" for one in said):
        return operation
    if all(reasons):
        return replace(operation, choice_count=len(said))
    parts = tuple(part for message in said for part in message.parts)
    reason = next((one for one in reversed(reasons) if one), None)
    return replace(operation, output=(Message("assistant", parts, finish_reason=reason),))


def _in_order(message: Message) -> Message:
    if message.role != "assistant":
        return message
    parts = tuple(sorted(message.parts, key=lambda part: isinstance(part, ToolCall)))
    return replace(message, parts=parts) if parts != message.parts else message


def _says_nothing(part: Part) -> bool:
    """Whether it is reasoning without a word, or what a cut left without name and content."""
    return part in (Reasoning(""), Other("unknown")) or (
        isinstance(part, ToolCall) and part.name == "unknown" and part.arguments in (None, "")
    )


def _plain(part: Part, role: str) -> Part | None:
    if _says_nothing(part):
        return None
    if isinstance(part, ToolCall) and part.arguments == "":
        return replace(part, arguments=None)
    if isinstance(part, Other) and any(map(_holds_bytes, part.fields.values())):
        return replace(part, fields={name: _without_bytes(value) for name, value in part.fields.items()})
    return part


def _holds_bytes(value: Json) -> bool:
    return _without_bytes(value) is not value


def _without_bytes(value: Json) -> Json:
    """A value of a part, or what is in it; of bytes the digest."""
    if isinstance(value, str) and (value.startswith("data:") or BYTES.fullmatch(value)):
        return digest_of(value.partition(",")[2] or value)[0]
    if isinstance(value, Mapping) and any(map(_holds_bytes, value.values())):
        return {name: _without_bytes(one) for name, one in value.items()}
    return value
