"""Google's Agent Development Kit, 1.x: Gemini's JSON, and the layers that tell of one call."""

from __future__ import annotations

import json
from dataclasses import replace

from greenflash_otel.model.operation import Failure, Message, Text, ToolCall, ToolCallResponse, ToolExecution
from greenflash_otel.model.telemetry import AttributeValue, LogRecord
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.otel_logs import add_logs
from greenflash_otel.semconv.correlation.trace import combine_spans, read
from tests.strategies import span_of

LOOK = ToolCall("look", {"at": 1}, "c")
CONTENTS: list[AttributeValue] = [
    {"role": "user", "parts": [{"text": "Hi"}]},
    {"role": "model", "parts": [{"function_call": {"id": "c", "name": "look", "args": {"at": 1}}}]},
    {"role": "user", "parts": [{"function_response": {"id": "c", "name": "look", "response": {"seen": 2}}}]},
]
ANSWER: AttributeValue = {"role": "model", "parts": [{"text": "A"}]}
REQUEST = {"model": "m", "config": {"system_instruction": "Be kind.", "tools": []}, "contents": CONTENTS}
RESPONSE = {"content": ANSWER, "finish_reason": "STOP"}
CALL: dict[str, AttributeValue] = {
    "gen_ai.system": "gcp.vertex.agent",
    "gcp.vertex.agent.session_id": "s",
    "gcp.vertex.agent.llm_request": json.dumps(REQUEST),
    "gcp.vertex.agent.llm_response": json.dumps(RESPONSE),
}
TOOL: dict[str, AttributeValue] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "look",
    "gen_ai.tool.call.id": "c",
    "gcp.vertex.agent.llm_request": "{}",
    "gcp.vertex.agent.tool_call_args": '{"at": 1}',
    "gcp.vertex.agent.tool_response": '{"seen": 2}',
}


def test_a_call() -> None:
    """Contents and their parts; what a tool answered comes from the user there."""
    operation = registry.read(span_of(CALL))
    assert operation
    assert operation.conversation_context.conversation_id == "s"
    assert operation.system_instructions == (Text("Be kind."),)
    assert operation.input == (
        Message("user", (Text("Hi"),)),
        Message("assistant", (LOOK,)),
        Message("tool", (ToolCallResponse({"seen": 2}, "c"),)),
    )
    assert operation.output == (Message("assistant", (Text("A"),)),)


def test_its_two_layers() -> None:
    """The span within has the same in log records; they are one call."""
    inner = replace(
        span_of({"gen_ai.operation.name": "generate_content", "gen_ai.response.model": "m-1"}, number=1),
        parent_span_id=f"{2:016x}",
    )
    told = [("gen_ai.user.message", content) for content in CONTENTS]
    told.append(("gen_ai.choice", ANSWER))
    logs = [
        LogRecord(inner.trace_id, inner.span_id, name, at, {"content": content})
        for at, (name, content) in enumerate(told)
    ]
    one, other = combine_spans(map(read, (add_logs(inner, logs), span_of(CALL, number=2))))
    assert one.operation is None
    assert other.operation and other.operation.response_model == "m-1"


def test_tools() -> None:
    """What it was given and answered; an answer can say that it failed. The sum of several is none."""
    operation = registry.read(span_of(TOOL))
    assert operation and operation.tool == ToolExecution("look", "c", {"at": 1}, {"seen": 2})
    no = {"gcp.vertex.agent.tool_response": '{"status": "error", "error_message": "no"}'}
    failed = registry.read(span_of({**TOOL, **no}))
    assert failed and failed.failure == Failure("_OTHER", "no")
    assert registry.read(span_of({**TOOL, "gen_ai.tool.name": "(merged tools)"})) is None


def test_content_that_was_left_out() -> None:
    """``{}`` and its like are nothing."""
    hidden = {"gcp.vertex.agent.tool_call_args": "{}", "gcp.vertex.agent.tool_response": "{}"}
    operation = registry.read(span_of({**TOOL, **hidden}))
    assert operation and operation.tool == ToolExecution("look", "c")
    empty = {"gcp.vertex.agent.llm_request": "{}", "gcp.vertex.agent.llm_response": "{}"}
    silent = registry.read(span_of({**CALL, **empty}))
    assert not silent or not (silent.input or silent.output)
