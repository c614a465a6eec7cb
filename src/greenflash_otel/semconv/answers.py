"""What a model answered, put as the spans of this library have it, whoever recorded it. Pure.

| recorded as                                   | told as                                                |
|-----------------------------------------------|--------------------------------------------------------|
| a message for each item of one answer         | one message                                            |
| messages that each say why they ended         | choices beside each other                              |
| tools that were asked for, then what was said | what was said first, as a stream of both has it        |
| a tool that is given an empty text            | a tool that is given nothing, as a model that has none |
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.operations import MAIN_CALLS, Message, Operation, Part, ToolCall


def in_order(operation: Operation) -> Operation:
    """An operation with its messages put so."""
    if operation.name not in MAIN_CALLS:
        return operation
    operation = _as_choices(operation)
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
    if message.role != "assistant" or not any(isinstance(part, ToolCall) for part in message.parts):
        return message
    ordered = sorted(message.parts, key=lambda part: isinstance(part, ToolCall))
    return replace(message, parts=tuple(map(_given, ordered)))


def _given(part: Part) -> Part:
    return replace(part, arguments=None) if isinstance(part, ToolCall) and part.arguments == "" else part
