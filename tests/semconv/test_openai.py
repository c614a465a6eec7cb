"""The one reader of OpenAI's JSON: what it reads in our own capture, it reads on the spans of others, too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from greenflash_otel.model.operation import (
    Json,
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.formats.openai import read_message, read_messages
from tests.strategies import span_of

SEARCH: dict[str, Any] = {"type": "search", "arguments": '{"q": "tea"}', "output": "Green."}
SEARCHED = (
    ServerToolCall("search", {"arguments": {"q": "tea"}}, "executed_tool_0"),
    ServerToolCallResponse({"output": "Green."}, "executed_tool_0"),
)

MESSAGES = [
    pytest.param({"content": "A", "reasoning": "Hm"}, (Reasoning("Hm"), Text("A")), id="reasoning of Groq"),
    pytest.param({"content": "A", "reasoning_content": "Hm"}, (Reasoning("Hm"), Text("A")), id="of DeepSeek"),
    pytest.param({"content": "A", "executed_tools": [SEARCH]}, (*SEARCHED, Text("A")), id="tools Groq ran"),
    pytest.param(
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
        (Reasoning("Hm"),),
        id="thinking of Mistral",
    ),
    pytest.param({"content": [{"type": "reasoning_text", "text": "Hm"}]}, (Reasoning("Hm"),), id="its text"),
    pytest.param(
        {
            "content": [
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "tea"}}
            ]
        },
        (
            ServerToolCall(
                "web_search",
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "tea"}},
                "s",
            ),
        ),
        id="a tool of Anthropic's",
    ),
    pytest.param(
        {"content": [{"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]},
        (
            ServerToolCallResponse(
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                "s",
            ),
        ),
        id="what came of it",
    ),
    pytest.param({"content": [{"type": "text"}]}, (), id="a text that was left out"),
]


@pytest.mark.parametrize(("entry", "expected"), MESSAGES)
def test_an_answer_is_read_alike_in_capture_and_on_spans(entry: Json, expected: tuple[Part, ...]) -> None:
    """By all paths that lead to it: ours, Langfuse's raw answer, messages of OpenTelemetry's names."""
    message: dict[str, Any] = {"role": "assistant", **entry}  # type: ignore[dict-item]  # each is an object
    assert read_message(message).parts == expected
    paths = {
        "langfuse.observation.output": {"langfuse.observation.type": "generation"},
        "gen_ai.output.messages": {"gen_ai.operation.name": "chat"},
    }
    for name, marks in paths.items():
        value = message if name.startswith("langfuse") else [message]
        operation = registry.read(span_of({**marks, name: json.dumps(value)}))
        assert operation
        assert [part for message in operation.output for part in message.parts] == list(expected), name


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(
            {"type": "program", "call_id": "p", "code": "1+1"},
            Message("assistant", (ServerToolCall("program", {"code": "1+1"}, "p"),)),
            id="a program",
        ),
        pytest.param(
            {"type": "program_output", "call_id": "p", "result": "2"},
            Message("assistant", (ServerToolCallResponse({"result": "2"}, "p"),)),
            id="what it printed",
        ),
        pytest.param(
            {"type": "mcp_approval_response", "approve": True, "approval_request_id": "a"},
            Message("user", (Other("mcp_approval_response", {"approve": True, "approval_request_id": "a"}),)),
            id="the user approves a tool",
        ),
        pytest.param(
            {"type": "function_call", "call_id": "c", "name": "f", "caller": {"caller_id": "p"}},
            Message("assistant", (ToolCall("f", None, "c", "p"),)),
            id="a program asks for a tool",
        ),
        pytest.param(
            {"type": "item_reference", "id": "msg_1"},
            Message("assistant", (Other("item_reference", {"id": "msg_1"}),)),
            id="a reference",
        ),
        pytest.param(
            {"type": "function_call_output", "call_id": "c", "output": None},
            Message("tool", (ToolCallResponse(None, "c"),)),
            id="nothing known of what a tool answered",
        ),
        pytest.param(
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "2"}], "name": "f"},
            Message("tool", (ToolCallResponse([{"type": "text", "text": "2"}], "c"),), "f"),
            id="a result in parts stays in parts",
        ),
        pytest.param(
            {"role": "model", "content": [{"type": "image_url", "image_url": "https://x/y"}]},
            Message("assistant", (Media("image", uri="https://x/y"),)),
            id="a role by another name",
        ),
    ],
)
def test_an_entry_of_an_input(item: Json, expected: Message) -> None:
    """Whose it is, and what it says."""
    assert read_messages([item]) == (expected,)
