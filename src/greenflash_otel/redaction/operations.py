"""Redact every text of an operation that waits on disk for what it depends on. Pure.

The paths are those its messages will have. Its messages go through redaction once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from greenflash_otel.model.operation import (
    ConversationContext,
    Json,
    Media,
    Message,
    Operation,
    Other,
    Part,
    PromptTemplate,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
    Voice,
)
from greenflash_otel.model.roles import SYSTEM_ROLES
from greenflash_otel.model.visit import map_parts

Clean: TypeAlias = Callable[[Json, str], Json]
"""Redacts every text in a value, keys of objects too. Takes the value and its path."""

FIELDS: Mapping[type[Part], Mapping[str, str]] = {
    Text: {"content": "messages.content"},
    Reasoning: {"content": "messages.output.text"},
    ToolCall: {"arguments": "messages.input"},
    ToolCallResponse: {"response": "messages.output"},
    ServerToolCall: {"call": "messages.input"},
    ServerToolCallResponse: {"response": "messages.output"},
    Media: {"uri": "messages.input.parts.uri", "transcript": "messages.input.parts.transcript"},
    Other: {"fields": "messages.input.parts"},
}
"""The fields of each part that contain content, and where that is in a message; a text may have annotations, too."""


def redact_operation(operation: Operation, clean: Clean) -> Operation:
    """Return ``operation`` without what must not be stored."""
    tool, prompt, failure = operation.tool, operation.prompt, operation.failure

    def change(part: Part, role: str) -> Part:
        paths = FIELDS[type(part)]
        if isinstance(part, Text) and role in SYSTEM_ROLES:
            paths = {**paths, "content": "system_prompt"}
        if isinstance(part, Text) and part.annotations:
            annotations = clean(part.annotations, "messages.properties.annotations")
            part = replace(part, annotations=tuple(cast("Sequence[Json]", annotations)))
        redacted: Part = _change(part, clean, **paths)
        return redacted

    mapped = map_parts(operation, change)
    return replace(
        mapped,
        input=tuple(_redact_speaker(message, clean) for message in mapped.input),
        output=tuple(_redact_speaker(message, clean) for message in mapped.output),
        conversation_context=_redact_context(operation.conversation_context, clean),
        prompt=prompt and redact_prompt(prompt, clean),
        tool=tool and _change(tool, clean, arguments="messages.input", result="messages.output"),
        failure=failure and _change(failure, clean, message="messages.properties.error.message"),
        properties=cast("Mapping[str, Json]", clean(operation.properties, "messages.properties")),
    )


def _redact_speaker(message: Message, clean: Clean) -> Message:
    """Return a message without the names of who says it; most messages have none."""
    if message.name is None and not message.voice:
        return message
    return replace(
        message,
        name=None if message.name is None else cast(str, clean(message.name, "messages.name")),
        voice=message.voice and redact_voice(message.voice, clean),
    )


def _redact_context(context: ConversationContext, clean: Clean) -> ConversationContext:
    if context.prompt is not None:
        context = replace(context, prompt=redact_prompt(context.prompt, clean))
    paths = {"properties": "properties"}
    if context.message_properties:
        paths["message_properties"] = "messages.properties"
    return _change(context, clean, **paths)  # type: ignore[no-any-return]


def redact_prompt(prompt: PromptTemplate, clean: Clean) -> PromptTemplate:
    """Return ``prompt`` with its template, components and variables redacted."""
    if prompt.template is not None:
        prompt = _change(prompt, clean, template="system_prompt")
    components = tuple(_change(component, clean, content="system_prompt") for component in prompt.components)
    prompt = replace(prompt, components=components)
    return _change(prompt, clean, variables="system_prompt.variables")  # type: ignore[no-any-return]


def redact_voice(voice: Voice, clean: Clean) -> Voice:
    """Return ``voice`` with its speaker's name redacted."""
    return _change(voice, clean, speaker="messages.voice.speaker")  # type: ignore[no-any-return]


def _change(value: Any, clean: Clean, **paths: str) -> Any:  # the same type that goes in comes out
    return replace(value, **{name: clean(getattr(value, name), path) for name, path in paths.items()})
