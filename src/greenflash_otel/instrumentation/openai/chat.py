"""Chat Completions: request and answer as an `Operation`'s values. Pure.

Reads what OpenAI and the providers that imitate it send: reasoning under two names, content as text or
as parts, tool calls of functions and of custom tools, the legacy function call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import Answer, kept, read_failure
from greenflash_otel.instrumentation.openai.parts import inline_media, read_content, refusal
from greenflash_otel.instrumentation.openai.request import Request
from greenflash_otel.json_values import (
    JsonObject,
    as_count,
    as_list,
    as_object,
    as_text,
    read_structure,
    to_json,
)
from greenflash_otel.model.operation import (
    Json,
    Media,
    Message,
    Operation,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.usage import read_usage

TOOL_ROLES = ("tool", "function")


def read_request(request: Request, operation: Operation) -> Operation:
    """``operation`` with what a request asks for."""
    body = request.body
    return replace(
        operation,
        input=tuple(read_message(as_object(entry)) for entry in as_list(body.get("messages"))),
        output_type=output_type(body.get("response_format")),
        choice_count=as_count(body.get("n")) or 1,
    )


def output_type(format: object) -> str | None:
    """``json`` where a request asks for it in either of two ways."""
    asked = as_text(as_object(format).get("type"))
    return "json" if asked in ("json_object", "json_schema") else None


def read_answer(body: JsonObject) -> Answer:
    """The answer that a whole body holds; a streamed one is put together into the same form before."""
    choices = [as_object(choice) for choice in as_list(body.get("choices"))]
    choices.sort(key=lambda choice: as_count(choice.get("index")) or 0)
    return Answer(
        output=tuple(_read_choice(choice) for choice in choices),
        finish_reasons=tuple(
            reason for choice in choices if (reason := as_text(choice.get("finish_reason")))
        ),
        usage=read_usage(body.get("usage")),
        response_model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        properties=kept(body, "service_tier", "system_fingerprint"),
        failure=read_failure(body.get("error")),
    )


def read_message(entry: JsonObject) -> Message:
    """A message of the input, or of a choice."""
    role, content = as_text(entry.get("role")) or "user", entry.get("content")
    if len(entry) == 2 and isinstance(content, str) and content and role not in TOOL_ROLES:
        return Message(role, (Text(content),))  # most of a long history, and so in a fraction of the time
    if role in TOOL_ROLES:
        parts: tuple[Part, ...] = (ToolCallResponse(_tool_result(entry), as_text(entry.get("tool_call_id"))),)
    else:
        parts = (
            *_reasoning(entry),
            *_executed_tools(entry),
            *read_content(content),
            *_spoken(entry),
            *_tool_calls(entry),
        )
    return Message(role, parts, name=as_text(entry.get("name")))


def _read_choice(choice: JsonObject) -> Message:
    entry = as_object(choice.get("message"))
    message = read_message({**entry, "role": entry.get("role") or "assistant"})
    return Message(message.role, message.parts, message.name, as_text(choice.get("finish_reason")))


def _tool_result(entry: JsonObject) -> Json:
    return to_json(entry.get("content"))


def _reasoning(entry: JsonObject) -> tuple[Part, ...]:
    """DeepSeek and older vLLM say ``reasoning_content``; OpenRouter, Groq and newer vLLM ``reasoning``."""
    text = as_text(entry.get("reasoning_content")) or as_text(entry.get("reasoning"))
    return (Reasoning(text),) if text else ()


def _executed_tools(entry: JsonObject) -> Iterator[Part]:
    """Tools that Groq ran by itself; they have no ids but their place."""
    for place, tool in enumerate(map(as_object, as_list(entry.get("executed_tools")))):
        id, kind = f"executed_tool_{place}", as_text(tool.get("type")) or "unknown"
        yield ServerToolCall(kind, {"arguments": read_structure(to_json(tool.get("arguments")))}, id)
        results = {name: to_json(tool[name]) for name in ("output", "search_results") if tool.get(name)}
        if results:
            yield ServerToolCallResponse(results, id)


def _spoken(entry: JsonObject) -> tuple[Part, ...]:
    """A refusal and an answer in sound; both stand beside ``content``."""
    parts: list[Part] = []
    if text := as_text(entry.get("refusal")):
        parts.append(refusal(text))
    if audio := as_object(entry.get("audio")):
        data = as_text(audio.get("data"))
        sound = inline_media("audio", data, None) if data else Media("audio")
        parts.append(
            Media(
                "audio",
                file_id=as_text(audio.get("id")),
                digest=sound.digest,
                size_bytes=sound.size_bytes,
                transcript=as_text(audio.get("transcript")),
            )
        )
    return tuple(parts)


def _tool_calls(entry: JsonObject) -> tuple[Part, ...]:
    calls = [_read_tool_call(as_object(call)) for call in as_list(entry.get("tool_calls"))]
    if legacy := as_object(entry.get("function_call")):
        calls.append(_read_function(legacy, id=None))
    return tuple(calls)


def _read_tool_call(call: JsonObject) -> ToolCall:
    id = as_text(call.get("id"))
    if custom := as_object(call.get("custom")):
        return ToolCall(
            as_text(custom.get("name")) or "unknown", read_structure(to_json(custom.get("input"))), id
        )
    return _read_function(as_object(call.get("function")), id)


def _read_function(function: JsonObject, id: str | None) -> ToolCall:
    return ToolCall(
        as_text(function.get("name")) or "unknown", read_structure(to_json(function.get("arguments"))), id
    )
