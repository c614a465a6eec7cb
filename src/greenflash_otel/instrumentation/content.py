"""Remove the content of an operation, for applications that capture none. Pure.

Structure stays: roles, kinds of parts, tool names, ids, media types and sizes, usage. Every text that a person
or a model wrote goes, and so does every argument and result. The text of errors goes, because it can quote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.model.operation import (
    Failure,
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
    ToolExecution,
)
from greenflash_otel.model.visit import map_parts

PROPERTIES_WITHOUT_CONTENT = frozenset(
    {
        "background",
        "count",
        "dimensions",
        "duration",
        "http_status",
        "incomplete_reason",
        "language",
        "output_format",
        "quality",
        "request_id",
        "response_format",
        "retries",
        "seconds",
        "service_tier",
        "size",
        "status",
        "system_fingerprint",
        "voice",
    }
)
"""Properties of an operation that stay; any other may contain what the application wrote."""


def remove_content(operation: Operation) -> Operation:
    """Return the operation with its structure and without its content."""
    bare = map_parts(operation, _strip_part)
    return replace(
        bare,
        conversation_context=replace(
            operation.conversation_context, prompt=_strip_prompt(operation.conversation_context.prompt)
        ),
        prompt=_strip_prompt(operation.prompt),
        input=tuple(map(_strip_message, bare.input)),
        output=tuple(map(_strip_message, bare.output)),
        tool=_strip_tool(operation.tool) if operation.tool else None,
        failure=Failure(operation.failure.type) if operation.failure else None,
        properties=_strip_properties(operation.properties),
    )


def _strip_prompt(prompt: PromptTemplate | None) -> PromptTemplate | None:
    """Return a prompt with nothing but its name."""
    return PromptTemplate(prompt.id, prompt.version) if prompt and prompt.id else None


def _strip_message(message: Message) -> Message:
    """Return a message with the fields that are named here: a field that is added later must not leak."""
    return Message(
        message.role,
        message.parts,
        finish_reason=message.finish_reason,
        voice=replace(message.voice, speaker=None) if message.voice else None,
        at_ms=message.at_ms,
        out_of_band_id=message.out_of_band_id,
        call=message.call,
    )


def _strip_part(part: Part, role: str) -> Part:
    match part:
        case Text():
            return Text("")
        case Reasoning():
            return Reasoning("")
        case ToolCall(name, _, id):
            return ToolCall(name, None, id)
        case ToolCallResponse(_, id, failed, name):
            return ToolCallResponse(None, id, failed, name)
        case ServerToolCall(name, _, id):
            return ServerToolCall(name, {}, id)
        case ServerToolCallResponse(_, id, failed):
            return ServerToolCallResponse({}, id, failed)
        case Media():
            return Media(part.modality, mime_type=part.mime_type, size_bytes=part.size_bytes)
        case Other(type):
            return Other(type)


def _strip_tool(tool: ToolExecution) -> ToolExecution:
    return ToolExecution(tool.name, tool.call_id)


def _strip_properties(properties: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value for name, value in properties.items() if name in PROPERTIES_WITHOUT_CONTENT}
