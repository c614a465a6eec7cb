"""Messages and their parts as the JSON of the OpenTelemetry GenAI conventions, both ways. Pure.

``gen_ai.input.messages`` and its kin contain a list of ``{"role", "parts": [{"type", …}]}``. On spans it
is usually a JSON string, from SDK 1.45 on it may also be nested values; both are read. Media bytes are
replaced by a digest on the way in. A part of an unknown type survives as `Other`, text that is not
JSON, though it begins so, as ``Other("unparsed", …)``: nothing is dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from greenflash_otel.any_json import write_any_json as write_json
from greenflash_otel.json_values import digest_of, read_json, read_structure
from greenflash_otel.model.operation import (
    Json,
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
from greenflash_otel.semconv.formats.records import read_call, read_voice, write_record

JsonObject: TypeAlias = Mapping[str, Json]
PartReader: TypeAlias = Callable[[Json], Part]
PartWriter: TypeAlias = Callable[[Part], JsonObject]

TEXTS = ("text", "reasoning", "thinking")
"""Types of parts that are nothing without their content."""
UNPARSED = "unparsed"
"""Type of the `Other` part that keeps an attribute which was not the JSON it should be."""
BROKEN = re.compile(r"""\s*[\[{]\s*[\[{]?\s*(["'])(?:role|parts|content|type)\1\s*:""")
"""How JSON of messages begins; if such a text cannot be read, nobody said it as it is."""
AS_IT_IS = "greenflash.as_it_is"
"""Key that marks a part which a reader of all that producers write would take for something else."""
FIELDS = "greenflash.fields"
"""Key of the fields of a marked `Other`, which may be called anything."""


def write_messages(messages: Sequence[Message], write: PartWriter | None = None) -> str:
    """Encode messages as the convention's JSON.

    Args:
        write: Encodes each part; by default `write_part`.
    """
    return write_json([_write_message(message, write or write_part) for message in messages])


def write_parts(parts: Sequence[Part]) -> str:
    """Encode parts, as ``gen_ai.system_instructions`` wants them."""
    return write_json([write_part(part) for part in parts])


def read_messages(value: object, *, default_role: str, read: PartReader | None = None) -> tuple[Message, ...]:
    """Decode the value of a messages attribute; a message that names no role has ``default_role``.

    Args:
        read: Decodes each part; by default `read_part`.
    """
    decoded = read_json(value)
    if decoded is None:
        return ()
    if isinstance(decoded, (str, int, float)):
        return read_plain(decoded if isinstance(decoded, str) else write_json(decoded), default_role)
    entries = decoded if isinstance(decoded, Sequence) and not isinstance(decoded, bytes) else (decoded,)
    return tuple(_read_message(entry, default_role, read or read_part) for entry in entries)


def read_plain(text: str, role: str) -> tuple[Message, ...]:
    """Read what is no JSON of messages: a text that was said, unless it only begins like such JSON."""
    if not text.strip():
        return ()
    return (Message(role, (Other(UNPARSED, {"text": text}) if BROKEN.match(text) else Text(text),)),)


def read_parts(value: object, read: PartReader | None = None) -> tuple[Part, ...]:
    """Decode the value of ``gen_ai.system_instructions``; plain text is one text part."""
    decoded, read = read_json(value), read or read_part
    if decoded is None:
        return ()
    if isinstance(decoded, Sequence) and not isinstance(decoded, str):
        return tuple(read(part) for part in decoded)
    return (read(decoded),)


# --- writing ---------------------------------------------------------------------------------------


def _write_message(message: Message, write: PartWriter) -> dict[str, Json]:
    entry: dict[str, Json] = {"role": message.role, "parts": [write(part) for part in message.parts]}
    if message.name is not None:
        entry["name"] = message.name
    if message.finish_reason is not None:
        entry["finish_reason"] = message.finish_reason
    if message.voice is not None:
        entry["voice"] = write_record(message.voice)
    if message.at_ms is not None:
        entry["at_ms"] = message.at_ms
    if message.out_of_band_id is not None:
        entry["aside"] = message.out_of_band_id
    if message.call is not None:
        entry["call"] = write_record(message.call)
    return entry


def write_part(part: Part) -> JsonObject:
    """Encode one part."""
    match part:
        case Text(content, annotations):
            text: JsonObject = {"type": "text", "content": content}
            return {**text, "annotations": annotations} if annotations else text
        case Reasoning(content):
            return {"type": "reasoning", "content": content}
        case ToolCall(name, arguments, id, caller_id):
            call: JsonObject = {"type": "tool_call", "id": id, "name": name, "arguments": arguments}
            return {**call, "caller_id": caller_id} if caller_id else call
        case ToolCallResponse(response, id, failed, name):
            answer: JsonObject = {"type": "tool_call_response", "id": id, "response": response}
            return {**answer, **({"name": name} if name else {}), **_write_failed(failed)}
        case ServerToolCall(name, request, id):
            return {"type": "server_tool_call", "id": id, "name": name, "server_tool_call": request}
        case ServerToolCallResponse(response, id, failed):
            body: JsonObject = {"type": "server_tool_call_response", "id": id}
            return {**body, "server_tool_call_response": response, **_write_failed(failed)}
        case Media():
            return _write_media(part)
        case Other(type, fields):
            return {**fields, "type": type}


def mark_part(part: Part) -> JsonObject:
    """Encode one part so that `read_marked` decodes exactly that, whatever it looks like."""
    if isinstance(part, Other):
        return {"type": part.type, FIELDS: part.fields, AS_IT_IS: True}
    return {**write_part(part), AS_IT_IS: True}


def _write_failed(failed: bool) -> JsonObject:
    return {"is_error": True} if failed else {}


def _write_media(media: Media) -> JsonObject:
    type = "uri" if media.uri is not None else "file" if media.file_id is not None else "blob"
    fields: JsonObject = {
        "type": type,
        "modality": media.modality,
        "mime_type": media.mime_type,
        "uri": media.uri,
        "file_id": media.file_id,
        "digest": media.digest,
        "size_bytes": media.size_bytes,
        "transcript": media.transcript,
    }
    return {name: value for name, value in fields.items() if value is not None}


# --- reading ---------------------------------------------------------------------------------------


def _read_message(entry: Json, default_role: str, read: PartReader) -> Message:
    if not isinstance(entry, Mapping):
        return Message(default_role, (read(entry),))
    parts = entry.get("parts")
    if parts is None and "content" in entry:  # an OpenAI-shaped message, as some producers write
        parts = (entry["content"],)
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        parts = () if parts is None else (parts,)
    return Message(
        role=_read_str(entry.get("role")) or default_role,
        parts=tuple(read(part) for part in parts if part is not None and not is_left_out(part)),
        name=_read_str(entry.get("name")),
        finish_reason=_read_str(entry.get("finish_reason")),
        voice=read_voice(entry.get("voice")),
        at_ms=at_ms if isinstance(at_ms := entry.get("at_ms"), int) else None,
        out_of_band_id=_read_str(entry.get("aside")),
        call=read_call(entry.get("call")),
    )


def is_left_out(part: Json) -> bool:
    """Return whether a part says only that there was one, as some write with content capture off."""
    if not isinstance(part, Mapping) or part.get("type") not in TEXTS or AS_IT_IS in part:
        return False
    return part.get("content") is None and part.get("text") is None


def read_part(part: Json) -> Part:
    """Decode one part; text alone is a text part."""
    if isinstance(part, str):
        return Text(part)
    if not isinstance(part, Mapping):
        return Other(UNPARSED, {"value": part})
    if (marked := read_marked(part)) is not None:
        return marked
    if "type" not in part and isinstance(content := part.get("content"), str):  # its type was cut off
        modality, mime_type = _read_str(part.get("modality")), _read_str(part.get("mime_type"))
        return Media(modality, mime_type=mime_type) if modality else Text(content)
    read = READERS.get(_read_str(part.get("type")) or "")
    return read(part) if read else _read_other(part)


def read_marked(part: Json) -> Part | None:
    """Decode a part that `mark_part` encoded; None if it is not marked."""
    if not isinstance(part, Mapping) or part.get(AS_IT_IS) is not True:
        return None
    if isinstance(fields := part.get(FIELDS), Mapping):
        return Other(_read_str(part.get("type")) or "unknown", fields)
    return read_part({name: value for name, value in part.items() if name != AS_IT_IS})


def _read_text(part: JsonObject) -> Part:
    content, annotations = part.get("content"), part.get("annotations")
    if not isinstance(content, str):
        return _read_other(part)
    return Text(content, tuple(annotations)) if isinstance(annotations, (list, tuple)) else Text(content)


def _read_reasoning(part: JsonObject) -> Part:
    content = part.get("content")
    return Reasoning(content) if isinstance(content, str) else _read_other(part)


def _read_tool_call(part: JsonObject) -> Part:
    return ToolCall(
        name=_read_str(part.get("name")) or "unknown",
        arguments=read_structure(part.get("arguments")),
        id=_read_str(part.get("id")),
        caller_id=_read_str(part.get("caller_id")),
    )


def _read_tool_call_response(part: JsonObject) -> Part:
    # The schema says "response"; its own examples and Pydantic AI say "result".
    response = part["response"] if "response" in part else part.get("result")
    id, name = _read_str(part.get("id")), _read_str(part.get("name")) or None
    return ToolCallResponse(response, id, failed=part.get("is_error") is True, name=name)


def _read_server_tool_call(part: JsonObject) -> Part:
    call = part.get("server_tool_call")
    if not isinstance(call, Mapping):
        return _read_other(part)
    return ServerToolCall(_read_str(part.get("name")) or "unknown", call, _read_str(part.get("id")))


def _read_server_tool_call_response(part: JsonObject) -> Part:
    response = part.get("server_tool_call_response")
    if not isinstance(response, Mapping):
        return _read_other(part)
    return ServerToolCallResponse(response, _read_str(part.get("id")), failed=part.get("is_error") is True)


def _read_url(part: JsonObject) -> Part:
    """Read a medium of Pydantic AI, formats 2 and 3: ``image-url`` and its like."""
    modality = (_read_str(part.get("type")) or "").removesuffix("-url")
    return Media(
        modality or "document",
        uri=_read_str(part.get("url")),
        mime_type=_read_str(part.get("media_type")),
    )


def _read_binary(part: JsonObject) -> Part:
    """Read a medium of Pydantic AI, formats 2 and 3."""
    mime_type = _read_str(part.get("media_type")) or ""
    modality = mime_type.partition("/")[0]
    known_modality = modality if modality in ("image", "audio", "video") else "document"
    return _read_media(
        {"modality": known_modality, "mime_type": mime_type or None, "content": part.get("content")}
    )


def _read_media(part: JsonObject) -> Part:
    digest, size = _read_str(part.get("digest")), part.get("size_bytes")
    content = part.get("content")
    if isinstance(content, str) and content:
        digest, size = digest_of(content)
    return Media(
        modality=_read_str(part.get("modality")) or "document",
        uri=_read_str(part.get("uri")),
        file_id=_read_str(part.get("file_id")),
        mime_type=_read_str(part.get("mime_type")),
        digest=digest,
        size_bytes=size if isinstance(size, int) else None,
        transcript=_read_str(part.get("transcript")),
    )


def _read_other(part: JsonObject) -> Part:
    fields = {name: value for name, value in part.items() if name != "type"}
    return Other(_read_str(part.get("type")) or "unknown", fields)


def _read_str(value: Json) -> str | None:
    return value if isinstance(value, str) else None


READERS: Mapping[str, Callable[[JsonObject], Part]] = {
    "text": _read_text,
    "reasoning": _read_reasoning,
    "thinking": _read_reasoning,  # Pydantic AI
    "tool_call": _read_tool_call,
    "tool_call_response": _read_tool_call_response,
    "server_tool_call": _read_server_tool_call,
    "server_tool_call_response": _read_server_tool_call_response,
    "blob": _read_media,
    "uri": _read_media,
    "file": _read_media,
    "binary": _read_binary,
    "image-url": _read_url,
    "audio-url": _read_url,
    "video-url": _read_url,
    "document-url": _read_url,
}
"""Reader by part type; a type that is not here is retained as `Other`."""
