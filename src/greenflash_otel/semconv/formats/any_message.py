"""Messages under OpenTelemetry's names, in the JSON that producers really write there. Pure.

The convention's parts, OpenAI's and Gemini's messages, the parts of one with the tool calls of the other:
what an entry is follows from its keys. JSON that was cut is read as far as it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.any_json import write_any_json as write_json
from greenflash_otel.json_values import read_json, read_str
from greenflash_otel.model.operation import (
    Json,
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCallResponse,
)
from greenflash_otel.model.roles import TOOL, read_role
from greenflash_otel.semconv.expected_json import is_message, read_entries, read_messages_document
from greenflash_otel.semconv.formats import openai
from greenflash_otel.semconv.formats import otel_messages as convention
from greenflash_otel.semconv.formats.bedrock import (
    is_bedrock,
    is_converse,
    read_blocks,
    read_own_block,
    result_of,
)
from greenflash_otel.semconv.formats.gemini import is_gemini, read_contents
from greenflash_otel.semconv.formats.media import make_media, media_of
from greenflash_otel.semconv.formats.openai_tools import read_calls

Entry = Mapping[str, Json]
PLAIN_FIELDS = frozenset({"role", "parts", "finish_reason"})
"""Fields of a message that says no more than texts."""


def read_messages(value: object, *, default_role: str) -> tuple[Message, ...]:
    """Decode the value of a messages attribute; a message that names no role has ``default_role``."""
    decoded = read_messages_document(value)
    if decoded in ({}, [], ()):
        return ()
    if isinstance(decoded, Mapping):
        decoded = decoded["messages"] if "messages" in decoded and "role" not in decoded else [decoded]
    if isinstance(decoded, (list, tuple)) and not (isinstance(value, str) and _is_other_json(decoded)):
        messages: list[Message] = []
        for entry in decoded:
            if (plain := _read_plain_entry(entry)) is not None:
                messages.append(plain)
            else:
                messages += _read_entry(entry, default_role)
        return tuple(messages)
    if decoded is None or isinstance(decoded, bytes):
        return ()
    text = decoded if isinstance(decoded, str) else value if isinstance(value, str) else write_json(decoded)
    return convention.read_plain(text, default_role)


def _is_other_json(entries: Sequence[Json]) -> bool:
    """Return whether a text that is JSON contains no message: then somebody said the JSON."""
    if entries and type(entries[0]) is dict and "parts" in entries[0]:
        return False  # a message of the convention, as nearly all are
    return bool(entries) and not any(isinstance(entry, str) or is_message(entry) for entry in entries)


def read_parts(value: object) -> tuple[Part, ...]:
    """Decode the value of ``gen_ai.system_instructions``; plain text is one text part."""
    return convention.read_parts(read_messages_document(value), _read_part)


def write_messages(messages: Sequence[Message]) -> str:
    """Encode messages as the convention's JSON, so that `read_messages` decodes the same."""
    return convention.write_messages(messages, _write_part)


def write_parts(parts: Sequence[Part]) -> str:
    """Encode parts, so that `read_parts` decodes the same."""
    return write_json([_write_part(part) for part in parts])


def _write_part(part: Part) -> Entry:
    """Encode a part; mark it if it would be read as another one."""
    written = convention.write_part(part)
    if not _may_be_mistaken(part):
        return written
    if convention.is_left_out(written):
        return convention.mark_part(part)
    read = _read_part(written)
    is_read = read == part or (
        isinstance(read, Other)
        and isinstance(part, Other)
        and read.type == part.type
        and write_json(read.fields) == write_json(part.fields)  # lists and tuples are the same JSON
    )
    return written if is_read else convention.mark_part(part)


def _may_be_mistaken(part: Part) -> bool:
    """Return whether a part has to be read to see what becomes of it: few have to be."""
    match part:
        case Reasoning(content):
            return content.startswith("[{")
        case ToolCallResponse(response):
            return isinstance(response, (list, tuple))
        case Media(uri=uri):
            return (uri or "").startswith("data:")
    return isinstance(part, Other)


def _read_plain_entry(entry: Json) -> Message | None:
    """Read a message of the convention that consists of texts, as `_read_entry` does: nearly all do."""
    if type(entry) is not dict or not PLAIN_FIELDS.issuperset(entry):
        return None
    role, parts, reason = entry.get("role"), entry.get("parts"), entry.get("finish_reason")
    if (
        type(role) is not str
        or not role
        or type(parts) is not list
        or not (reason is None or type(reason) is str)
    ):
        return None
    texts: list[Part] = []
    for part in parts:
        if type(part) is not dict or len(part) != 2 or part.get("type") != "text":
            return None
        if type(content := part.get("content")) is not str:
            return None
        texts.append(Text(content))
    if role == TOOL or not texts:
        return None
    return Message(role, tuple(texts), finish_reason=reason)


def _read_entry(entry: Json, role: str) -> Iterator[Message]:
    if isinstance(entry, Mapping) and isinstance(parts := entry.get("parts"), (list, tuple)):
        entry = {**entry, "parts": list(read_entries(parts))}
    if isinstance(entry, Mapping) and "parts" not in entry:
        yield from (_add_reason(entry, message) for message in openai.read_messages(entry, role))
    elif isinstance(entry, Mapping) and is_bedrock(entry["parts"]):
        yield Message(read_role(entry.get("role"), role), tuple(read_blocks(entry["parts"])))
    elif isinstance(entry, Mapping) and entry["parts"] and is_gemini(entry) and not _is_flat(entry):
        yield from read_contents(entry, role)
    else:
        (message,) = convention.read_messages([entry], default_role=role, read=_read_part)
        message_parts = message.parts
        recorded = read_calls(entry) if isinstance(entry, Mapping) else ()
        id = entry.get("tool_call_id") if isinstance(entry, Mapping) else None
        if message.role == "tool" and isinstance(id, str):
            message_parts = tuple(_make_result(part, id) for part in message_parts)
        yield replace(
            message, parts=(*message_parts, *(call for call in recorded if call not in message_parts))
        )


def _is_flat(entry: Entry) -> bool:
    """Return whether the parts are texts alone, which the convention reads as well."""
    parts = entry["parts"]
    return isinstance(parts, str) or (
        isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    )


def _read_part(part: Json) -> Part:
    """Decode one part, in whatever words."""
    marked = convention.read_marked(part)
    block = read_own_block(part) if isinstance(part, Mapping) else None
    if (
        block is None
        and marked is None
        and isinstance(part, Mapping)
        and len(part) == 1
        and is_converse([part])
    ):
        block = tuple(read_blocks([part]))
    if block is not None:
        return block[0] if block else Reasoning("")
    return marked or _read_medium(part) or _read_known(convention.read_part(part))


def _read_medium(part: Json) -> Part | None:
    """Read a medium in OpenAI's words, or with its data in the address; None if a part is none of these."""
    if not isinstance(part, Mapping):
        return None
    if part.get("type") == "uri" and str(part.get("uri")).startswith("data:"):
        return make_media(str(part["uri"]), str(part.get("modality") or "image"))
    return None if "modality" in part else media_of(part)


def _add_reason(entry: Entry, message: Message) -> Message:
    return replace(message, finish_reason=read_str(entry.get("finish_reason")))


def _read_known(part: Part) -> Part:
    """Read a part of a type that the convention does not have, if it is one of OpenAI's."""
    if isinstance(part, ToolCallResponse) and is_converse(part.response):
        return replace(part, response=result_of(part.response))
    if isinstance(part, Reasoning) and part.content.startswith("[{"):
        return Reasoning(_join_summaries(part.content))
    if not isinstance(part, Other) or part.type == convention.UNPARSED:
        return part
    parts = list(openai.read_content({**part.fields, "type": part.type}))
    return parts[0] if len(parts) == 1 else part


def _make_result(part: Part, id: str) -> Part:
    return ToolCallResponse(part.content, id) if isinstance(part, Text) else part


def _join_summaries(content: str) -> str:
    """Join the summaries that are in place of reasoning, as JSON."""
    recorded = read_json(content)
    texts = (
        [summary.get("text") for summary in recorded if isinstance(summary, Mapping)]
        if isinstance(recorded, list)
        else []
    )
    return "\n\n".join(text for text in texts if isinstance(text, str)) or content
