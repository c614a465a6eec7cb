"""Messages in the JSON of OpenAI's two APIs: of our capture, and as others put them on their spans. Pure.

Chat Completions, Responses and the providers that speak them use the same handful of shapes under slightly
different names; so do Anthropic and LangChain within them. What is of a type that is not known is retained as
`Other`, as it came. Values may be anything: an application hands in objects of the SDK as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import (
    Json,
    JsonObject,
    digest_of,
    read_json_object,
    read_list,
    read_str,
    to_json,
)
from greenflash_otel.model.operation import (
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.roles import ASSISTANT, TOOL, read_role
from greenflash_otel.semconv.expected_json import read_entries
from greenflash_otel.semconv.formats.bedrock import read_own_block
from greenflash_otel.semconv.formats.media import make_media, media_of
from greenflash_otel.semconv.formats.openai_tools import (
    CALLS,
    OUTPUT,
    PROGRAM,
    PROGRAM_OUTPUT,
    SERVER_BLOCKS,
    SERVER_CALLS,
    SERVER_RESULTS,
    TOOL_SEARCH_CALL,
    TOOL_SEARCH_OUTPUT,
    is_tool_search_of_client,
    read_call,
    read_calls,
    read_executed_tools,
    read_output,
    read_program,
    read_program_output,
    read_server_block,
    read_server_call,
    read_tool_search,
)

REFUSAL = "refusal"
THOUGHTS = ("summary", "content", "reasoning", "thinking", "text")
"""Where the words of reasoning stand: OpenAI's items and parts, Mistral's, Anthropic's, LangChain's."""
CITATIONS = ("annotations", "citations")
"""Where citations are: OpenAI's and LangChain's, Anthropic's."""
MESSAGE_FIELDS = frozenset({"role", "tool_calls", "function_call", "refusal", "audio"})
"""An entry that has one of them, or a content, is a message, whatever its type is called."""

ITEM_ROLES: Mapping[str, str] = {
    "mcp_approval_response": "user",
    "additional_tools": "system",
    "compaction_trigger": "system",
    "configuration_update": "system",
}
"""Who an item without a role speaks for; any other is the model's."""


# --- messages --------------------------------------------------------------------------------------


def read_message(entry: JsonObject, default_role: str = "user") -> Message:
    """Read a message of Chat Completions, or an entry of that shape.

    Args:
        default_role: Of what names none.
    """
    role, content = read_role(entry.get("role"), default_role), entry.get("content")
    if len(entry) == 2 and isinstance(content, str) and content and role != TOOL:
        return Message(role, (Text(content),))  # most of a long history, and so in a fraction of the time
    parts = _read_tool_results(entry) if role == TOOL else tuple(read_said(entry))
    return Message(role, parts, name=read_str(entry.get("name")))


def read_messages(value: object, role: str = "user") -> tuple[Message, ...]:
    """Read a list of messages or items, one of them, or a text; a model's that follow on each other are one.

    So an answer that is sent back reads as it did when it was new, though each of its items comes by itself.

    Args:
        role: Of what names none.
    """
    if isinstance(value, str):
        return (Message(role, (Text(value),)),) if value else ()
    messages: list[Message] = []
    for entry in read_entries(read_list(value) or [value]):
        message = _read_entry(_as_object(entry), role)
        if not message.parts:
            continue
        if messages and message.role == messages[-1].role == ASSISTANT:
            message = Message(ASSISTANT, messages.pop().parts + message.parts)
        messages.append(message)
    return tuple(messages)


def _as_object(entry: object) -> JsonObject:
    return {"content": entry} if isinstance(entry, str) and entry else read_json_object(entry)


def read_parts(value: object) -> tuple[Part, ...]:
    """Read the parts of all items of a response's output, or of instructions: those can be a text, too."""
    if isinstance(value, str):
        return read_content(value)
    return tuple(part for item in read_list(value) for part in read_item(read_json_object(item)))


def read_item(item: JsonObject) -> tuple[Part, ...]:
    """Read the parts of one item; a reasoning item that shows nothing has none."""
    return _read_entry(item, ASSISTANT).parts


def _read_entry(entry: JsonObject, role: str) -> Message:
    """Read a message or an item."""
    kind = read_str(entry.get("type")) or ""
    if kind.endswith(OUTPUT):
        return Message(TOOL, (read_output(entry),))
    reader = ITEMS.get(kind)
    if reader is None and kind not in ITEM_ROLES and _is_message(entry, kind):
        return read_message(entry, role)
    parts = reader(entry, kind) if reader else (_unseal(entry),)
    speaker = ITEM_ROLES.get(kind, ASSISTANT) if kind else role
    if kind == TOOL_SEARCH_OUTPUT and is_tool_search_of_client(entry):
        speaker = TOOL
    return Message(read_role(entry.get("role"), speaker), parts)


def _is_message(entry: JsonObject, kind: str) -> bool:
    """Return whether an entry is a message, also where its type is not called so."""
    if kind == "message" or not entry or not MESSAGE_FIELDS.isdisjoint(entry):
        return True
    return "content" in entry and not isinstance(entry["content"], (int, float))


def _unseal(item: JsonObject) -> Part:
    """Return an item unchanged, but with a digest for content that only the provider can read."""
    sealed = read_str(item.get("encrypted_content"))
    return read_other({**item, "encrypted_content": digest_of(sealed)[0]} if sealed else item)


def _read_tool_results(entry: JsonObject) -> tuple[Part, ...]:
    """Read what a tool answered; Anthropic and Bedrock have results within the content, each with its id."""
    parts = read_content(entry.get("content")) if isinstance(entry.get("content"), list) else ()
    results = tuple(part for part in parts if isinstance(part, ToolCallResponse))
    return results or (_read_tool_result(entry),)


def _read_tool_result(entry: JsonObject) -> Part:
    failed = entry.get("status") == "error" or entry.get("is_error") is True
    id = read_str(entry.get("tool_call_id"))
    return ToolCallResponse(to_json(entry.get("content")), id, failed)


def read_said(entry: JsonObject, read: Callable[[object], tuple[Part, ...]] | None = None) -> Iterator[Part]:
    """Read what a message says in its content, and in the fields next to it.

    Args:
        read: Reads the content; by default `read_content`.

    DeepSeek and older vLLM say ``reasoning_content``; OpenRouter, Groq and newer vLLM ``reasoning``.
    """
    if thought := read_str(entry.get("reasoning_content")) or read_str(entry.get("reasoning")):
        yield Reasoning(thought)
    yield from read_executed_tools(entry)
    parts = (read or read_content)(entry.get("content"))
    cited = _read_annotations(entry)
    yield from _annotate(parts, cited) if cited else parts
    if refused := read_str(entry.get("refusal")):
        yield read_refusal(refused)
    if audio := read_json_object(entry.get("audio")):
        yield _read_sound(audio)
    known_ids = {part.id for part in parts if isinstance(part, ToolCall)}
    yield from (call for call in read_calls(entry) if call.id is None or call.id not in known_ids)


def _read_sound(audio: JsonObject) -> Media:
    data = read_str(audio.get("data"))
    sound = make_media(data, "audio") if data else Media("audio")
    return replace(sound, file_id=read_str(audio.get("id")), transcript=read_str(audio.get("transcript")))


# --- content ---------------------------------------------------------------------------------------


def read_content(content: object) -> tuple[Part, ...]:
    """Read the parts of a content: a text, a list of parts, or one part; empty text is no part."""
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(
        part for entry in read_entries(read_list(content) or [content]) for part in _read_part(entry)
    )


def read_refusal(text: str) -> Part:
    """Return what the model said instead of an answer."""
    return Other(REFUSAL, {"content": text})


def read_other(fields: JsonObject) -> Part:
    """Return a part or an item of a type we do not know, as it came."""
    named = "type" if fields.get("type") else "kind"
    retained = {str(name): to_json(value) for name, value in fields.items() if name != named}
    return Other(read_str(fields.get(named)) or "unknown", retained)


def _read_part(entry: object) -> tuple[Part, ...]:
    if isinstance(entry, str):
        return (Text(entry),) if entry else ()
    fields = read_json_object(entry)
    if not fields:
        return ()
    kind = read_str(fields.get("type")) or read_str(fields.get("kind")) or ""
    if (reader := PARTS.get(kind)) and (parts := reader(fields, kind)) is not None:
        return parts
    if not kind and (parts := read_own_block(fields)) is not None:
        return parts
    return (_read_medium(fields) or read_other(fields),)


def _read_medium(fields: JsonObject) -> Media | None:
    url = None if "citation" in (read_str(fields.get("type")) or "") else read_str(fields.get("url"))
    return media_of(fields) or (make_media(url) if url else None)  # a citation's address is no picture's


def _read_text(fields: JsonObject, kind: str) -> tuple[Part, ...] | None:
    text = fields.get("text")
    if text is None and kind:
        return ()  # says only that there was one, as some producers write with content capture off
    if isinstance(text, str) and text:
        return (Text(text, _read_annotations(fields)),)
    return () if isinstance(text, str) else None


def _read_annotations(fields: JsonObject) -> tuple[Json, ...]:
    citations = next((citations for name in CITATIONS if (citations := fields.get(name))), None)
    return tuple(map(to_json, read_list(citations))) if citations else ()


def _annotate(parts: tuple[Part, ...], annotations: tuple[Json, ...]) -> tuple[Part, ...]:
    """Return parts of which the last text has the annotations of its message."""
    last = max((at for at, part in enumerate(parts) if isinstance(part, Text)), default=None)
    return tuple(
        replace(part, annotations=(*part.annotations, *annotations))
        if isinstance(part, Text) and at == last
        else part
        for at, part in enumerate(parts)
    )


def _read_refused(fields: JsonObject, kind: str) -> tuple[Part, ...] | None:
    text = read_str(fields.get("refusal")) or read_str(fields.get("content"))
    return (read_refusal(text),) if text else None


def _read_thought(fields: JsonObject, kind: str) -> tuple[Part, ...]:
    texts = [_text_of(fields.get(name)) for name in THOUGHTS]
    return _make_parts(Reasoning, "\n\n".join(text for text in texts if text))


def _make_parts(kind: Callable[[str], Part], text: str) -> tuple[Part, ...]:
    return (kind(text),) if text else ()


def _text_of(content: object) -> str:
    """Return a text, or the texts of a list of ``{"text": …}``, one paragraph each."""
    if isinstance(content, str):
        return content
    texts = (read_str(read_json_object(part).get("text")) for part in read_list(content))
    return "\n\n".join(text for text in texts if text)


def _read_call(fields: JsonObject, kind: str) -> tuple[Part, ...]:
    return (read_call(fields, kind, fields.get("id")),)


def _read_result(fields: JsonObject, kind: str) -> tuple[Part, ...]:
    """Read the result of a tool as Anthropic has it among the parts of a content."""
    id = read_str(fields.get("tool_use_id")) or read_str(fields.get("tool_call_id"))
    content = fields.get("content")
    return (ToolCallResponse(_text_of(content) or to_json(content), id, fields.get("is_error") is True),)


ITEMS: Mapping[str, Callable[[JsonObject, str], tuple[Part, ...]]] = {
    "reasoning": _read_thought,
    PROGRAM: lambda item, kind: (read_program(item),),
    PROGRAM_OUTPUT: lambda item, kind: (read_program_output(item),),
    **dict.fromkeys((TOOL_SEARCH_CALL, TOOL_SEARCH_OUTPUT), read_tool_search),
    **dict.fromkeys(CALLS, _read_call),
    **dict.fromkeys(SERVER_CALLS, read_server_call),
}
"""How the items of a type are read."""

PARTS: Mapping[str, Callable[[JsonObject, str], tuple[Part, ...] | None]] = {
    **dict.fromkeys(("", "text", "input_text", "output_text"), _read_text),
    **dict.fromkeys(("reasoning", "thinking", "reasoning_text", "summary_text"), _read_thought),
    REFUSAL: _read_refused,
    "tool_result": _read_result,
    **dict.fromkeys((*SERVER_BLOCKS, *SERVER_RESULTS), read_server_block),
    **dict.fromkeys((TOOL_SEARCH_CALL, TOOL_SEARCH_OUTPUT), read_tool_search),
    **dict.fromkeys(CALLS, _read_call),
    **dict.fromkeys(SERVER_CALLS, read_server_call),
}
"""How parts of a type are read; None from a reader means that the part is not of the shape its type has."""
