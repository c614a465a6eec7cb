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
    asked = read_document(attributes.get("langfuse.observation.input"))
    answered = read_document(attributes.get("langfuse.observation.output"))
    if isinstance(asked, str) and asked == answered:
        asked = answered = None  # what a mask put in place of both
    match read_text(attributes, KIND):
        case "generation":
            operation = _read_call(attributes, asked, answered)
        case "embedding":
            operation = embedding_of(asked.get("input") if isinstance(asked, Mapping) else asked)
            operation = replace(
                operation, response_model=_read_model(attributes), usage=_read_usage(attributes)
            )
        case "retriever":
            operation = retrieval_of(asked, answered)
        case "tool":
            operation = _read_tool(span, asked, answered)
        case "agent" | "chain":
            return read_run(span, asked, answered)
        case _:
            return None
    if span.status != "error" and read_text(attributes, "langfuse.observation.level") == "ERROR":
        message = read_text(attributes, "langfuse.observation.status_message")
        return replace(operation, ending="failed", failure=Failure("_OTHER", message))
    return apply_ending(operation, span)


def _read_call(attributes: Attributes, asked: Json, answered: Json) -> Operation:
    request = read_request(asked) if asked is not None else RequestPayload()
    response = read_response(answered) if answered is not None else ResponsePayload()
    count = _count_choices(read_json(attributes.get("langfuse.observation.model.parameters")))
    if count > 1 and isinstance(answered, list):
        each = (message for one in answered for message in read_response(one).messages)
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


def _read_tool(span: SpanRecord, asked: Json, answered: Json) -> Operation:
    """Read a tool; of a decorated function the arguments are in two lists."""
    given = asked
    if isinstance(asked, Mapping) and set(asked) == {"args", "kwargs"}:
        given = asked["kwargs"]
    recorded = answered if isinstance(answered, Mapping) and "tool_call_id" in answered else {}
    id = recorded.get("tool_call_id") or read_unquoted(span.attributes, f"{METADATA}.tool_call_id")
    result = recorded.get("content", answered)
    if answered is None:
        result = read_result(span.attributes.get("langfuse.observation.output"))
    return Operation(
        EXECUTE_TOOL, tool=ToolExecution(span.name, id if isinstance(id, str) else None, given, result)
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
