"""Write a fragment or a hidden step in Greenflash's fields. Pure.

``content`` carries only what the user said or saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import ChainedFragment, MessageType
from greenflash_otel.message_ids.fragments import find_system_prompt
from greenflash_otel.message_ids.ids import id_of, text_of
from greenflash_otel.model.call_facts import call_facts_of
from greenflash_otel.model.operation import (
    CHAIN,
    DELETE_ITEMS,
    EMBEDDINGS,
    FETCH,
    MAIN_CALLS,
    MEMORY_READ,
    MEMORY_WRITE,
    RECORD_MESSAGE,
    RETRIEVAL,
    TASK,
    TURN,
    WORKFLOW,
    Json,
    Message,
    Operation,
    Other,
    ToolExecution,
    is_step,
)
from greenflash_otel.model.own_operations import CALLBACK, LOOKUPS, OWN_STEP, THOUGHT
from greenflash_otel.model.telemetry import NS_PER_MS, SpanRecord
from greenflash_otel.semconv.formats.otel_messages import write_part
from greenflash_otel.semconv.formats.records import write_record

STEP_TYPES: Mapping[str, MessageType] = {
    EMBEDDINGS: "embedding",
    DELETE_ITEMS: "callback",
    RETRIEVAL: "retrieval",
    MEMORY_READ: "memory_read",
    MEMORY_WRITE: "memory_write",
    TASK: "task",
    WORKFLOW: "workflow",
    CALLBACK: "callback",
    THOUGHT: "thought",
}
"""Message type of a hidden step by the operation's name; any other is a model call."""

"""Types of steps that have a query and documents."""


def write_message(
    chained: ChainedFragment,
    time_ns: int,
    *,
    model: str | None = None,
    properties: Mapping[str, Json] | None = None,
) -> MessageItem:
    """Return the message that a fragment is.

    Args:
        time_ns: When it was said, unless it has a time of its own.
    """
    fragment, voice = chained.fragment, chained.fragment.voice
    facts = {**(properties or {}), **(write_record(fragment.call) if fragment.call else {})}
    own_model = facts.pop("model", None)
    if fragment.annotations:
        facts["annotations"] = list(fragment.annotations)
    content: str | None = None
    input: Mapping[str, Json] | None = None
    output: Mapping[str, Json] | None = None
    tool_name: str | None = None
    match fragment.kind:
        case "user" | "system":
            content, input = fragment.text, fragment.data or None
        case "answer" if fragment.is_refused:
            output = {**fragment.data, "text": fragment.text}
        case "answer":
            content, output = fragment.text, fragment.data or None
        case "tool_call":
            tool_name, input = fragment.tool_name or "unknown", fragment.data
        case "tool_result":
            tool_name, output = fragment.tool_name or None, fragment.data
        case "thought":
            output = fragment.data
    return MessageItem(
        id=chained.id,
        type=chained.type,
        created_at_ms=(voice and voice.started_at_ms) or fragment.at_ms or time_ns // NS_PER_MS,
        parent_id=chained.parent_id,
        content=content,
        input=input,
        output=output,
        tool_name=tool_name,
        model=own_model if isinstance(own_model, str) else model,
        properties=facts,
        voice=voice,
    )


def write_tool_run(
    span: SpanRecord,
    operation: Operation,
    tool: ToolExecution,
    call_id: str,
    result_id: str,
    parent_id: str | None,
    *,
    call_is_emitted: bool,
) -> Iterator[MessageItem]:
    """Write a tool's own span: its result, and before it the call, unless a model call has emitted that."""
    if not call_is_emitted:
        yield MessageItem(
            call_id,
            "tool_call",
            span.start_ns // NS_PER_MS,
            parent_id,
            input={} if tool.arguments is None else _wrap_object("arguments", tool.arguments),
            tool_name=tool.name,
        )
    failure = operation.failure
    if not failure and not tool.answered:
        return
    has_result = not failure or tool.result is not None
    yield MessageItem(
        result_id,
        "tool_error" if failure else "observation",
        span.end_ns // NS_PER_MS,
        call_id,
        output={**(_wrap_object("result", tool.result) if has_result else {}), **_write_error(operation)},
        tool_name=tool.name,
        properties={"latency_ms": (span.end_ns - span.start_ns) // NS_PER_MS},
    )


def write_step(namespace: str, span: SpanRecord, operation: Operation, parent_id: str | None) -> MessageItem:
    """Write an operation as one hidden step: a call whose words the user never saw, or without an answer."""
    type = STEP_TYPES.get(operation.name, "llm")
    if type in LOOKUPS:
        return _write_lookup(namespace, span, operation, parent_id, type)
    return MessageItem(
        step_id_of(namespace, span, operation),
        type,
        span.end_ns // NS_PER_MS,
        parent_id,
        input=_write_passed(operation.input) or None,
        output={**_write_passed(operation.output), **_write_error(operation)},
        model=model_of(operation),
        properties=facts_of(span, operation),
    )


def _write_lookup(
    namespace: str, span: SpanRecord, operation: Operation, parent_id: str | None, type: MessageType
) -> MessageItem:
    """Write a lookup or a write to memory: its query, and its documents."""
    documents, requests = _fields_of(operation.output), _fields_of(operation.input)
    query: Mapping[str, Json] = {"query": "\n".join(text_of(message.parts) for message in operation.input)}
    return MessageItem(
        step_id_of(namespace, span, operation),
        type,
        span.end_ns // NS_PER_MS,
        parent_id,
        input=requests[0] if requests else query,
        output={"documents": list(documents), **_write_error(operation)},
        properties=facts_of(span, operation),
    )


def write_chain(
    namespace: str, span: SpanRecord, operation: Operation, parent_id: str | None
) -> Iterator[MessageItem]:
    """Write what contains other steps: a chain as its start and its end, a task or workflow as one step."""
    inputs, outputs = _fields_of(operation.input), _fields_of(operation.output)
    id, name = step_id_of(namespace, span, operation), operation.properties.get("name")
    facts = facts_of(span, operation)
    start = MessageItem(
        id,
        "chain_start" if operation.name == CHAIN else STEP_TYPES[operation.name],
        span.start_ns // NS_PER_MS,
        parent_id,
        input={"name": name, **(inputs[0] if inputs else {})},
    )
    output = {**(outputs[0] if outputs else {}), **_write_error(operation)}
    if operation.name != CHAIN:
        yield replace(start, output=output, properties=facts)
        return
    yield start
    end = id_of(namespace, id, "chain_end", None)
    yield MessageItem(end, "chain_end", span.end_ns // NS_PER_MS, id, output=output, properties=facts)


def _fields_of(messages: Sequence[Message]) -> list[Mapping[str, Json]]:
    return [part.fields for message in messages for part in message.parts if isinstance(part, Other)]


def step_id_of(namespace: str, span: SpanRecord, operation: Operation) -> str:
    """Return the id of a hidden step: its span's, or that of the response of which it says how it ended."""
    if operation.name == FETCH and operation.response_id:
        return id_of(namespace, None, "llm", ["fetched", operation.response_id])
    return span_message_id_of(namespace, span, "llm")


def span_message_id_of(namespace: str, span: SpanRecord, role: str) -> str:
    """Return the id of a message that is a span as a whole."""
    return id_of(namespace, None, role, [span.trace_id, span.span_id])


def model_of(operation: Operation) -> str | None:
    """Return the model that answered, else the one that was requested."""
    return operation.response_model or operation.request_model


def facts_of(span: SpanRecord, operation: Operation) -> dict[str, Json]:
    """Return what is known of a model call, for its answer's ``properties``; see ``docs/messages.md``.

    Of a turn only what is about all of it: each of its answers has the facts of its own call.
    """
    if operation.name == RECORD_MESSAGE:
        return dict(operation.properties)
    if operation.name == TURN:
        operation = replace(operation, provider=None, response_id=None, finish_reasons=(), usage=None)
    facts: dict[str, Json] = {
        **dict.fromkeys(("provider", "response_id", "finish_reason")),  # they come before the ending
        "ending": operation.ending if operation.ending != "completed" else None,
        **write_record(replace(call_facts_of(operation, span.end_ns - span.start_ns), model=None)),
        "operation": operation.name if is_step(operation.name) else None,
        "prompt": _write_named_prompt(operation),
        **_write_error(operation),
        **operation.properties,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _write_named_prompt(operation: Operation) -> Json:
    """Write which named prompt a call used; its text, too, if the request can only name it."""
    prompt = operation.prompt
    if prompt is None or prompt.id is None or operation.name not in (*MAIN_CALLS, TURN):
        return None
    written: dict[str, Json] = write_record(replace(prompt, template=None, components=()))
    text, _ = find_system_prompt(operation)
    is_named_only = prompt.template is None and not prompt.components
    return {**written, "text": text} if text and is_named_only else written


def _write_error(operation: Operation) -> dict[str, Json]:
    failure = operation.failure
    return {"error": {"type": failure.type, "message": failure.message}} if failure else {}


def _write_passed(messages: Sequence[Message]) -> Mapping[str, Json]:
    """Write what a step had as its input or its output; that of the application's own code as it is."""
    own = [
        part.fields
        for message in messages
        for part in message.parts
        if isinstance(part, Other) and part.type == OWN_STEP
    ]
    if own:
        return own[0]
    return {"messages": _write_messages(messages)} if messages else {}


def _write_messages(messages: Sequence[Message]) -> list[Json]:
    return [
        {"role": message.role, "parts": [write_part(part) for part in message.parts]} for message in messages
    ]


def _wrap_object(name: str, value: Json) -> Mapping[str, Json]:
    """Return an object, because Greenflash takes nothing else as input or output."""
    return value if isinstance(value, Mapping) else {name: value}
