"""Pydantic AI and what Logfire takes over from it: messages of OpenTelemetry's names in attributes. Pure.

Formats 2 to 6 write what `genai` reads, and the whole run as ``pydantic_ai.all_messages``. Format 1, of
version 1, writes the events of OpenTelemetry 1.28 as one JSON list in ``events``, the whole run as
``all_messages_events``, and a tool that runs without the name of an operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_json, read_structure
from greenflash_otel.model.operation import EXECUTE_TOOL, Message, Operation, ToolExecution
from greenflash_otel.model.telemetry import AttributeValue, SpanEvent, SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.attributes import apply_ending, read_text
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions import otel_events
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.formats.otel_messages import read_messages, read_parts
from greenflash_otel.semconv.truncated_json import read_document

RUN_OF_FORMAT_1 = "all_messages_events"
RUN_OF_LATER = "pydantic_ai.all_messages"
EVENTS = "events"
ARGUMENTS, RESULT = "tool_arguments", "tool_response"
MARKER_ATTRIBUTES = (EVENTS, RUN_OF_FORMAT_1, RUN_OF_LATER, genai.TOOL_NAME)


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span, or the run; None if it has none of these."""
    attributes = span.attributes
    if RUN_OF_LATER in attributes:
        messages = read_messages(read_document(attributes[RUN_OF_LATER]), default_role="user")
        return _read_run(span, messages)
    if RUN_OF_FORMAT_1 in attributes:
        operation = otel_events.read(_add_events(span, attributes[RUN_OF_FORMAT_1], "chat"))
        return _read_run(span, operation.input if operation else ())
    if genai.OPERATION_NAME not in attributes and read_text(attributes, genai.TOOL_NAME):
        return _read_tool(span)
    return otel_events.read(_add_events(span, attributes.get(EVENTS), None))


def _add_events(span: SpanRecord, recorded: AttributeValue, name: str | None) -> SpanRecord:
    """Return the span as if the list in its attribute were events of it."""
    events = tuple(_read_events(span, recorded))
    attributes = {**span.attributes, genai.OPERATION_NAME: name} if name else span.attributes
    return replace(span, events=(*span.events, *events), attributes=attributes)


def _read_events(span: SpanRecord, recorded: AttributeValue) -> Iterator[SpanEvent]:
    entries = read_document(recorded)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and isinstance(name := entry.get("event.name"), str):
            yield SpanEvent(name, span.end_ns, entry)


def _read_run(span: SpanRecord, messages: tuple[Message, ...]) -> Operation:
    """Read all that was said in a run; the model's last word is the answer."""
    last = len(messages) - 1 if messages and messages[-1].role == "assistant" else len(messages)
    instructions = read_parts(span.attributes.get(genai.SYSTEM_INSTRUCTIONS))
    operation = Operation(
        RUN, system_instructions=instructions, input=messages[:last], output=messages[last:]
    )
    return apply_ending(operation, span)


def _read_tool(span: SpanRecord) -> Operation:
    attributes = span.attributes
    tool = ToolExecution(
        read_text(attributes, genai.TOOL_NAME) or "unknown",
        read_text(attributes, genai.TOOL_CALL_ID),
        read_structure(attributes.get(ARGUMENTS)),
        read_json(attributes.get(RESULT)),
    )
    return apply_ending(Operation(EXECUTE_TOOL, tool=tool), span)


CONVENTION = Convention(
    "Pydantic AI",
    MARKER_ATTRIBUTES,
    read,
    after=("Agent Development Kit", "LangSmith", "Logfire", "OpenLLMetry"),
)
