"""LangSmith's OpenTelemetry export: a run's inputs and outputs, each as one JSON text. Pure. Source: its SDK.

Of ``wrap_openai`` they are OpenAI's request and answer, of LangChain its serialised messages. Model calls,
embeddings, retrievers and tools are read; chains, prompts and parsers say nothing that these do not report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.model.operation import EXECUTE_TOOL, Failure, Json, Operation, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import apply_ending, read_text
from greenflash_otel.semconv.builders import embedding_of, retrieval_of
from greenflash_otel.semconv.convention import Convention, list_conversation_names, list_user_names
from greenflash_otel.semconv.conventions.chain_runs import read_run
from greenflash_otel.semconv.formats.api_payloads import operation_of, read_request, read_response
from greenflash_otel.semconv.truncated_json import read_document
from greenflash_otel.semconv.usage import read_usage_attributes

KIND = "langsmith.span.kind"
MARKER_ATTRIBUTES = (KIND,)
METADATA = "langsmith.metadata"
TEXTS = ("input", "texts", "text", "query")
"""What the inputs of an embedding are called."""


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    inputs = read_document(span.attributes.get("gen_ai.prompt"))
    outputs = read_document(span.attributes.get("gen_ai.completion"))
    match read_text(span.attributes, KIND):
        case "llm":
            return apply_ending(_read_call(span, inputs, outputs), span)
        case "embedding":
            return apply_ending(embedding_of(_pick(inputs, *TEXTS)), span)
        case "retriever":
            return apply_ending(
                retrieval_of(_pick(inputs, "query"), _pick(outputs, "documents", "output")), span
            )
        case "tool":
            return _read_tool(span, inputs, outputs)
        case "chain":
            return read_run(span, inputs, outputs)
        case _:
            return None


def _read_call(span: SpanRecord, inputs: Json, outputs: Json) -> Operation:
    attributes = span.attributes
    recorded = operation_of(
        read_request(inputs), read_response(_pick(outputs, "output") if _is_wrapped(outputs) else outputs)
    )
    provider = read_text(attributes, f"{METADATA}.ls_provider") or read_text(attributes, "gen_ai.system")
    return replace(
        recorded,
        provider=provider,
        request_model=recorded.request_model or read_text(attributes, "gen_ai.request.model"),
        previous_response_id=recorded.previous_response_id
        or read_text(attributes, f"{METADATA}.previous_response_id"),
        usage=recorded.usage
        or read_usage_attributes(
            attributes, ("gen_ai.usage.input_tokens",), ("gen_ai.usage.output_tokens",), (), ()
        ),
        streamed=recorded.streamed or attributes.get(f"{METADATA}.stream") is True,
    )


def _is_wrapped(outputs: Json) -> bool:
    """Return whether the SDK wrapped an answer that is no object in one."""
    return (
        isinstance(outputs, Mapping)
        and set(outputs) == {"output"}
        and not isinstance(outputs["output"], list)
    )


def _read_tool(span: SpanRecord, inputs: Json, outputs: Json) -> Operation:
    call_id = read_text(span.attributes, "gen_ai.tool.call.id")
    output = _pick(outputs, "output") if isinstance(outputs, Mapping) and "output" in outputs else outputs
    recorded: Mapping[str, Json] = (
        output if isinstance(output, Mapping) and output.get("type") == "tool" else {}
    )
    call_id = call_id or read_text(recorded, "tool_call_id")
    result = recorded.get("content", None if output == {} else output)
    name = read_text(span.attributes, "gen_ai.tool.name") or span.name
    operation = Operation(EXECUTE_TOOL, tool=ToolExecution(name, call_id, _pick(inputs, "input"), result))
    if recorded.get("status") == "error" and span.status != "error":
        failure = Failure("_OTHER", result if isinstance(result, str) else None)
        return replace(operation, ending="failed", failure=failure)
    return apply_ending(operation, span)


def _pick(value: Json, *names: str) -> Json:
    """Return what an object contains under the first of the names that it has; else the whole value."""
    if not isinstance(value, Mapping):
        return value
    return next((value[name] for name in names if name in value), value)


CONVENTION = Convention(
    "LangSmith",
    MARKER_ATTRIBUTES,
    read,
    conversation_attributes=list_conversation_names(METADATA),
    user_attributes=list_user_names(METADATA),
)
