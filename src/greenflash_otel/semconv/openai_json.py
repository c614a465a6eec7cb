"""Messages in the JSON of OpenAI's two APIs, which many instrumentations put on spans as they are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenflash_otel.operations import (
    Json,
    Message,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.parts import read_structure
from greenflash_otel.semconv.pictures import picture_at

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
    kind = entry.get("type")
    if kind == "function_call":
        yield _call(entry, entry.get("call_id"))
    elif kind == "function_call_output":
        yield ToolCallResponse(_output(entry.get("output")), _text(entry.get("call_id")))
    elif kind == "reasoning":
        yield from _thought(entry)
    elif entry.get("role") in ("tool", "function"):
        failed = entry.get("status") == "error" or entry.get("is_error") is True
        yield ToolCallResponse(_output(entry.get("content")), _text(entry.get("tool_call_id")), failed)
    else:
        if thought := _text(entry.get("reasoning_content")):
            yield Reasoning(thought)
        said = list(read_content(entry.get("content")))
        yield from said
        known = {part.id for part in said if isinstance(part, ToolCall)}
        yield from (call for call in calls_of(entry) if call.id is None or call.id not in known)


def calls_of(entry: Entry) -> Iterator[ToolCall]:
    """The tools that a message asks for, beside its content."""
    calls = entry.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            function = call.get("function")
            yield _call(function if isinstance(function, Mapping) else call, call.get("id"))


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
    kind, text, picture = part.get("type") or part.get("kind"), part.get("text"), part.get("image_url")
    url = picture.get("url") if isinstance(picture, Mapping) else picture or part.get("url")
    if kind in ("reasoning", "thinking"):
        yield from _thought(part)
    elif kind in ("function_call", "tool_use"):
        yield _call(part, part.get("call_id") or part.get("id"))
    elif isinstance(text, str) and (kind in TEXTS or kind is None):
        yield from [Text(text)] if text else []
    elif isinstance(url, str):
        yield picture_at(url)
    elif isinstance(data := part.get("binary_content"), str):
        yield picture_at(f"data:{part.get('media_type') or ''};base64,{data}")
    elif kind not in TEXTS:
        names = ("type",) if part.get("type") else ("kind",)
        yield Other(str(kind or "unknown"), {name: one for name, one in part.items() if name not in names})


def _thought(entry: Entry) -> Iterator[Part]:
    texts = [_said(entry.get(name)) for name in ("summary", "content", "reasoning", "thinking", "text")]
    if text := "\n\n".join(one for one in texts if one):
        yield Reasoning(text)


def _output(content: Json) -> Json:
    """What a tool answered: its text, if that is all."""
    return _said(content) or (content if isinstance(content, (Mapping, list)) and content else "")


def _said(content: Json) -> str:
    """The text of a content that is nothing else."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n\n".join(text for text in texts if isinstance(text, str))


def _call(function: Entry, id: Json) -> ToolCall:
    names = ("arguments", "args", "input")
    arguments = next((function[name] for name in names if name in function), None)
    return ToolCall(str(function.get("name") or "unknown"), read_structure(arguments), _text(id))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
