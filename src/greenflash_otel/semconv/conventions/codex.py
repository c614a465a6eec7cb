"""Codex: its log events of prompts and tools. Pure. Source: its code, 0.128.

Prompts are there if `log_user_prompt` is on. It writes no event with the words of an answer.
"""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.json_values import read_structure
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.convention import Convention
from greenflash_otel.semconv.conventions.agent_events import CODEX, make_prompt, make_tool_call

MARKER_ATTRIBUTES = (CODEX,)


def read(span: SpanRecord) -> Operation | None:
    """Read an event; one of a request says nothing that was not said elsewhere."""
    attributes = span.attributes
    event = read_text(attributes, CODEX)
    if event == "user_prompt" and (text := read_text(attributes, "prompt")):
        prompt = make_prompt(span, text, None)
        return replace(prompt, provider="openai", request_model=read_text(attributes, "model"))
    if event == "tool_result":
        arguments = read_structure(attributes.get("arguments"))
        call_id = read_text(attributes, "call_id")
        return make_tool_call(span, call_id, arguments, read_text(attributes, "output") or "", None)
    return None


CONVENTION = Convention("Codex", MARKER_ATTRIBUTES, read, user_attributes=("user.account_id", "user.email"))
