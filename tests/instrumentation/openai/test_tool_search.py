"""A search for tools is a call with a result, whoever runs it, and never a message without words."""

from __future__ import annotations

from typing import Any

import pytest

from greenflash_otel.model.operation import (
    Message,
    ServerToolCall,
    ServerToolCallResponse,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.formats.openai import read_messages

TOOLS: list[Any] = [{"type": "function", "name": "weather"}]
SEARCH = {"type": "tool_search_call", "arguments": {"query": "weather"}}
FOUND = {"type": "tool_search_output", "tools": TOOLS}


@pytest.mark.parametrize("execution", [{"execution": "client"}, {}])
def test_a_search_of_the_application(execution: dict[str, str]) -> None:
    """The result is a tool message below the call."""
    items = [{**item, **execution, "call_id": "c", "id": "x"} for item in (SEARCH, FOUND)]
    assert read_messages(items) == (
        Message("assistant", (ToolCall("tool_search", {"query": "weather"}, "c"),)),
        Message("tool", (ToolCallResponse({"tools": TOOLS}, "c"),)),
    )


def test_a_search_of_the_provider() -> None:
    """Both are part of the answer."""
    items = [{**item, "execution": "server", "call_id": None, "id": "x"} for item in (SEARCH, FOUND)]
    assert read_messages(items) == (
        Message(
            "assistant",
            (
                ServerToolCall("tool_search", {"arguments": {"query": "weather"}}, "x"),
                ServerToolCallResponse({"tools": TOOLS}, None),
            ),
        ),
    )
