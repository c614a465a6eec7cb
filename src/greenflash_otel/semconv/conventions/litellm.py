"""LiteLLM: OpenTelemetry's names with OpenAI's messages in them. Pure. Source: its spans, 1.106.

The tools that a model asks for in Chat Completions are not in its messages; they stand flattened next to
them, without the ids of the calls. The span inside each (``raw_gen_ai_request``) says the same once more.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import Message, Operation, ToolCall
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions import otel_events
from greenflash_otel.semconv.flattened import build_tree, find_branch, find_text, list_items

MARKER_ATTRIBUTES = ("litellm.call_id", "litellm.provider.model")
CALLS = ("acompletion", "completion", "responses", "aresponses")
"""What it calls operations that are chats."""


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    name = span.attributes.get(genai.OPERATION_NAME)
    if name in CALLS or name is None:
        span = replace(span, attributes={**span.attributes, genai.OPERATION_NAME: "chat"})
    operation = otel_events.read(span)
    if operation is None:
        return None
    parts = [part for message in operation.output for part in message.parts]
    calls = () if any(isinstance(part, ToolCall) for part in parts) else _read_calls(span)
    if not calls:
        return operation
    first, *rest = operation.output or (Message("assistant"),)
    return replace(operation, output=(replace(first, parts=(*first.parts, *calls)), *rest))


def _read_calls(span: SpanRecord) -> tuple[ToolCall, ...]:
    functions = (
        find_branch(item, "function_call")
        for item in list_items(build_tree(span.attributes, "gen_ai.completion"))
    )
    return tuple(
        ToolCall(name, read_structure(find_text(function, "arguments")))
        for function in functions
        if (name := find_text(function, "name"))
    )


CONVENTION = Convention(
    "LiteLLM",
    MARKER_ATTRIBUTES,
    read,
)
