"""What was said, where conventions put it into events: OpenTelemetry 1.26 to today, Strands, and kin. Pure.

An event is one of the span, or a log record of it (`logs`). From 1.28 on there is one for each message
(``gen_ai.user.message``, ``gen_ai.choice``), in 1.26 one for all (``gen_ai.content.prompt``), and since 1.37
``gen_ai.client.inference.operation.details`` with the attributes that the span could have had itself. AWS's
distribution moves all content of a span into one log record named like the span's scope.

The span says all the rest as `genai` reads it. Strands reports on a tool's span its arguments as
``gen_ai.tool.message`` and its result as ``gen_ai.choice``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    Failure,
    Json,
    Message,
    Operation,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import Attributes, AttributeValue, SpanEvent, SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.convention import ALL_OTHERS, Convention
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.conventions.otel_logs import BODY
from greenflash_otel.semconv.expected_json import read_messages_document
from greenflash_otel.semconv.formats.any_message import read_messages as read_any_messages
from greenflash_otel.semconv.formats.bedrock import is_converse, read_blocks, result_of
from greenflash_otel.semconv.formats.gemini import LEFT_OUT, is_gemini, read_contents
from greenflash_otel.semconv.formats.openai import read_messages

DETAILS = "gen_ai.client.inference.operation.details"
CHOICE = "gen_ai.choice"
TOOL = "gen_ai.tool.message"
ROLES: Mapping[str, str] = {
    "gen_ai.system.message": "system",
    "gen_ai.developer.message": "developer",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    TOOL: "tool",
}
"""Role by the name of the event that describes a message."""
PROMPT, COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"
PROMPT_OF_TEXT, COMPLETION_OF_TEXT = "gen_ai.prompt", "gen_ai.completion"
"""The same where the text is the body, as in Semantic Kernel's log record of the prompt of a text completion."""
SYSTEM_PROMPT = "system_prompt"
"""Of Strands, on the span of the agent alone."""
RUNS = ("invoke_agent", "invoke_workflow")
"""Operations in which model calls are made."""

Fields = Mapping[str, Json]


def read(span: SpanRecord) -> Operation | None:
    """Read the operation of a span; its events say what its attributes leave open."""
    if details := _read_details(span):
        span = replace(span, attributes={**details, **_drop_empty(span.attributes)})
    operation = genai.read(span) or _read_run(span)
    if operation is not None and operation.name == EXECUTE_TOOL:
        return _read_tool(span, operation)
    if operation is None or operation.input or operation.output:
        return operation
    messages, answers = tuple(_read_input(span)), tuple(_read_output(span))
    if not messages and not answers:
        return operation
    return replace(operation, input=messages, output=answers, choice_count=max(len(answers), 1))


def _read_run(span: SpanRecord) -> Operation | None:
    """Read a whole run from the span of an agent or a workflow."""
    if read_text(span.attributes, genai.OPERATION_NAME) not in RUNS:
        return None
    called = genai.read(replace(span, attributes={**span.attributes, genai.OPERATION_NAME: "chat"}))
    if called and not called.system_instructions and (recorded := read_text(span.attributes, SYSTEM_PROMPT)):
        called = replace(called, system_instructions=(Text(recorded),))
    return called and replace(called, name=RUN)


def _read_details(span: SpanRecord) -> dict[str, AttributeValue]:
    """Read what events say in the names of attributes; some producers use one event for each."""
    details: dict[str, AttributeValue] = {}
    for event in span.events:
        if event.name == DETAILS:
            details.update(_drop_empty(event.attributes))
        elif event.name == span.scope and "input" in event.attributes and "output" in event.attributes:
            for name, place in ((genai.INPUT_MESSAGES, "input"), (genai.OUTPUT_MESSAGES, "output")):
                recorded = event.attributes[place]
                details[name] = recorded.get("messages") if isinstance(recorded, Mapping) else None
    return details


def _drop_empty(attributes: Attributes) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value not in (None, "", "[]", [], ())}


def _fields_of(event: SpanEvent) -> Fields:
    """Return the fields of a message; of a log record that has only a text, that is its content."""
    fields = event.attributes
    is_text = BODY in fields and {"content", "message", "tool_calls"}.isdisjoint(fields)
    return {**fields, "content": fields[BODY]} if is_text else fields


def _read_input(span: SpanRecord) -> Iterator[Message]:
    """Read the messages to the model."""
    for event in span.events:
        if event.name in (PROMPT, PROMPT_OF_TEXT):
            yield from _read_text(event, ("gen_ai.prompt", "prompt"), "user")
        elif role := ROLES.get(event.name):
            yield from _read_messages(_fields_of(event), role)


def _read_output(span: SpanRecord) -> Iterator[Message]:
    """Read the messages of the model, one for each choice."""
    for event in span.events:
        if event.name in (COMPLETION, COMPLETION_OF_TEXT):
            yield from _read_text(event, ("gen_ai.completion", "completion"), "assistant")
        elif event.name == CHOICE:
            reason = read_text(event.attributes, "finish_reason")
            for message in _read_messages(_read_choice(event), "assistant"):
                yield replace(message, finish_reason=reason)


def _read_text(event: SpanEvent, names: tuple[str, ...], role: str) -> Iterable[Message]:
    """Read an event that has all messages, or a text, under one name or as its body."""
    value = next(
        (event.attributes[name] for name in (*names, "content", BODY) if name in event.attributes), None
    )
    decoded = read_messages_document(value)
    if (
        isinstance(decoded, (list, tuple))
        and decoded
        and all(isinstance(message, Mapping) for message in decoded)
    ):
        return read_messages(decoded, role)
    return read_any_messages(value, default_role=role)


def _read_choice(event: SpanEvent) -> Fields:
    """Read the message of a choice; some producers put its tool calls next to it."""
    recorded = _fields_of(event)
    message = recorded.get("message")
    decoded = read_messages_document(message) if isinstance(message, str) else None
    message = decoded if isinstance(decoded, Mapping) else message
    fields = message if isinstance(message, Mapping) else {} if message is None else {"content": message}
    extra = {name: recorded[name] for name in ("tool_calls", "content") if name in recorded}
    return {**extra, **fields}


def _read_messages(fields: Fields, role: str) -> Iterable[Message]:
    content = read_structure(fields.get("content"))
    if isinstance(content, str) and content in LEFT_OUT:
        return ()
    if is_gemini(content):
        return read_contents(content, role)
    if is_converse(content):
        parts = tuple(read_blocks(content))
        if role == "tool" and not any(isinstance(part, ToolCallResponse) for part in parts):
            id = read_text(fields, "id") or read_text(fields, "tool_call_id")
            return [
                Message(role, (ToolCallResponse(result_of(content), id, fields.get("status") == "error"),))
            ]
        return [Message(_correct_role(role, parts), parts)] if parts else []
    if role == "tool" and isinstance(content, list) and _has_several_results(content):
        return read_messages(
            [{**block, "role": "tool"} for block in content if isinstance(block, Mapping)], role
        )
    entry = {**fields, "role": role, "content": fields.get("content")}
    if role == "tool":
        entry["tool_call_id"] = fields.get("id") or fields.get("tool_call_id")
    return read_messages(entry, role)


def _has_several_results(content: list[Json]) -> bool:
    """Return whether a content has results of several calls, as Semantic Kernel's can."""
    return all(isinstance(block, Mapping) and "tool_call_id" in block for block in content) and bool(content)


def _correct_role(role: str, parts: tuple[Part, ...]) -> str:
    """Correct Strands, which names a message after its first part, though a text follows."""
    return "user" if role == "tool" and any(isinstance(part, Text) for part in parts) else role


def _read_tool(span: SpanRecord, operation: Operation) -> Operation:
    """Read a tool with what it was given and answered, which some producers report as messages."""
    tool = operation.tool
    if tool is None or not span.events:
        return operation
    parts = [part for message in (*operation.input, *operation.output) for part in message.parts]
    arguments = [part.arguments for part in parts if isinstance(part, ToolCall)]
    results = [part.response for part in parts if isinstance(part, ToolCallResponse)]
    for event in span.events:
        if event.name == TOOL:
            arguments.append(read_structure(_fields_of(event).get("content")))
        elif event.name == CHOICE:
            result = read_structure(_fields_of(event).get("message"))
            results.append(result_of(result) if is_converse(result) else result)
    if is_converse(tool.result):
        tool = replace(tool, result=result_of(tool.result))
    tool = replace(
        tool,
        arguments=tool.arguments if tool.arguments is not None or not arguments else arguments[0],
        result=tool.result if tool.result is not None or not results else results[0],
    )
    operation = replace(operation, tool=tool, input=(), output=())
    if read_text(span.attributes, "gen_ai.tool.status") == "error" and operation.failure is None:
        failure = Failure("_OTHER", tool.result if isinstance(tool.result, str) else None)
        return replace(operation, ending="failed", failure=failure)
    return operation


CONVENTION = Convention("OpenTelemetry GenAI", genai.MARKER_ATTRIBUTES, read, after=ALL_OTHERS)
