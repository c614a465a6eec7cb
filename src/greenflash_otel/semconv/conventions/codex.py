"""Codex: its log events of prompts and tools. Pure. Source: its code, 0.128.

Prompts are there if `log_user_prompt` is on. It writes no event with the words of an answer.
"""

from __future__ import annotations

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import EXECUTE_TOOL, Failure, Message, Operation, Text, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions.agent_events import CODEX, has_succeeded

MARKER_ATTRIBUTES = (CODEX,)


def read(span: SpanRecord) -> Operation | None:
    """Read an event; one of a request says nothing that was not said elsewhere."""
    attributes = span.attributes
    event = read_text(attributes, CODEX)
    if event == "user_prompt" and (text := read_text(attributes, "prompt")):
        return Operation(
            "chat",
            provider="openai",
            request_model=read_text(attributes, "model"),
            input=(Message("user", (Text(text),)),),
        )
    return _read_tool(span) if event == "tool_result" else None


def _read_tool(span: SpanRecord) -> Operation:
    attributes = span.attributes
    output = attributes.get("output")
    tool = ToolExecution(
        read_text(attributes, "tool_name") or "unknown",
        read_text(attributes, "call_id") or span.span_id,
        read_structure(attributes.get("arguments")),
        output,
    )
    if has_succeeded(attributes):
        return Operation(EXECUTE_TOOL, tool=tool)
    message = output if isinstance(output, str) else None
    return Operation(EXECUTE_TOOL, tool=tool, ending="failed", failure=Failure("_OTHER", message))


CONVENTION = Convention("Codex", MARKER_ATTRIBUTES, read, user_attributes=("user.account_id", "user.email"))
