"""Google's Agent Development Kit, 1.x: the request and answer of a model in Gemini's JSON. Pure.

From version 2 on it writes OpenTelemetry's names, on spans or in log records; of those only a span that
stands for several tools at once is sorted out here. Source: its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenflash_otel.model.operation import EXECUTE_TOOL, Failure, Json, Operation, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.attributes import apply_ending, read_text, read_texts
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions import otel_events
from greenflash_otel.semconv.formats.gemini import has_failed, read_contents
from greenflash_otel.semconv.truncated_json import read_document
from greenflash_otel.semconv.usage import read_usage_attributes

REQUEST, RESPONSE = "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"
ARGUMENTS, RESULT = "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"
MARKER_ATTRIBUTES = (REQUEST, RESPONSE, ARGUMENTS, RESULT, "gcp.vertex.agent.event_id")
MERGED = "(merged tools)"
NOTHING = ("{}", "N/A", "<not specified>", '"<not specified>"', '{"result": "<not specified>"}')
"""What it writes where there is nothing, or nothing was captured."""


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; None if it has none of these."""
    attributes = span.attributes
    name = read_text(attributes, genai.TOOL_NAME)
    if name == MERGED:
        return None
    if name is not None:
        return _read_tool(span, name)
    request = read_document(attributes.get(REQUEST))
    if not isinstance(request, Mapping) or not request:
        return otel_events.read(span)
    response = read_document(attributes.get(RESPONSE))
    answer = response.get("content") if isinstance(response, Mapping) else None
    config = request.get("config")
    instructions = config.get("system_instruction") if isinstance(config, Mapping) else None
    operation = Operation(
        "chat",
        provider=read_text(attributes, "gen_ai.system"),
        request_model=read_text(attributes, genai.REQUEST_MODEL),
        system_instructions=tuple(
            part for message in read_contents(instructions, "system") for part in message.parts
        ),
        input=read_contents(request.get("contents"), "user"),
        output=read_contents(answer, "assistant"),
        usage=read_usage_attributes(
            attributes, ("gen_ai.usage.input_tokens",), ("gen_ai.usage.output_tokens",), (), ()
        ),
        finish_reasons=read_texts(attributes, genai.FINISH_REASONS),
    )
    return apply_ending(operation, span)


def _read_tool(span: SpanRecord, name: str) -> Operation | None:
    attributes = span.attributes
    if ARGUMENTS not in attributes and RESULT not in attributes:
        operation = otel_events.read(span)
    else:
        call_id = read_text(attributes, genai.TOOL_CALL_ID)
        tool = ToolExecution(
            name,
            call_id if call_id not in NOTHING else None,
            _read_value(span, ARGUMENTS),
            _read_value(span, RESULT),
        )
        operation = apply_ending(Operation(EXECUTE_TOOL, tool=tool), span)
    result = operation.tool.result if operation and operation.tool else None
    if operation and has_failed(result) and operation.failure is None:
        message = result.get("error_message") if isinstance(result, Mapping) else None
        failure = Failure("_OTHER", message if isinstance(message, str) else None)
        return replace(operation, ending="failed", failure=failure)
    return operation


def _read_value(span: SpanRecord, name: str) -> Json:
    value = span.attributes.get(name)
    return None if value in NOTHING else read_document(value)


CONVENTION = Convention(
    "Agent Development Kit",
    MARKER_ATTRIBUTES,
    read,
    conversation_attributes=("gcp.vertex.agent.session_id",),
)
