"""Claude Code: its log events of prompts, answers and tools. Pure. Source: its monitoring page, 2.1.

Prompts, answers and a tool's input are there if the user turned them on. What a tool answered is not.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions.agent_events import (
    CLAUDE_CODE,
    continue_prompt,
    make_prompt,
    make_tool_call,
)

MARKER_ATTRIBUTES = (CLAUDE_CODE,)


def read(span: SpanRecord) -> Operation | None:
    """Read an event; one of a request says nothing that was not said elsewhere."""
    attributes = span.attributes
    prompt_id = read_text(attributes, "prompt.id")
    match read_text(attributes, CLAUDE_CODE):
        case "user_prompt" if text := read_text(attributes, "prompt"):
            return replace(make_prompt(span, text, prompt_id), provider="anthropic")
        case "assistant_response" if text := read_text(attributes, "response"):
            answer = Operation(
                "chat",
                provider="anthropic",
                response_model=read_text(attributes, "model"),
                response_id=read_text(attributes, "request_id"),
                output=(Message("assistant", (Text(text),)),),
            )
            return continue_prompt(answer, span, prompt_id)
        case "tool_result":
            arguments = read_text(attributes, "tool_input") or read_text(attributes, "tool_parameters")
            error = read_text(attributes, "error") or read_text(attributes, "error_type")
            call_id = read_text(attributes, "tool_use_id")
            return make_tool_call(span, call_id, read_structure(arguments), error, prompt_id)
    return None


CONVENTION = Convention("Claude Code", MARKER_ATTRIBUTES, read)
