"""LangChain's messages in the words of `operations`. Only reads them: others hold the same objects. Pure.

Contents come as one text or as blocks, in LangChain's standard form or in a provider's. Bytes of media are
never kept; of large ones only samples are hashed, because this runs on the application's event loop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from greenflash_otel.instrumentation.langchain.plain import plain
from greenflash_otel.json_values import as_list, digest_of, digest_of_bytes
from greenflash_otel.model.operation import (
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)

ROLES: Mapping[str, str] = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
"""Role by LangChain's type of a message, or by the role in a dictionary; any other stays as it is."""

WHOLE_BYTES = 64 * 1024
"""Inline media up to this size are hashed whole."""
SAMPLES = 16
SAMPLE_BYTES = 4 * 1024
"""Of larger ones this many pieces of this size are."""


def role_of(message: Any) -> str:
    """The role of a LangChain message."""
    kind = str(getattr(message, "type", ""))
    if kind in ("chat", "ChatMessageChunk"):
        kind = str(getattr(message, "role", "user"))
    return ROLES.get(kind, kind)


def is_message(value: Any) -> bool:
    """Whether a value is one of LangChain's messages."""
    return hasattr(value, "content") and hasattr(value, "additional_kwargs") and hasattr(value, "type")


def is_inserted(message: Any) -> bool:
    """Whether middleware put a message in, as a summary in place of what it stands for."""
    return bool(getattr(message, "additional_kwargs", {}).get("lc_source"))


def read(message: Any, *, at_ms: int | None = None) -> Message:
    """One message."""
    role, name = role_of(message), getattr(message, "name", None)
    if role == "tool":
        return Message(role, (tool_result(message),), name=name, at_ms=at_ms)
    return Message(role, tuple(_parts(message, role)), name=name if role == "user" else None, at_ms=at_ms)


def tool_result(message: Any) -> ToolCallResponse:
    """What a ``ToolMessage`` says."""
    failed = getattr(message, "status", None) == "error"
    content = message.content
    response = content if isinstance(content, str) else plain([_without_bytes(one) for one in content])
    return ToolCallResponse(response, getattr(message, "tool_call_id", None), failed)


def text_of(message: Any) -> str:
    """The text of a message, of all its blocks."""
    content = message.content
    if isinstance(content, str):
        return content
    return "\n".join(part.content for part in map(_block, as_list(content)) if isinstance(part, Text))


def tool_calls_of(message: Any) -> Sequence[Any]:
    """The tools that an answer asks for, as LangChain lists them."""
    return as_list(getattr(message, "tool_calls", ())) if role_of(message) == "assistant" else ()


def likeness_of(message: Any) -> int:
    """A hash of what a message says, cheap for a text: a message may be edited and keep its id."""
    content = message.content
    calls = [(one.get("name"), repr(one.get("args")), one.get("id")) for one in tool_calls_of(message)]
    said: Any = content
    if not isinstance(content, str):
        said = repr([plain(_without_bytes(one)) for one in as_list(content)])
    return hash((role_of(message), said, tuple(calls)))


def _parts(message: Any, role: str) -> list[Part]:
    content, parts = message.content, list[Part]()
    reasoning = message.additional_kwargs.get("reasoning_content")
    if isinstance(reasoning, str) and reasoning:
        parts.append(Reasoning(reasoning))
    if isinstance(content, str):
        if content:
            parts.append(Text(content))
    else:
        parts += [part for block in as_list(content) if (part := _block(block)) is not None]
    if role == "assistant":
        known = {part.id for part in parts if isinstance(part, ToolCall)}
        parts += [call for one in tool_calls_of(message) if (call := _tool_call(one)).id not in known]
        parts += [_tool_call(one) for one in as_list(getattr(message, "invalid_tool_calls", ()))]
        parts.sort(key=lambda part: isinstance(part, ToolCall))
    return parts


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    return ToolCall(str(call.get("name") or "unknown"), plain(call.get("args")), call.get("id"))


def _block(block: Any) -> Part | None:
    """A part by its block; None for what LangChain lists a second time, as ``tool_calls``."""
    if isinstance(block, str):
        return Text(block) if block else None
    if not isinstance(block, Mapping):
        return Other("unknown", {"value": plain(block)})
    type = str(block.get("type") or "unknown")
    if type in LISTED_ELSEWHERE:
        return None
    read = BLOCKS.get(type)
    if read is not None:
        return read(block)
    return Other(type, {str(k): v for k, v in _fields(_without_bytes(block)).items() if k != "type"})


def _text(block: Mapping[str, Any]) -> Part | None:
    text = block.get("text")
    return Text(text) if isinstance(text, str) and text else None


def _reasoning(block: Mapping[str, Any]) -> Part | None:
    for name in ("reasoning", "thinking", "text"):
        if isinstance(block.get(name), str) and block[name]:
            return Reasoning(block[name])
    summary = [one.get("text") for one in as_list(block.get("summary")) if isinstance(one, Mapping)]
    text = "\n".join(one for one in summary if isinstance(one, str))
    return Reasoning(text) if text else None


def _server_call(block: Mapping[str, Any]) -> Part:
    return ServerToolCall(str(block.get("name") or block.get("type")), _fields(block), block.get("id"))


def _server_result(block: Mapping[str, Any]) -> Part:
    id = block.get("tool_call_id") or block.get("tool_use_id") or block.get("id")
    return ServerToolCallResponse(_fields(block), id, failed=block.get("status") == "error")


def _media(block: Mapping[str, Any]) -> Part:
    modality = MODALITIES.get(str(block.get("type")), "document")
    nested = block.get(str(block.get("type")))
    source = block.get("source")
    fields: Mapping[str, Any] = next((one for one in (nested, source) if isinstance(one, Mapping)), block)
    uri = nested if isinstance(nested, str) else fields.get("url")
    mime_type = fields.get("mime_type") or fields.get("media_type")
    data = fields.get("base64") or fields.get("data") or fields.get("file_data")
    begin = 0
    if isinstance(uri, str) and uri.startswith("data:"):
        begin = uri.find(",") + 1
        head, data = uri[5 : max(begin - 1, 5)], uri
        uri, mime_type = None, head.partition(";")[0] or mime_type
    digest, size = _digest(data, begin) if isinstance(data, (str, bytes)) and data else (None, None)
    return Media(modality, uri, fields.get("file_id"), mime_type, digest, size)


def _digest(data: str | bytes, begin: int) -> tuple[str, int]:
    """Digest of inline media from ``begin`` on and their size in bytes; of large ones sampled, as given."""
    length = len(data) - begin
    if length <= WHOLE_BYTES:
        return digest_of(data[begin:]) if isinstance(data, str) else digest_of_bytes(data)
    size = length * 3 // 4 if isinstance(data, str) else length
    digest = hashlib.sha256(str(length).encode())
    step = (length - SAMPLE_BYTES) // (SAMPLES - 1)
    for start in range(begin, len(data) - SAMPLE_BYTES + 1, step):
        digest.update(_bytes(data[start : start + SAMPLE_BYTES]))
    return "sampled-sha256:" + digest.hexdigest(), size


def _bytes(data: str | bytes) -> bytes:
    return data.encode("utf-8", "replace") if isinstance(data, str) else data


def _without_bytes(block: Any) -> Any:
    if isinstance(block, Mapping) and block.get("type") in MODALITIES:
        media = _media(block)
        return {name: value for name in ("modality", "uri", "digest") if (value := getattr(media, name))}
    return block


def _fields(block: Any) -> Mapping[str, Any]:
    fields = plain(block)
    return fields if isinstance(fields, Mapping) else {"value": fields}


MODALITIES: Mapping[str, str] = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "file": "document",
    "input_file": "document",
    "document": "document",
}
"""Modality by the type of a block that carries media."""

LISTED_ELSEWHERE = frozenset(
    {"tool_call", "tool_use", "function_call", "tool_call_chunk", "input_json_delta", "invalid_tool_call"}
)

BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], Part | None]] = {
    "text": _text,
    "output_text": _text,
    "input_text": _text,
    "reasoning": _reasoning,
    "thinking": _reasoning,
    "server_tool_call": _server_call,
    "server_tool_use": _server_call,
    "web_search_call": _server_call,
    "file_search_call": _server_call,
    "code_interpreter_call": _server_call,
    "image_generation_call": _server_call,
    "mcp_call": _server_call,
    "server_tool_result": _server_result,
    "web_search_tool_result": _server_result,
    "code_execution_tool_result": _server_result,
    **dict.fromkeys(MODALITIES, _media),
}
"""Reader by a block's type, LangChain's and the providers'."""


def as_text(value: Any) -> str:
    """A value that the user sees, as text: JSON where it is none, with messages as what they say."""
    made = plain(_spoken(value))
    return made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)


def _spoken(value: Any) -> Any:
    if is_message(value):
        return text_of(value)
    if isinstance(value, Mapping):
        return {name: _spoken(one) for name, one in value.items()}
    return [_spoken(one) for one in value] if isinstance(value, (list, tuple)) else value
