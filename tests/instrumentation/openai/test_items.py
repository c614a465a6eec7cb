"""Items of the Responses API: every type has its parts, and none is lost."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from openai.types.responses import ResponseOutputMessage

from greenflash_otel.model.operation import (
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
from greenflash_otel.semconv.formats.openai import read_item, read_messages, read_parts
from tests.instrumentation.openai.replies import message_item

FUNCTION_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "add",
    "arguments": '{"a": 1}',
}
SEARCH: Any = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}
MCP: Any = {"type": "mcp_call", "id": "mcp_1", "name": "roll", "arguments": "{}", "server_label": "dice"}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(message_item("Hi"), (Text("Hi"),), id="message"),
        pytest.param(
            {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]},
            (Other("refusal", {"content": "No."}),),
            id="refusal",
        ),
        pytest.param(
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            },
            (Reasoning("a\n\nb"),),
            id="reasoning in summary",
        ),
        pytest.param(
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "a"}]},
            (Reasoning("a"),),
            id="reasoning itself",
        ),
        pytest.param(
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            (),
            id="reasoning that shows nothing",
        ),
        pytest.param(
            FUNCTION_CALL, (ToolCall("add", {"a": 1}, "call_1"),), id="function call, linked by call_id"
        ),
        pytest.param(
            {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": ""},
            (ToolCall("add", "", "call_1"),),
            id="function call without id or arguments",
        ),
        pytest.param(
            {"type": "custom_tool_call", "call_id": "call_2", "name": "sql", "input": "SELECT 1"},
            (ToolCall("sql", "SELECT 1", "call_2"),),
            id="custom tool call",
        ),
        pytest.param(
            {"type": "local_shell_call", "call_id": "call_3", "action": {"command": ["ls"]}},
            (ToolCall("local_shell", {"command": ["ls"]}, "call_3"),),
            id="shell call",
        ),
        pytest.param(
            {"type": "function_call_output", "call_id": "call_1", "output": "3"},
            (ToolCallResponse("3", "call_1"),),
            id="function result",
        ),
        pytest.param(
            {
                "type": "custom_tool_call_output",
                "call_id": "call_2",
                "output": [{"type": "input_text", "text": "1"}],
            },
            (ToolCallResponse([{"type": "input_text", "text": "1"}], "call_2"),),
            id="custom tool result in parts",
        ),
        pytest.param(SEARCH, (ServerToolCall("web_search", SEARCH, "ws_1"),), id="web search"),
        pytest.param(
            {**MCP, "output": "4", "error": None},
            (ServerToolCall("roll", MCP, "mcp_1"), ServerToolCallResponse({"output": "4"}, "mcp_1")),
            id="MCP call with its output",
        ),
        pytest.param(
            {**MCP, "output": None, "error": "no dice"},
            (
                ServerToolCall("roll", MCP, "mcp_1"),
                ServerToolCallResponse({"error": "no dice"}, "mcp_1", True),
            ),
            id="MCP call that failed",
        ),
        pytest.param(
            {"type": "image_generation_call", "id": "ig_1", "result": "YQ=="},
            (
                ServerToolCall("image_generation", {"type": "image_generation_call", "id": "ig_1"}, "ig_1"),
                ServerToolCallResponse({"result": "sha256:" + hashlib.sha256(b"a").hexdigest()}, "ig_1"),
            ),
            id="generated image, as its digest",
        ),
        pytest.param(
            {"type": "program", "call_id": "call_4", "code": "look()", "fingerprint": "f"},
            (ServerToolCall("program", {"code": "look()"}, "call_4"),),
            id="program of the provider's",
        ),
        pytest.param(
            {**FUNCTION_CALL, "caller": {"type": "program", "caller_id": "call_4"}},
            (ToolCall("add", {"a": 1}, "call_1", "call_4"),),
            id="call by a program",
        ),
        pytest.param(
            {"type": "program_output", "call_id": "call_4", "result": "1", "status": "incomplete"},
            (ServerToolCallResponse({"result": "1"}, "call_4", True),),
            id="output of a program",
        ),
        pytest.param(
            {"type": "tool_search_output", "call_id": "call_4", "tools": []},
            (ToolCallResponse({"tools": []}, "call_4"),),
            id="what the application found of a search for tools",
        ),
        pytest.param(
            {"type": "brand_new_item", "content": 3},
            (Other("brand_new_item", {"content": 3}),),
            id="a type nobody knows",
        ),
        pytest.param({"id": "x"}, (Other("unknown", {"id": "x"}),), id="no type at all"),
    ],
)
def test_item(item: dict[str, Any], expected: tuple[Part, ...]) -> None:
    """What each type of item becomes, in output as in input."""
    assert read_item(item) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("Hi", (Message("user", (Text("Hi"),)),), id="text"),
        pytest.param(None, (), id="nothing: a stored prompt, or the conversation goes on"),
        pytest.param(
            [{"role": "user", "content": "Hi"}],
            (Message("user", (Text("Hi"),)),),
            id="message without a type",
        ),
        pytest.param(
            [
                {
                    "type": "message",
                    "role": "developer",
                    "content": [{"type": "input_text", "text": "Be kind"}],
                }
            ],
            (Message("developer", (Text("Be kind"),)),),
            id="message in parts",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_image", "file_id": "file_1"},
                        {"type": "input_file", "file_url": "https://h/f"},
                    ],
                }
            ],
            (Message("user", (Media("image", file_id="file_1"), Media("document", uri="https://h/f"))),),
            id="media",
        ),
        pytest.param(
            [{"type": "reasoning", "summary": [], "encrypted_content": "x"}],
            (),
            id="reasoning that shows nothing",
        ),
        pytest.param(
            [{"type": "item_reference", "id": "msg_1"}],
            (Message("assistant", (Other("item_reference", {"id": "msg_1"}),)),),
            id="reference",
        ),
        pytest.param(
            [{"type": "mcp_approval_response", "approve": True}],
            (Message("user", (Other("mcp_approval_response", {"approve": True}),)),),
            id="the user approves",
        ),
    ],
)
def test_input(given: object, expected: tuple[Message, ...]) -> None:
    """A request's input: who speaks, and what."""
    assert read_messages(given) == expected


def test_an_answer_sent_back_reads_as_when_it_was_new() -> None:
    """The items of an answer are one message again when the next request resends them."""
    items = [
        {"type": "reasoning", "summary": [{"text": "hm"}]},
        FUNCTION_CALL,
        {**FUNCTION_CALL, "call_id": "call_2"},
    ]
    results = [{"type": "function_call_output", "call_id": id, "output": "3"} for id in ("call_1", "call_2")]
    messages = read_messages([{"role": "user", "content": "Add"}, *items, *results])
    assert messages[1] == Message("assistant", read_parts(items))
    assert [message.role for message in messages] == ["user", "assistant", "tool", "tool"]


def test_objects_of_the_sdk_read_as_their_json() -> None:
    """An application may hand back the SDK's own objects; through ``extra_body`` they arrive as they are."""
    item = message_item("Hi")
    assert read_messages([ResponseOutputMessage.model_validate(item)]) == read_messages([item])


def test_instructions() -> None:
    """A text, or the items into which a stored prompt was resolved."""
    assert read_parts("Be kind") == (Text("Be kind"),)
    assert read_parts([message_item("Be kind")]) == (Text("Be kind"),)
    assert read_parts(None) == ()
