"""Say in Greenflash's fields what a piece or a hidden step is. Pure.

``content`` carries only what the user said or saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenflash_otel.conversations.identity import id_of
from greenflash_otel.conversations.messages import MessageItem
from greenflash_otel.conversations.thread import Placed
from greenflash_otel.operations import Json, Message, Operation, ToolExecution, Usage
from greenflash_otel.semconv.parts import write_part
from greenflash_otel.spans import SpanRecord

NS_PER_MS = 1_000_000


def render(
    placed: Placed, time_ns: int, *, model: str | None = None, properties: Mapping[str, Json] | None = None
) -> MessageItem:
    """The message that a placed piece is."""
    return MessageItem(
        id=placed.id,
        type=placed.type,
        created_at_ms=time_ns // NS_PER_MS,
        parent_id=placed.parent_id,
        model=model,
        properties=properties or {},
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
            input=_object("arguments", tool.arguments),
            tool_name=tool.name,
        )
    failure = operation.failure
    yield MessageItem(
        result_id,
        "tool_error" if failure else "observation",
        span.end_ns // NS_PER_MS,
        call_id,
        output=_error(operation) if failure else _object("result", tool.result),
        tool_name=tool.name,
        properties={"latency_ms": (span.end_ns - span.start_ns) // NS_PER_MS},
    )


def render_model_call(
    conversation_id: str, span: SpanRecord, operation: Operation, asked: str | None
) -> MessageItem:
    """A model call as one hidden ``llm`` step: one the user never saw, or one that gave no answer."""
    output: Mapping[str, Json] = {"messages": _write(operation.output)} if operation.output else {}
    return MessageItem(
        span_message_id(conversation_id, span, "llm"),
        "llm",
        span.end_ns // NS_PER_MS,
        asked,
        input={"messages": _write(operation.input)} if operation.input else None,
        output={**output, **_error(operation)},
        model=model_of(operation),
        properties=facts_of(span, operation),
    )


def span_message_id(conversation_id: str, span: SpanRecord, role: str) -> str:
    """Id of a message that stands for a span as a whole."""
    return id_of(conversation_id, None, role, [span.trace_id, span.span_id])


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
