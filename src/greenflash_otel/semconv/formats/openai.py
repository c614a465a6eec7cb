"""Messages in the JSON of OpenAI's two APIs, which many instrumentations put on spans as they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

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
from greenflash_otel.semconv.attributes import first_text, text
from greenflash_otel.semconv.formats.media import media_at, media_of
from greenflash_otel.semconv.formats.openai_items import (
    CALLS,
    REFUSAL,
    SERVER_CALLS,
    call_of,
    refusal_of,
    server_call_of,
)

Entry = Mapping[str, Json]
TEXTS = ("text", "input_text", "output_text", "summary_text", "reasoning_text")


def read_chat(value: Json, role: str) -> tuple[Message, ...]:
    """The messages of a list, of one message, or of a text; a model's that follow on each other are one.

    Args:
        role: Of what names none.
    """
    if isinstance(value, str):
        return (Message(role, (Text(value),)),) if value else ()
    found: list[Message] = []
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, Mapping):
            continue
        message = Message(_role(entry, role), tuple(_parts(entry)))
        if message.parts and found and message.role == found[-1].role == "assistant":
            message = Message("assistant", found.pop().parts + message.parts)
        if message.parts:
            found.append(message)
    return tuple(found)


def _role(entry: Entry, role: str) -> str:
    named = entry.get("role")
    if isinstance(named, str) and named:
        return named
    kind = str(entry.get("type") or "")
    if kind.endswith("_output"):
        return "tool"
    return "assistant" if kind.endswith("_call") or kind == "reasoning" else role


def _parts(entry: Entry) -> Iterator[Part]:
    kind = str(entry.get("type") or "")
    if kind in CALLS:
        yield call_of(entry, kind, entry.get("id"))
    elif kind in SERVER_CALLS:
        yield from server_call_of(entry, kind)
    elif kind.endswith("_call_output"):
        failed = entry.get("status") == "failed"
        yield ToolCallResponse(_output(entry.get("output")), text(entry, "call_id"), failed)
    elif kind == "reasoning":
        yield from _thought(entry)
    elif entry.get("role") in ("tool", "function"):
        failed = entry.get("status") == "error" or entry.get("is_error") is True
        yield ToolCallResponse(_output(entry.get("content")), text(entry, "tool_call_id"), failed)
    else:
        yield from _said_by(entry)


def _said_by(entry: Entry) -> Iterator[Part]:
    """What a message says in its content, and beside it."""
    if thought := text(entry, "reasoning_content"):
        yield Reasoning(thought)
    said = list(read_content(entry.get("content")))
    yield from said
    yield from _beside(entry)
    known = {part.id for part in said if isinstance(part, ToolCall)}
    yield from (call for call in calls_of(entry) if call.id is None or call.id not in known)


def _beside(entry: Entry) -> Iterator[Part]:
    """A refusal, and an answer in sound, which stand beside the content."""
    if refused := text(entry, REFUSAL):
        yield refusal_of(refused)
    if isinstance(audio := entry.get("audio"), Mapping):
        data, id, transcript = audio.get("data"), text(audio, "id"), text(audio, "transcript")
        sound = media_at(data, "audio") if isinstance(data, str) and data else Media("audio")
        yield replace(sound, file_id=id, transcript=transcript)


def calls_of(entry: Entry) -> Iterator[ToolCall]:
    """The tools that a message asks for, beside its content."""
    calls = entry.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            told = next((one for name in ("function", "custom") if (one := call.get(name))), call)
            yield call_of(told if isinstance(told, Mapping) else call, id=call.get("id"))
    if isinstance(function := entry.get("function_call"), Mapping):
        yield call_of(function)


def read_content(content: Json) -> Iterator[Part]:
    """The parts of a content: a text, a list of parts, or one part."""
    if isinstance(content, str) and content:
        yield Text(content)
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, Mapping):
            yield from _part(part)
        elif isinstance(part, str) and part and part != content:
            yield Text(part)


def _part(part: Entry) -> Iterator[Part]:
    kind, said, url = str(part.get("type") or part.get("kind") or ""), part.get("text"), part.get("url")
    if kind in ("reasoning", "thinking"):
        yield from _thought(part)
    elif kind in ITEMS:
        yield from ITEMS[kind](part, kind)
    elif isinstance(said, str) and kind in ("", *TEXTS):
        yield from [Text(said)] if said else []
    elif medium := media_of(part):
        yield medium
    elif isinstance(url, str):
        yield media_at(url)
    elif kind not in TEXTS:
        names = ("type",) if part.get("type") else ("kind",)
        yield Other(kind or "unknown", {name: one for name, one in part.items() if name not in names})


def _read_call(part: Entry, kind: str) -> Iterator[Part]:
    yield call_of(part, kind, part.get("id"))


def _read_result(part: Entry, kind: str) -> Iterator[Part]:
    id = text(part, "tool_use_id") or text(part, "tool_call_id")
    yield ToolCallResponse(_output(part.get("content")), id, part.get("is_error") is True)


def _read_refusal(part: Entry, kind: str) -> Iterator[Part]:
    if refused := first_text(part, (REFUSAL, "content")):
        yield refusal_of(refused)


ITEMS: Mapping[str, Callable[[Entry, str], Iterator[Part]]] = {
    **dict.fromkeys(CALLS, _read_call),
    **dict.fromkeys(SERVER_CALLS, server_call_of),
    "tool_result": _read_result,
    REFUSAL: _read_refusal,
}
"""How parts of a content are read that are more than text."""


def _thought(entry: Entry) -> Iterator[Part]:
    texts = [_said(entry.get(name)) for name in ("summary", "content", "reasoning", "thinking", "text")]
    if thought := "\n\n".join(one for one in texts if one):
        yield Reasoning(thought)


def _output(content: Json) -> Json:
    """What a tool answered: its text, if that is all."""
    return _said(content) or (content if isinstance(content, (Mapping, list)) and content else "")


def _said(content: Json) -> str:
    """The text of a content that is nothing else."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n\n".join(one for one in texts if isinstance(one, str))
