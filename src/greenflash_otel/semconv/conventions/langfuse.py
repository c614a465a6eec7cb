"""Langfuse, its SDKs from version 3 on: ``langfuse.observation.*``. Pure. Source: its documentation, spans.

Generations, embeddings, retrievers and tools are read; chains, agents and spans say nothing that these do
not report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import EXECUTE_TOOL, Failure, Json, Operation, Text, ToolExecution, Usage
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv.attributes import apply_ending, read_text, read_unquoted
from greenflash_otel.semconv.builders import embedding_of, retrieval_of
from greenflash_otel.semconv.convention import Convention, list_conversation_names, list_user_names
from greenflash_otel.semconv.conventions.chain_runs import read_run
from greenflash_otel.semconv.expected_json import read_result
from greenflash_otel.semconv.formats.api_payloads import (
    RequestPayload,
    ResponsePayload,
    operation_of,
    read_request,
    read_response,
)
from greenflash_otel.semconv.truncated_json import read_document
from greenflash_otel.semconv.usage import read_usage

KIND = "langfuse.observation.type"
MARKER_ATTRIBUTES = (KIND,)
METADATA = "langfuse.observation.metadata"


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    attributes = span.attributes
    request = read_document(attributes.get("langfuse.observation.input"))
    response = read_document(attributes.get("langfuse.observation.output"))
    if isinstance(request, str) and request == response:
        request = response = None  # what a mask put in place of both
    match read_text(attributes, KIND):
        case "generation":
            operation = _read_call(attributes, request, response)
        case "embedding":
            operation = embedding_of(request.get("input") if isinstance(request, Mapping) else request)
            operation = replace(
                operation, response_model=_read_model(attributes), usage=_read_usage(attributes)
            )
        case "retriever":
            operation = retrieval_of(request, response)
        case "tool":
            operation = _read_tool(span, request, response)
        case "agent" | "chain":
            return read_run(span, request, response)
        case _:
            return None
    if span.status != "error" and read_text(attributes, "langfuse.observation.level") == "ERROR":
        message = read_text(attributes, "langfuse.observation.status_message")
        return replace(operation, ending="failed", failure=Failure("_OTHER", message))
    return apply_ending(operation, span)


def _read_call(attributes: Attributes, request_json: Json, response_json: Json) -> Operation:
    request = read_request(request_json) if request_json is not None else RequestPayload()
    response = read_response(response_json) if response_json is not None else ResponsePayload()
    count = _count_choices(read_json(attributes.get("langfuse.observation.model.parameters")))
    if count > 1 and isinstance(response_json, list):
        each = (message for choice in response_json for message in read_response(choice).messages)
        request, response = replace(request, choice_count=count), replace(response, messages=tuple(each))
    recorded = operation_of(request, response)
    instructions = read_unquoted(attributes, f"{METADATA}.instructions")
    return replace(
        recorded,
        system_instructions=recorded.system_instructions or ((Text(instructions),) if instructions else ()),
        response_model=_read_model(attributes),
        response_id=recorded.response_id or read_unquoted(attributes, f"{METADATA}.id"),
        previous_response_id=recorded.previous_response_id
        or read_unquoted(attributes, f"{METADATA}.previous_response_id"),
        usage=_read_usage(attributes),
    )


def _count_choices(parameters: Json) -> int:
    """Return how many answers were asked for."""
    count = parameters.get("n") if isinstance(parameters, Mapping) else None
    return count if isinstance(count, int) else 1


def _read_tool(span: SpanRecord, request: Json, response: Json) -> Operation:
    """Read a tool; of a decorated function the arguments are in two lists."""
    arguments = request
    if isinstance(request, Mapping) and set(request) == {"args", "kwargs"}:
        arguments = request["kwargs"]
    recorded = response if isinstance(response, Mapping) and "tool_call_id" in response else {}
    id = recorded.get("tool_call_id") or read_unquoted(span.attributes, f"{METADATA}.tool_call_id")
    result = recorded.get("content", response)
    if response is None:
        result = read_result(span.attributes.get("langfuse.observation.output"))
    return Operation(
        EXECUTE_TOOL, tool=ToolExecution(span.name, id if isinstance(id, str) else None, arguments, result)
    )


def _read_model(attributes: Attributes) -> str | None:
    return read_text(attributes, "langfuse.observation.model.name")


def _read_usage(attributes: Attributes) -> Usage | None:
    return read_usage(read_json(attributes.get("langfuse.observation.usage_details")))


CONVENTION = Convention(
    "Langfuse",
    MARKER_ATTRIBUTES,
    read,
    conversation_attributes=(
        *list_conversation_names(METADATA, "langfuse.trace.metadata"),
        "langfuse.session.id",
        "langfuse.trace.session_id",
    ),
    user_attributes=(
        "langfuse.user.id",
        "langfuse.trace.user_id",
        *list_user_names(METADATA, "langfuse.trace.metadata"),
    ),
)
