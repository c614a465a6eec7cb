"""Say in Greenflash's fields what a piece or a hidden step is. Pure.

``content`` carries only what the user said or saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenflash_otel.conversations.identity import id_of, text_of
from greenflash_otel.conversations.messages import MessageItem, MessageType
from greenflash_otel.conversations.thread import Placed
from greenflash_otel.operations import (
    DELETE_ITEMS,
    EMBEDDINGS,
    FETCH,
    MEMORY_READ,
    MEMORY_WRITE,
    RETRIEVAL,
    STEPS,
    Json,
    Message,
    Operation,
    Other,
    ToolExecution,
    Usage,
)
from greenflash_otel.semconv.parts import write_part
from greenflash_otel.semconv.records import write_record
from greenflash_otel.spans import SpanRecord

NS_PER_MS = 1_000_000

STEP_TYPES: Mapping[str, MessageType] = {
    EMBEDDINGS: "embedding",
    DELETE_ITEMS: "callback",
    RETRIEVAL: "retrieval",
    MEMORY_READ: "memory_read",
    MEMORY_WRITE: "memory_write",
}
"""Message type of a hidden step by the operation's name; any other is a model call."""

LOOKUPS = frozenset({"retrieval", "memory_read", "memory_write"})
"""Types of steps that have a query and documents."""


def render(
    placed: Placed, time_ns: int, *, model: str | None = None, properties: Mapping[str, Json] | None = None
) -> MessageItem:
    """The message that a placed piece is."""
    voice = placed.piece.voice
    return MessageItem(
        id=placed.id,
        type=placed.type,
        created_at_ms=(voice and voice.started_at_ms) or time_ns // NS_PER_MS,
        parent_id=placed.parent_id,
        model=model,
        properties=properties or {},
        voice=voice,
        **_payload(placed),
    )


def _payload(placed: Placed) -> dict[str, Any]:
    piece = placed.piece
    match piece.kind:
        case "user" | "system":
            return {"content": piece.text, "input": piece.data or None}
        case "answer":
            return {"content": piece.text, "output": piece.data or None}
        case "tool_call":
            return {"tool_name": piece.tool_name or "unknown", "input": piece.data}
        case "tool_result":
            return {"tool_name": piece.tool_name or None, "output": piece.data}
        case "thought":
            return {"output": piece.data}


def render_tool(
    span: SpanRecord,
    operation: Operation,
    tool: ToolExecution,
    call_id: str,
    result_id: str,
    asked: str | None,
    *,
    told: bool,
) -> Iterator[MessageItem]:
    """A tool's own span: its result, and before it the call, unless a model call ``told`` of that."""
    if not told:
        yield MessageItem(
            call_id,
            "tool_call",
            span.start_ns // NS_PER_MS,
            asked,
            input={} if tool.arguments is None else _object("arguments", tool.arguments),
            tool_name=tool.name,
        )
    failure = operation.failure
    if not failure and not tool.answered:
        return
    told_result = not failure or tool.result is not None
    yield MessageItem(
        result_id,
        "tool_error" if failure else "observation",
        span.end_ns // NS_PER_MS,
        call_id,
        output={**(_object("result", tool.result) if told_result else {}), **_error(operation)},
        tool_name=tool.name,
        properties={"latency_ms": (span.end_ns - span.start_ns) // NS_PER_MS},
    )


def render_step(namespace: str, span: SpanRecord, operation: Operation, parent_id: str | None) -> MessageItem:
    """An operation as one hidden step: a call whose words the user never saw, or that gave no answer."""
    type = STEP_TYPES.get(operation.name, "llm")
    if type in LOOKUPS:
        return _render_lookup(namespace, span, operation, parent_id, type)
    output: Mapping[str, Json] = {"messages": _write(operation.output)} if operation.output else {}
    return MessageItem(
        step_id(namespace, span, operation),
        type,
        span.end_ns // NS_PER_MS,
        parent_id,
        input={"messages": _write(operation.input)} if operation.input else None,
        output={**output, **_error(operation)},
        model=model_of(operation),
        properties=facts_of(span, operation),
    )


def _render_lookup(
    namespace: str, span: SpanRecord, operation: Operation, parent_id: str | None, type: MessageType
) -> MessageItem:
    """Something looked up or kept: what was asked, and what was found."""
    documents: list[Json] = [
        dict(part.fields) for message in operation.output for part in message.parts if isinstance(part, Other)
    ]
    asked = "\n".join(text_of(message.parts) for message in operation.input)
    return MessageItem(
        step_id(namespace, span, operation),
        type,
        span.end_ns // NS_PER_MS,
        parent_id,
        input={"query": asked},
        output={"documents": documents, **_error(operation)},
        properties=facts_of(span, operation),
    )


def step_id(namespace: str, span: SpanRecord, operation: Operation) -> str:
    """Id of a hidden step: its span's; that of the response where a step only tells what became of one."""
    if operation.name == FETCH and operation.response_id:
        return id_of(namespace, None, "llm", ["fetched", operation.response_id])
    return span_message_id(namespace, span, "llm")


def span_message_id(namespace: str, span: SpanRecord, role: str) -> str:
    """Id of a message that stands for a span as a whole."""
    return id_of(namespace, None, role, [span.trace_id, span.span_id])


def model_of(operation: Operation) -> str | None:
    """The model that answered, else the one that was asked."""
    return operation.response_model or operation.request_model


def facts_of(span: SpanRecord, operation: Operation) -> dict[str, Json]:
    """What is known of a model call, for its answer's ``properties``; see ``docs/messages.md``."""
    first_chunk_s, usage = operation.time_to_first_chunk_s, operation.usage or Usage()
    facts: dict[str, Json] = {
        "provider": operation.provider,
        "response_id": operation.response_id,
        "finish_reason": ",".join(operation.finish_reasons) or None,
        "ending": operation.ending if operation.ending != "completed" else None,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
        "latency_ms": (span.end_ns - span.start_ns) // NS_PER_MS,
        "time_to_first_chunk_ms": None if first_chunk_s is None else round(first_chunk_s * 1000),
        "streamed": operation.streamed or None,
        "operation": operation.name if operation.name in STEPS else None,
        "prompt": write_record(operation.prompt) if operation.prompt else None,
        **_error(operation),
        **operation.properties,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _error(operation: Operation) -> dict[str, Json]:
    failure = operation.failure
    return {"error": {"type": failure.type, "message": failure.message}} if failure else {}


def _write(messages: Sequence[Message]) -> list[Json]:
    return [{"role": one.role, "parts": [write_part(part) for part in one.parts]} for one in messages]


def _object(name: str, value: Json) -> Mapping[str, Json]:
    """``value`` as an object, because Greenflash takes nothing else as input or output."""
    return value if isinstance(value, Mapping) else {name: value}
