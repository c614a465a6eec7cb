"""MLflow's tracing: a span's inputs and outputs, every attribute written as JSON. Pure.

Of the clients that it traces by itself they are the request and the answer of the API. Model calls,
embeddings, retrievers and tools are read; chains, agents and parsers say nothing that these do not report.
Source: its code, 3.17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import EXECUTE_TOOL, Json, Message, Operation, ToolCall, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import apply_ending, read_text, read_unquoted
from greenflash_otel.semconv.builders import embedding_of, retrieval_of
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions.chain_runs import read_run
from greenflash_otel.semconv.formats.api_payloads import operation_of, read_request, read_response
from greenflash_otel.semconv.truncated_json import read_document
from greenflash_otel.semconv.usage import read_usage

KIND = "mlflow.spanType"
MARKER_ATTRIBUTES = (KIND, "mlflow.spanInputs", "mlflow.spanOutputs")
CHUNK = "mlflow.chunk."
"""Beginning of the names of the events that a stream's pieces are."""


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    inputs = read_structure(read_document(span.attributes.get("mlflow.spanInputs")))
    outputs = read_structure(read_document(span.attributes.get("mlflow.spanOutputs")))
    fields = inputs if isinstance(inputs, Mapping) else {}
    match read_json(span.attributes.get(KIND)):
        case "CHAT_MODEL" | "LLM":
            return apply_ending(_read_call(span, inputs, outputs), span)
        case "EMBEDDING":
            operation = embedding_of(fields.get("input", fields.get("texts", fields.get("text"))))
            return apply_ending(
                replace(operation, request_model=read_unquoted(span.attributes, "model")), span
            )
        case "RETRIEVER":
            return apply_ending(retrieval_of(fields.get("query", inputs), outputs), span)
        case "TOOL":
            return apply_ending(Operation(EXECUTE_TOOL, tool=_read_tool(span, inputs, outputs)), span)
        case "CHAIN" | "AGENT":
            return read_run(span, inputs, outputs)
        case _:
            return None


def _read_call(span: SpanRecord, inputs: Json, outputs: Json) -> Operation:
    recorded = operation_of(read_request(inputs), read_response(outputs))
    parts = [part for message in recorded.output for part in message.parts]
    calls = () if any(isinstance(part, ToolCall) for part in parts) else tuple(_read_streamed_calls(span))
    if calls:
        first, *rest = recorded.output or (Message("assistant"),)
        recorded = replace(recorded, output=(replace(first, parts=(*first.parts, *calls)), *rest))
    usage = read_json(span.attributes.get("mlflow.chat.tokenUsage"))
    return replace(
        recorded,
        request_model=recorded.request_model or read_unquoted(span.attributes, "model"),
        usage=recorded.usage or read_usage(usage),
    )


def _read_tool(span: SpanRecord, inputs: Json, outputs: Json) -> ToolExecution:
    recorded = outputs if isinstance(outputs, Mapping) and "tool_call_id" in outputs else {}
    id = recorded.get("tool_call_id")
    return ToolExecution(
        span.name, id if isinstance(id, str) else None, inputs, recorded.get("content", outputs)
    )


def _read_streamed_calls(span: SpanRecord) -> Iterator[ToolCall]:
    """Read the tools that a stream asked for, which MLflow leaves out of what it puts together."""
    calls_by_index: dict[str, dict[str, str]] = {}
    for delta in _read_deltas(span):
        calls = delta.get("tool_calls")
        for call_delta in calls if isinstance(calls, list) else ():
            if isinstance(call_delta, Mapping):
                call, function = (
                    calls_by_index.setdefault(str(call_delta.get("index")), {}),
                    call_delta.get("function"),
                )
                recorded = {**(function if isinstance(function, Mapping) else {}), "id": call_delta.get("id")}
                for name in ("id", "name", "arguments"):
                    call[name] = call.get(name, "") + (read_text(recorded, name) or "")
    for call in calls_by_index.values():
        yield ToolCall(call["name"] or "unknown", read_structure(call["arguments"]), call["id"] or None)


def _read_deltas(span: SpanRecord) -> Iterator[Mapping[str, Json]]:
    for event in span.events:
        if not event.name.startswith(CHUNK):
            continue
        for value in event.attributes.values():
            chunk = read_json(value)
            choices = chunk.get("choices") if isinstance(chunk, Mapping) else None
            for choice in choices if isinstance(choices, list) else ():
                delta = choice.get("delta") if isinstance(choice, Mapping) else None
                if isinstance(delta, Mapping):
                    yield delta


CONVENTION = Convention(
    "MLflow",
    MARKER_ATTRIBUTES,
    read,
    conversation_attributes=("mlflow.trace.session",),
    user_attributes=("mlflow.trace.user",),
)
