"""Messages in the JSON of Google's Gemini API: contents of parts, in either spelling of its names. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenflash_otel.model.operation import (
    Json,
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.roles import TOOL, read_role
from greenflash_otel.semconv.attributes import read_text

Entry = Mapping[str, Json]
KEYS = frozenset(
    {"text", "function_call", "functionCall", "function_response", "functionResponse"}
    | {"inline_data", "inlineData", "file_data", "fileData"}
)
LEFT_OUT = ("<elided>", "<not serializable>")
"""What stands in place of content that was not captured."""


def is_gemini(value: Json) -> bool:
    """Return whether a value is a content: it has parts, and their keys say what they are."""
    parts = value.get("parts") if isinstance(value, Mapping) else None
    if not isinstance(parts, list) or any(isinstance(part, Mapping) and "type" in part for part in parts):
        return False
    return any(isinstance(part, Mapping) and not KEYS.isdisjoint(part) for part in parts)


def read_contents(value: Json, role: str) -> tuple[Message, ...]:
    """Read the messages of a list of contents, of one, or of a text.

    Args:
        role: Of what names none.
    """
    if isinstance(value, str):
        return (Message(role, (Text(value),)),) if value and value not in LEFT_OUT else ()
    entries = value if isinstance(value, list) else [value]
    messages = (_read_message(entry, role) for entry in entries if isinstance(entry, Mapping))
    return tuple(message for message in messages if message.parts)


def _read_message(entry: Entry, role: str) -> Message:
    parts = entry.get("parts")
    read_parts = tuple(_read_parts(parts if isinstance(parts, list) else [parts]))
    if any(isinstance(part, ToolCallResponse) for part in read_parts):
        return Message(TOOL, read_parts)  # Gemini takes them from the user
    return Message(read_role(entry.get("role"), role), read_parts)


def _read_parts(parts: list[Json]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, str) and part not in LEFT_OUT:
            yield Text(part)
        elif isinstance(part, Mapping):
            yield from _read_part(part)


def _read_part(part: Entry) -> Iterator[Part]:
    words = part.get("text")
    called, result = _pick(part, "function_call"), _pick(part, "function_response")
    if isinstance(words, str):
        if words and words not in LEFT_OUT:
            yield Reasoning(words) if part.get("thought") is True else Text(words)
    elif isinstance(called, Mapping):
        yield ToolCall(read_text(called, "name") or "unknown", called.get("args"), read_text(called, "id"))
    elif isinstance(result, Mapping):
        response = result.get("response")
        id, name = read_text(result, "id"), read_text(result, "name")
        yield ToolCallResponse(response, id, has_failed(response), name)
    elif isinstance(data := _pick(part, "inline_data") or _pick(part, "file_data"), Mapping):
        yield _read_media(data)
    elif any(value is not None for value in part.values()):
        name, value = next((name, value) for name, value in part.items() if value is not None)
        yield Other(name, {"value": value})


def has_failed(response: Json) -> bool:
    """Return whether a tool answered that it failed, as Google's Agent Development Kit has it."""
    return isinstance(response, Mapping) and response.get("status") == "error"


def _read_media(data: Entry) -> Media:
    mime_type = read_text(data, "mime_type") or read_text(data, "mimeType") or ""
    modality = mime_type.partition("/")[0]
    known_modality = modality if modality in ("image", "audio", "video") else "document"
    uri = _pick(data, "file_uri")
    return Media(known_modality, uri=uri if isinstance(uri, str) else None, mime_type=mime_type or None)


def _pick(entry: Entry, name: str) -> Json:
    """Return a value by its name, ``function_call`` or ``functionCall``."""
    first, *rest = name.split("_")
    return entry[name] if name in entry else entry.get(first + "".join(word.title() for word in rest))
