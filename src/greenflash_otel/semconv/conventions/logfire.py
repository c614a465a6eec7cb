"""Logfire on OpenAI's Agents SDK: the input and the whole answer of a call as JSON. Pure.

Its other integrations write what `pydantic_ai` and `genai` read. Source: its code, 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import EXECUTE_TOOL, Json, Operation, Text, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.attributes import apply_ending, read_text
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions import pydantic_ai
from greenflash_otel.semconv.formats.api_payloads import (
    ResponsePayload,
    operation_of,
    read_request,
    read_response,
)
from greenflash_otel.semconv.truncated_json import read_document

TEMPLATE = "logfire.msg_template"
MARKER_ATTRIBUTES = (TEMPLATE,)
TOOL = "Function: {name}"
"""The template of its message by which it says that a span is a tool."""


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    attributes, template = span.attributes, read_text(span.attributes, TEMPLATE) or ""
    if "response" in attributes and attributes.get("gen_ai.operation.name") == "chat":
        return apply_ending(_read_response(span), span)
    if template.startswith(TOOL):
        tool = ToolExecution(
            read_text(attributes, "name") or "unknown",
            arguments=read_structure(attributes.get("input")),
            result=read_json(attributes.get("output")),
        )
        return apply_ending(Operation(EXECUTE_TOOL, tool=tool), span)
    if "request_data" in attributes and genai.INPUT_MESSAGES not in attributes:
        return apply_ending(_read_data(span), span)
    return pydantic_ai.read(span)


def _read_data(span: SpanRecord) -> Operation:
    """Read a request and its answer, as older versions have them, or all messages in one."""
    document = read_document(span.attributes.get("response_data"))
    request = read_request(read_document(span.attributes.get("request_data")))
    recorded: Mapping[str, Json] = document if isinstance(document, Mapping) else {}
    if isinstance(streamed := recorded.get("combined_chunk_content"), str):
        answer = read_response(streamed)
    elif recorded:
        answer = read_response(recorded)
    else:
        last = (
            len(request.messages) - 1
            if request.messages and request.messages[-1].role == "assistant"
            else None
        )
        answer = ResponsePayload(request.messages[last:] if last is not None else ())
        request = replace(request, messages=request.messages[:last])
    return replace(operation_of(request, answer), provider=read_text(span.attributes, "gen_ai.system"))


def _read_response(span: SpanRecord) -> Operation:
    document = read_document(span.attributes.get("response"))
    recorded: Mapping[str, Json] = document if isinstance(document, Mapping) else {}
    request, instructions = (
        read_request(read_json(span.attributes.get("raw_input"))),
        recorded.get("instructions"),
    )
    previous = recorded.get("previous_response_id")
    return replace(
        operation_of(request, read_response(document)),
        provider=read_text(span.attributes, "gen_ai.system"),
        request_model=read_text(span.attributes, "gen_ai.request.model"),
        previous_response_id=previous if isinstance(previous, str) else None,
        system_instructions=(Text(instructions),) if isinstance(instructions, str) and instructions else (),
    )


CONVENTION = Convention(
    "Logfire",
    MARKER_ATTRIBUTES,
    read,
)
