"""OpenLLMetry of Traceloop, before and after it took over OpenTelemetry's names (0.53). Pure.

Before, messages are flattened into ``gen_ai.prompt.0.content`` and its like; after, they are as `genai`
reads them. The tools and retrievers of LangChain stand in ``traceloop.entity.input`` and ``….output`` in
both. Workflows, tasks and agents say nothing by themselves. Source: its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    Json,
    Message,
    Operation,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
)
from greenflash_otel.model.roles import TOOL, read_role
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv.attributes import apply_ending, read_text, read_truncated_mapping
from greenflash_otel.semconv.builders import embedding_of, retrieval_of
from greenflash_otel.semconv.convention import Convention, list_conversation_names, list_user_names
from greenflash_otel.semconv.conventions import otel_events
from greenflash_otel.semconv.conventions.chain_runs import read_run
from greenflash_otel.semconv.flattened import Tree, build_tree, find_branch, find_text, list_items
from greenflash_otel.semconv.formats.api_payloads import read_response
from greenflash_otel.semconv.formats.bedrock import is_converse, read_blocks
from greenflash_otel.semconv.formats.openai import REFUSAL, read_content, read_messages, read_refusal
from greenflash_otel.semconv.formats.openai_tools import read_named_call
from greenflash_otel.semconv.usage import read_usage_attributes

KIND = "traceloop.span.kind"
REQUEST_TYPE = "llm.request.type"
FLATTENED = (
    *("gen_ai.prompt.0.role", "gen_ai.prompt.0.content", "gen_ai.prompt.0.user"),
    *("gen_ai.completion.0.role", "gen_ai.completion.0.content"),
)
MARKER_ATTRIBUTES = (*FLATTENED, KIND, "gen_ai.is_streaming", "gen_ai.usage.total_tokens")
METADATA = "traceloop.association.properties"
"""Prefix under which applications put what they know."""
RUNS = ("workflow", "agent")
"""Kinds of spans around calls."""
RETRIEVAL = "vector_db_retrieve"
"""What it calls a retrieval."""
USAGE = (
    ("gen_ai.usage.prompt_tokens",),
    ("gen_ai.usage.completion_tokens",),
    ("gen_ai.usage.cache_read_input_tokens",),
    ("llm.usage.reasoning_tokens",),
)
ITEMS = ("function_call", "function_call_output", "reasoning")
ITEM_IDS = ("rs_", "fc_")
NOTHING = '""'
"""Stands for no content next to tool calls."""


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    attributes = span.attributes
    name, kind = read_text(attributes, "gen_ai.operation.name"), read_text(attributes, KIND)
    if kind == "tool" or name == EXECUTE_TOOL:
        return _read_tool(span)
    if name == RETRIEVAL:
        inputs, outputs = (
            read_truncated_mapping(attributes, "traceloop.entity.input"),
            read_truncated_mapping(attributes, "traceloop.entity.output"),
        )
        return apply_ending(retrieval_of(inputs.get("query"), outputs.get("documents")), span)
    if kind in RUNS and name is None:
        return read_run(
            span, attributes.get("traceloop.entity.input"), attributes.get("traceloop.entity.output")
        )
    if any(name in attributes for name in FLATTENED):
        call = _read_flattened(attributes)
        return call and apply_ending(call, span)
    operation = otel_events.read(span)
    if operation and (operation.response_id or "").startswith("resp_"):
        unfolded = (unfolded_message for message in operation.input for unfolded_message in _unfold(message))
        operation = replace(operation, input=tuple(unfolded))
    return operation and replace(
        operation,
        input=tuple(map(_put_in_order, operation.input)),
        output=tuple(map(_put_in_order, operation.output)),
    )


def _read_flattened(attributes: Attributes) -> Operation | None:
    kind = read_text(attributes, REQUEST_TYPE)
    messages = _read_flattened_messages(attributes, "gen_ai.prompt", "user")
    if kind == "embedding":
        return _read_embedding(attributes)
    if kind == "rerank":
        return None
    output = _read_flattened_messages(attributes, "gen_ai.completion", "assistant")
    return Operation(
        "text_completion" if kind == "completion" else "chat",
        provider=(read_text(attributes, "gen_ai.system") or "").lower() or None,
        request_model=read_text(attributes, "gen_ai.request.model"),
        response_model=read_text(attributes, "gen_ai.response.model"),
        response_id=read_text(attributes, "gen_ai.response.id"),
        input=messages,
        output=output,
        choice_count=max(len(output), 1),
        usage=read_usage_attributes(attributes, *USAGE),
        finish_reasons=tuple(message.finish_reason for message in output if message.finish_reason),
        streamed=attributes.get("llm.is_streaming") is True,
    )


def _read_embedding(attributes: Attributes) -> Operation:
    texts = [find_text(item, "content") for item in list_items(build_tree(attributes, "gen_ai.prompt"))]
    return replace(
        embedding_of(texts),
        request_model=read_text(attributes, "gen_ai.request.model"),
        usage=read_usage_attributes(attributes, *USAGE),
    )


def _read_flattened_messages(attributes: Attributes, prefix: str, role: str) -> tuple[Message, ...]:
    messages = []
    for item in list_items(build_tree(attributes, prefix)):
        speaker = read_role(find_text(item, "role"), role)
        parts = _read_parts(item, speaker)
        if parts:
            messages.append(Message(speaker, parts, finish_reason=find_text(item, "finish_reason")))
    return tuple(messages)


def _read_parts(item: Tree, role: str) -> tuple[Part, ...]:
    content = find_text(item, "content") or find_text(item, "user")  # of a prompt without a role
    if role == TOOL:
        results = [part for part in _read_said(content or "") if isinstance(part, ToolCallResponse)]
        return tuple(results) or (ToolCallResponse(content or "", find_text(item, "tool_call_id")),)
    thought = find_text(item, "reasoning")
    calls = tuple(
        read_named_call(find_text(call, "name"), find_text(call, "arguments"), find_text(call, "id"))
        for call in list_items(find_branch(item, "tool_calls"))
    )
    content_parts = _read_said(content) if content and content != NOTHING else ()
    refused = (read_refusal(recorded),) if (recorded := find_text(item, REFUSAL)) else ()
    return (*_read_thoughts(thought), *content_parts, *refused, *calls)


def _read_thoughts(thought: str | None) -> tuple[Part, ...]:
    """Read a text; where it was a list of summaries, the span has that as JSON."""
    recorded = read_structure(thought)
    if isinstance(recorded, str):
        return (Reasoning(recorded),) if recorded else ()
    return tuple(read_content({"type": "reasoning", "summary": recorded})) if recorded else ()


def _read_said(content: str) -> tuple[Part, ...]:
    """Read a text; where it was a list of parts, the span has that as JSON."""
    entries = read_json(content) if content.startswith("[{") else None
    if is_converse(entries):
        return tuple(read_blocks(entries))
    blocks = entries if isinstance(entries, list) else []
    parts = [block for block in blocks if isinstance(block, Mapping) and isinstance(block.get("type"), str)]
    if not parts or len(parts) < len(blocks):
        return (Text(content),)
    return tuple(read_content(parts))


def _unfold(message: Message) -> tuple[Message, ...]:
    """Read what a text contains that is the input of a response, as JavaScript has it."""
    only = message.parts[0] if len(message.parts) == 1 else None
    recorded = read_structure(only.content) if isinstance(only, Text) and message.role == "user" else None
    entries = recorded if isinstance(recorded, list) else []
    return read_messages(recorded, "user") if entries and all(map(_is_item, entries)) else (message,)


def _is_item(entry: Json) -> bool:
    kind = entry.get("type", "message") if isinstance(entry, Mapping) else None
    if kind == "message":
        return isinstance(entry, Mapping) and {"role", "content"} <= {*entry}
    return kind in ITEMS and isinstance(entry, Mapping) and ("call_id" in entry or "id" in entry)


def _put_in_order(message: Message) -> Message:
    """Put the model's thoughts first, and read items that are in texts as JSON."""
    unfolded = [part for whole in message.parts for part in (_read_item(whole) or (whole,))]
    parts = [part for at, part in enumerate(unfolded, 1) if not _is_repeated(part, unfolded[at:])]
    ordered = tuple(sorted(parts, key=lambda part: not isinstance(part, Reasoning)))
    return replace(message, role="assistant" if message.role == "unknown" else message.role, parts=ordered)


def _is_repeated(part: Part, later: list[Part]) -> bool:
    """Return whether a call is listed once more, as those that are also in a text are."""
    return isinstance(part, ToolCall) and part.id is not None and part in later


def _read_item(part: Part) -> tuple[Part, ...]:
    """Read the item of the Responses API, or the file, that a text contains; nothing if it was said."""
    recorded = read_structure(part.content) if isinstance(part, Text) else None
    if not isinstance(recorded, Mapping):
        return ()
    is_item = recorded.get("type") in ("reasoning", "function_call") and str(recorded.get("id")).startswith(
        ITEM_IDS
    )
    return tuple(read_content(recorded)) if is_item or "source_type" in recorded else ()


def _read_tool(span: SpanRecord) -> Operation | None:
    """Read a tool of LangChain: its callbacks' arguments, and the message that it answers with."""
    attributes = span.attributes
    inputs, outputs = (
        read_truncated_mapping(attributes, "traceloop.entity.input"),
        read_truncated_mapping(attributes, "traceloop.entity.output"),
    )
    name = read_text(attributes, "gen_ai.tool.name") or read_text(attributes, "traceloop.entity.name")
    if not inputs and not outputs and span.status != "error":
        return otel_events.read(span)
    message = outputs.get("output")
    recorded = next(iter(read_response(message).messages), None) if isinstance(message, Mapping) else None
    results = [part for part in recorded.parts if isinstance(part, ToolCallResponse)] if recorded else []
    keyword_arguments = inputs.get("kwargs")
    call_id = keyword_arguments.get("tool_call_id") if isinstance(keyword_arguments, Mapping) else None
    tool = ToolExecution(
        name or span.name,
        results[0].id if results else call_id if isinstance(call_id, str) else None,
        inputs.get("inputs", inputs.get("input_str")),
        results[0].response if results else message,
    )
    return apply_ending(Operation(EXECUTE_TOOL, tool=tool), span)


CONVENTION = Convention(
    "OpenLLMetry",
    MARKER_ATTRIBUTES,
    read,
    conversation_attributes=list_conversation_names(METADATA),
    user_attributes=list_user_names(METADATA),
    after=("LangSmith", "LiteLLM"),
)
