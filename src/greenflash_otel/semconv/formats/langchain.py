"""LangChain's messages: the objects of our capture, and as its callbacks have them written on spans. Pure.

Both are messages of OpenAI's kind under LangChain's names of types, with some fields moved elsewhere. Objects
are only read: others refer to them, too. Bytes of media are never retained; of large ones only samples are hashed,
because objects are read on the application's event loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from greenflash_otel.json_values import (
    Json,
    JsonObject,
    digest_of,
    digest_of_bytes,
    read_json_object,
    read_list,
    to_json,
)
from greenflash_otel.model.operation import Media, Message, Other, Part, ToolCall, ToolCallResponse
from greenflash_otel.model.roles import ASSISTANT, TOOL, read_role
from greenflash_otel.semconv.expected_json import read_entries
from greenflash_otel.semconv.formats import openai
from greenflash_otel.semconv.formats.media import MODALITIES

KINDS = frozenset({"human", "ai", "system", "tool", "function", "developer"})
"""LangChain's types of messages, without what it adds for classes and for pieces of a stream."""
ASIDE = ("refusal", "reasoning_content", "audio", *openai.CITATIONS)
"""What it moves out of a message of OpenAI's, and has nowhere else."""
ROLES_OF_TYPES = {kind: read_role(kind, kind) for kind in KINDS}
"""The convention's role by the type of a message: nearly all have one of these."""
LISTED_ELSEWHERE = frozenset(
    {"tool_call", "tool_use", "function_call", "tool_call_chunk", "input_json_delta", "invalid_tool_call"}
)
"""Types of blocks that an object lists a second time, as ``tool_calls``."""

WHOLE_BYTES = 64 * 1024
"""Inline media up to this size are hashed whole."""
SAMPLES = 16
SAMPLE_BYTES = 4 * 1024
"""Of larger ones this many pieces of this size are."""


# --- written ---------------------------------------------------------------------------------------


def read_written(value: Json, role: str) -> tuple[Message, ...]:
    """Read a list of messages, a list of lists, or one message; those of OpenAI's kind are read too.

    Args:
        role: Of what names none.
    """
    return openai.read_messages(list(_flatten(value)), role)


def _flatten(value: Json) -> Iterator[Json]:
    for entry in read_entries(value if isinstance(value, list) else [value]):
        if isinstance(entry, list):
            yield from _flatten(entry)
        elif isinstance(entry, Mapping):
            yield _rename_fields(entry)
        elif isinstance(entry, str):
            yield {"content": entry}


def _rename_fields(entry: JsonObject) -> JsonObject:
    """Return a message with the role that OpenAI has for its type."""
    recorded = read_json_object(entry.get("kwargs")) or entry
    recorded = {**_select_other_fields(read_json_object(recorded.get("additional_kwargs"))), **recorded}
    kind = next((kind for kind in map(_kind_of, (recorded, entry)) if kind in KINDS), None)
    return (
        {**recorded, "role": read_role(kind, ""), "type": "message"}
        if kind and "role" not in recorded
        else recorded
    )


def _select_other_fields(more: JsonObject) -> JsonObject:
    return {name: more[name] for name in ASIDE if more.get(name)}


def _kind_of(entry: JsonObject) -> str:
    path = entry.get("id")
    named = path[-1] if entry.get("lc") == 1 and isinstance(path, list) and path else entry.get("type")
    return str(named or "").removesuffix("Chunk").removesuffix("Message").lower()


# --- objects ---------------------------------------------------------------------------------------


def role_of(message: Any) -> str:
    """Return the role of a message."""
    kind = str(getattr(message, "type", ""))
    if kind in ROLES_OF_TYPES:
        return ROLES_OF_TYPES[kind]
    return read_role(getattr(message, "role", "user") if kind in ("chat", "ChatMessageChunk") else kind, kind)


def read_object(message: Any, *, at_ms: int | None = None) -> Message:
    """Read one of LangChain's messages."""
    role, name = role_of(message), getattr(message, "name", None)
    if role == TOOL:
        return Message(role, (read_tool_result(message),), name=name, at_ms=at_ms)
    fields = {
        **_select_other_fields(message.additional_kwargs),
        "content": message.content,
        "tool_calls": [*tool_calls_of(message), *read_list(getattr(message, "invalid_tool_calls", ()))],
    }
    parts = sorted(openai.read_said(fields, read_blocks), key=lambda part: isinstance(part, ToolCall))
    return Message(role, tuple(parts), name=name if role == "user" else None, at_ms=at_ms)


def read_tool_result(message: Any) -> ToolCallResponse:
    """Read what a ``ToolMessage`` says."""
    content = message.content
    response = content if isinstance(content, str) else to_json([drop_bytes(block) for block in content])
    failed = getattr(message, "status", None) == "error"
    return ToolCallResponse(response, getattr(message, "tool_call_id", None), failed)


def tool_calls_of(message: Any) -> list[Any]:
    """Return the tools that an answer asks for, as LangChain lists them."""
    return [*read_list(getattr(message, "tool_calls", ()))] if role_of(message) == ASSISTANT else []


def read_blocks(content: Any) -> tuple[Part, ...]:
    """Read the content of an object."""
    if isinstance(content, str):
        return openai.read_content(content)
    return tuple(part for block in read_list(content) for part in _read_block(block))


def _read_block(block: Any) -> tuple[Part, ...]:
    if isinstance(block, Mapping):
        kind = str(block.get("type") or "unknown")
        if kind in LISTED_ELSEWHERE:
            return ()
        return (_read_media(block),) if kind in MODALITIES else openai.read_content([block])
    return openai.read_content([block]) or ((Other("unknown", {"value": to_json(block)}),) if block else ())


def drop_bytes(block: Any) -> Any:
    """Return a block; of one that is a medium, what is retained of it."""
    if not isinstance(block, Mapping) or block.get("type") not in MODALITIES:
        return block
    media = _read_media(block)
    return {name: value for name in ("modality", "uri", "digest") if (value := getattr(media, name))}


def _read_media(block: Mapping[str, Any]) -> Media:
    modality = MODALITIES[str(block.get("type"))]
    nested, source = block.get(str(block.get("type"))), block.get("source")
    fields: Mapping[str, Any] = next(
        (value for value in (nested, source) if isinstance(value, Mapping)), block
    )
    uri = nested if isinstance(nested, str) else fields.get("url")
    mime_type = fields.get("mime_type") or fields.get("media_type")
    data = fields.get("base64") or fields.get("data") or fields.get("file_data")
    begin = 0
    if isinstance(uri, str) and uri.startswith("data:"):
        begin = uri.find(",") + 1
        head, data = uri[5 : max(begin - 1, 5)], uri
        uri, mime_type = None, head.partition(";")[0] or mime_type
    digest, size = _digest_of(data, begin) if isinstance(data, (str, bytes)) and data else (None, None)
    return Media(modality, uri, fields.get("file_id"), mime_type, digest, size)


def _digest_of(data: str | bytes, begin: int) -> tuple[str, int]:
    """Compute digest and size in bytes of inline media from ``begin`` on; of large ones samples count."""
    length = len(data) - begin
    if length <= WHOLE_BYTES:
        return digest_of(data[begin:]) if isinstance(data, str) else digest_of_bytes(data)
    size = length * 3 // 4 if isinstance(data, str) else length
    digest = hashlib.sha256(str(length).encode())
    step = (length - SAMPLE_BYTES) // (SAMPLES - 1)
    for start in range(begin, len(data) - SAMPLE_BYTES + 1, step):
        digest.update(_encode(data[start : start + SAMPLE_BYTES]))
    return "sampled-sha256:" + digest.hexdigest(), size


def _encode(data: str | bytes) -> bytes:
    return data.encode("utf-8", "replace") if isinstance(data, str) else data
