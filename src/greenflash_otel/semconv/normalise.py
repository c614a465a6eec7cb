"""What a model answered, put as the spans of this library have it, whoever recorded it. Pure.

| recorded as                                   | read as                                                |
|-----------------------------------------------|--------------------------------------------------------|
| a message for each item of one answer         | one message                                            |
| messages that each say why they ended         | choices next to each other                             |
| tools that were asked for, then what was said | what was said first, as a stream of both has it        |
| a tool that is given an empty text            | a tool that is given nothing, as a model that has none |
| instructions that are also the first message  | the message                                            |
| reasoning of which there is no word, a part   | nothing                                                |
| that a cut left without name and content      |                                                        |
| a role by any other name                      | the convention's; in an answer, the model's            |
| calls of tools as a text in a role of its own | the calls; else a thought, because nobody is shown it  |
| JSON of blocks in a text, also of a thought    | the blocks                                             |
| a result of a tool in blocks of text          | the text                                               |
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
    ToolCallResponse,
)
from greenflash_otel.model.roles import ASSISTANT, SYSTEM_ROLES, TOOL, TOOL_CALL, read_role
from greenflash_otel.model.visit import map_parts
from greenflash_otel.semconv.formats.results import text_of_result
from greenflash_otel.semconv.formats.text_blocks import unfold_texts
from greenflash_otel.semconv.formats.written_calls import read_written_calls

BYTES = re.compile(r"[A-Za-z0-9+/_-]{512,}={0,2}")
"""What no text is: base64 without a space."""


def normalise(operation: Operation) -> Operation:
    """Put the messages of an operation into this form."""
    if operation.tool is not None:
        tool = replace(operation.tool, result=text_of_result(operation.tool.result))
        operation = operation if tool == operation.tool else replace(operation, tool=tool)
    if operation.name not in MAIN_CALLS:
        return operation
    operation = _separate_choices_from_items(_correct_roles(operation))
    system_message = (
        operation.input[0] if operation.input and operation.input[0].role in SYSTEM_ROLES else None
    )
    operation = replace(
        operation,
        input=tuple(map(unfold_texts, operation.input)),
        output=tuple(map(unfold_texts, operation.output)),
    )
    twice = system_message is not None and system_message.parts == operation.system_instructions
    operation = map_parts(replace(operation, system_instructions=()) if twice else operation, _clean_part)
    return replace(
        operation,
        input=tuple(map(_sort_parts, operation.input)),
        output=tuple(map(_sort_parts, operation.output)),
    )


def _correct_roles(operation: Operation) -> Operation:
    """Give messages the convention's roles; whatever is in an output is the model's."""
    messages = tuple(_correct_role(message) for message in operation.input)
    answers = tuple(_set_role(message, _role_of_answer(message)) for message in operation.output)
    return replace(operation, input=messages, output=answers)


def _correct_role(message: Message) -> Message:
    role = read_role(message.role, message.role)
    if role != TOOL_CALL:
        return _set_role(message, role)
    parts = (read for part in message.parts for read in read_written_calls(part))
    return replace(message, role=ASSISTANT, parts=tuple(parts))


def _role_of_answer(message: Message) -> str:
    is_result = bool(message.parts) and all(isinstance(part, ToolCallResponse) for part in message.parts)
    return TOOL if is_result else ASSISTANT


def _set_role(message: Message, role: str) -> Message:
    return message if message.role == role else replace(message, role=role)


def _separate_choices_from_items(operation: Operation) -> Operation:
    answers, reasons = operation.output, [message.finish_reason for message in operation.output]
    if (
        operation.choice_count > 1
        or len(answers) < 2
        or any(message.role != "assistant" for message in answers)
    ):
        return operation
    if all(reasons):
        return replace(operation, choice_count=len(answers))
    parts = tuple(part for message in answers for part in message.parts)
    reason = next((reason for reason in reversed(reasons) if reason), None)
    return replace(operation, output=(Message("assistant", parts, finish_reason=reason),))


def _sort_parts(message: Message) -> Message:
    if message.role != "assistant":
        return message
    parts = tuple(sorted(message.parts, key=lambda part: isinstance(part, ToolCall)))
    return replace(message, parts=parts) if parts != message.parts else message


def _says_nothing(part: Part) -> bool:
    """Return whether a part is reasoning without a word, or what a cut left without name and content."""
    return part in (Reasoning(""), Other("unknown")) or (
        isinstance(part, ToolCall) and part.name == "unknown" and part.arguments in (None, "")
    )


def _clean_part(part: Part, role: str) -> Part | None:
    if _says_nothing(part):
        return None
    if isinstance(part, ToolCallResponse) and isinstance(part.response, (str, list, tuple, Mapping)):
        response = text_of_result(part.response)
        return part if response is part.response else replace(part, response=response)
    if isinstance(part, ToolCall) and part.arguments == "":
        return replace(part, arguments=None)
    if isinstance(part, Other) and any(map(_has_bytes, part.fields.values())):
        return replace(part, fields={name: _digest_bytes(value) for name, value in part.fields.items()})
    return part


def _has_bytes(value: Json) -> bool:
    return _digest_bytes(value) is not value


def _digest_bytes(value: Json) -> Json:
    """Return a value of a part, or what is in it; of bytes the digest."""
    if isinstance(value, str) and (value.startswith("data:") or BYTES.fullmatch(value)):
        return digest_of(value.partition(",")[2] or value)[0]
    if isinstance(value, Mapping) and any(map(_has_bytes, value.values())):
        return {name: _digest_bytes(item) for name, item in value.items()}
    return value
