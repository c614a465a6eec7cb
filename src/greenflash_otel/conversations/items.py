"""Say in Greenflash's fields what a piece or a hidden step is. Pure.

``content`` carries only what the user said or saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import MessageType, Placed
from greenflash_otel.message_ids.ids import id_of, text_of
from greenflash_otel.model.operation import (
    CHAIN,
    DELETE_ITEMS,
    EMBEDDINGS,
    FETCH,
    MEMORY_READ,
    MEMORY_WRITE,
    RETRIEVAL,
    STEPS,
    TASK,
    WORKFLOW,
    Json,
    Message,
    Operation,
    Other,
    ToolExecution,
    Usage,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.formats.otel_messages import write_part
from greenflash_otel.semconv.formats.records import write_record

NS_PER_MS = 1_000_000

STEP_TYPES: Mapping[str, MessageType] = {
    EMBEDDINGS: "embedding",
    DELETE_ITEMS: "callback",
    RETRIEVAL: "retrieval",
    MEMORY_READ: "memory_read",
    MEMORY_WRITE: "memory_write",
    TASK: "task",
    WORKFLOW: "workflow",
}
"""Message type of a hidden step by the operation's name; any other is a model call."""

LOOKUPS = frozenset({"retrieval", "memory_read", "memory_write"})
"""Types of steps that have a query and documents."""


RANKS: Mapping[MessageType, int] = {
    "user_message": 0,
    "tool_call": 1,
    "observation": 3,
    "tool_error": 3,
    "assistant_message": 4,
    "final_response": 4,
}
"""What comes first of the messages of one moment; of any other type: 2."""


def render(
    placed: Placed, time_ns: int, *, model: str | None = None, properties: Mapping[str, Json] | None = None
) -> MessageItem:
    """The message that a placed piece is."""
    voice = placed.piece.voice
    return MessageItem(
        id=placed.id,
        type=placed.type,
        created_at_ms=(voice and voice.started_at_ms) or placed.piece.at_ms or time_ns // NS_PER_MS,
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
    documents, requests = _fields(operation.output), _fields(operation.input)
    asked: Mapping[str, Json] = {"query": "\n".join(text_of(one.parts) for one in operation.input)}
    return MessageItem(
        step_id(namespace, span, operation),
        type,
        span.end_ns // NS_PER_MS,
        parent_id,
        input=requests[0] if requests else asked,
        output={"documents": list(documents), **_error(operation)},
        properties=facts_of(span, operation),
    )


def render_chain(
    namespace: str, span: SpanRecord, operation: Operation, parent_id: str | None
) -> Iterator[MessageItem]:
    """Something that holds other steps together: a chain as its start and end, anything else as one step."""
    given, made = _fields(operation.input), _fields(operation.output)
    id, name = step_id(namespace, span, operation), operation.properties.get("name")
    facts = facts_of(span, operation)
    start = MessageItem(
        id,
        "chain_start" if operation.name == CHAIN else STEP_TYPES[operation.name],
        span.start_ns // NS_PER_MS,
        parent_id,
        input={"name": name, **(given[0] if given else {})},
    )
    output = {**(made[0] if made else {}), **_error(operation)}
    if operation.name != CHAIN:
        yield replace(start, output=output, properties=facts)
        return
    yield start
    end = id_of(namespace, id, "chain_end", None)
    yield MessageItem(end, "chain_end", span.end_ns // NS_PER_MS, id, output=output, properties=facts)


def _fields(messages: Sequence[Message]) -> list[Mapping[str, Json]]:
    return [part.fields for message in messages for part in message.parts if isinstance(part, Other)]


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


def in_order_of_time(items: Sequence[MessageItem]) -> list[MessageItem]:
    """The messages of one turn, told by several spans; what was looked up goes to the answer that used it."""
    ordered, found = list[MessageItem](), list[str]()
    for item in sorted(items, key=lambda one: (one.created_at_ms, RANKS.get(one.type, 2))):
        if item.type == "retrieval":
            found += _documents(item)
        elif found and item.type in ("assistant_message", "final_response"):
            item, found = replace(item, context="\n\n".join(found)), []
        ordered.append(item)
    return ordered


def _documents(item: MessageItem) -> list[str]:
    documents = (item.output or {}).get("documents")
    if not isinstance(documents, Sequence) or isinstance(documents, str):
        return []
    texts = (one.get("content") for one in documents if isinstance(one, Mapping))
    return [text for text in texts if isinstance(text, str)]
