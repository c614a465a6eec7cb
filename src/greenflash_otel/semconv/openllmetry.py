"""OpenLLMetry of Traceloop before it took over OpenTelemetry's names (until 0.53). Pure. Source: its code.

Messages are flattened into ``gen_ai.prompt.0.content`` and its like. Workflows, tasks and agents tell of
nothing by themselves; a tool's span has no id of its call, and tells nothing that the next call does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.operations import (
    Affiliation,
    Failure,
    Json,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    Usage,
)
from greenflash_otel.semconv.flattened import Tree, branch, items, text_at, tree_below
from greenflash_otel.semconv.parts import read_json, read_structure
from greenflash_otel.semconv.pictures import picture_at
from greenflash_otel.spans import Attributes, SpanRecord

SIGNS = ("gen_ai.prompt.0.role", "gen_ai.prompt.0.content", "gen_ai.completion.0.role")
REQUEST_TYPE = "llm.request.type"
STEPS = ("embedding", "rerank")
"""Types of requests that speak with nobody."""
NOTHING = '""'
"""Stands for no content beside tool calls."""
PROPERTIES = "traceloop.association.properties"
CONVERSATION = ("thread_id", "conversation_id", "session_id")
"""Association properties that name the conversation, in this order."""


def read(span: SpanRecord) -> Operation | None:
    """The model call a span tells of; None if it is none of these."""
    attributes = span.attributes
    kind = _text(attributes, REQUEST_TYPE)
    if kind in STEPS or not any(name in attributes for name in SIGNS):
        return None
    given = _messages(attributes, "gen_ai.prompt", "user")
    output = _messages(attributes, "gen_ai.completion", "assistant")
    operation = Operation(
        "text_completion" if kind == "completion" else "chat",
        _affiliation(attributes),
        provider=(_text(attributes, "gen_ai.system") or "").lower() or None,
        request_model=_text(attributes, "gen_ai.request.model"),
        response_model=_text(attributes, "gen_ai.response.model"),
        response_id=_text(attributes, "gen_ai.response.id"),
        input=given,
        output=output,
        choice_count=max(len(output), 1),
        usage=_usage(attributes),
        finish_reasons=tuple(one.finish_reason for one in output if one.finish_reason),
        streamed=attributes.get("llm.is_streaming") is True,
    )
    if span.status != "error":
        return operation
    raised = next((event.attributes for event in span.events if event.name == "exception"), {})
    type = (_text(raised, "exception.type") or "_OTHER").rpartition(".")[2]
    message = _text(raised, "exception.message") or span.status_description
    return replace(operation, ending="failed", failure=Failure(type, message))


def _messages(attributes: Attributes, prefix: str, role: str) -> tuple[Message, ...]:
    found = []
    for item in items(tree_below(attributes, prefix)):
        speaker = text_at(item, "role") or role
        parts = _parts(item, speaker)
        if parts:
            found.append(Message(speaker, parts, finish_reason=text_at(item, "finish_reason")))
    return tuple(found)


def _parts(item: Tree, role: str) -> tuple[Part, ...]:
    content = text_at(item, "content")
    if role in ("tool", "function"):
        return (ToolCallResponse(content or "", text_at(item, "tool_call_id")),)
    thought = text_at(item, "reasoning")
    calls = tuple(
        ToolCall(
            text_at(call, "name") or "unknown",
            read_structure(text_at(call, "arguments")),
            text_at(call, "id"),
        )
        for call in items(branch(item, "tool_calls"))
    )
    said = _said(content) if content and content != NOTHING else ()
    return (*((Reasoning(thought),) if thought else ()), *said, *calls)


def _said(content: str) -> tuple[Part, ...]:
    """A text; where it was a list of parts, the span has that as JSON."""
    entries = read_json(content) if content.startswith("[{") else None
    given = entries if isinstance(entries, list) else []
    parts = [one for one in given if isinstance(one, Mapping) and isinstance(one.get("type"), str)]
    if not parts or len(parts) < len(given):
        return (Text(content),)
    return tuple(part for one in parts for part in _read_part(one))


def _read_part(entry: Mapping[str, Json]) -> tuple[Part, ...]:
    text, picture = entry.get("text"), entry.get("image_url")
    url = picture.get("url") if isinstance(picture, Mapping) else picture
    if isinstance(text, str):
        return (Text(text),) if text else ()
    if isinstance(url, str):
        return (picture_at(url),)
    return (Other(str(entry["type"]), {name: value for name, value in entry.items() if name != "type"}),)


def _affiliation(attributes: Attributes) -> Affiliation:
    known = [_text(attributes, f"{PROPERTIES}.{name}") for name in CONVERSATION]
    conversation_id = next((id for id in known if id), None)
    return Affiliation(conversation_id, _text(attributes, f"{PROPERTIES}.user_id"))


def _usage(attributes: Attributes) -> Usage | None:
    names = (
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.usage.reasoning_tokens",
    )
    tokens = [count if isinstance(count := attributes.get(name), int) else None for name in names]
    return Usage(*tokens) if any(count is not None for count in tokens) else None


def _text(attributes: Attributes, name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None
