"""Claude Code: its log events of prompts, answers and tools. Pure. Source: its monitoring page, 2.1.

Prompts, answers and a tool's input are there if the user turned them on. What a tool answered is not.
"""

from __future__ import annotations

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import EXECUTE_TOOL, Failure, Message, Operation, Text, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions.agent_events import CLAUDE_CODE, has_succeeded

MARKER_ATTRIBUTES = (CLAUDE_CODE,)


def read(span: SpanRecord) -> Operation | None:
    """Read an event; one of a request says nothing that was not said elsewhere."""
    attributes = span.attributes
    match read_text(attributes, CLAUDE_CODE):
        case "user_prompt" if text := read_text(attributes, "prompt"):
            return Operation("chat", provider="anthropic", input=(Message("user", (Text(text),)),))
        case "assistant_response" if text := read_text(attributes, "response"):
            return Operation(
                "chat",
                provider="anthropic",
                response_model=read_text(attributes, "model"),
                response_id=read_text(attributes, "request_id"),
                output=(Message("assistant", (Text(text),)),),
            )
        case "tool_result":
            return _read_tool(span)
    return None


def _read_tool(span: SpanRecord) -> Operation:
    attributes = span.attributes
    given = read_text(attributes, "tool_input") or read_text(attributes, "tool_parameters")
    tool = ToolExecution(
        read_text(attributes, "tool_name") or "unknown",
        read_text(attributes, "tool_use_id") or span.span_id,
        read_structure(given),
        answered=False,
    )
    if has_succeeded(attributes):
        return Operation(EXECUTE_TOOL, tool=tool)
    failure = Failure(read_text(attributes, "error_type") or "_OTHER", read_text(attributes, "error"))
    return Operation(EXECUTE_TOOL, tool=tool, ending="failed", failure=failure)


CONVENTION = Convention("Claude Code", MARKER_ATTRIBUTES, read)
