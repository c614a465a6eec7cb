"""An operation without its content keeps its structure."""

from __future__ import annotations

from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.model.operation import (
    Failure,
    Media,
    Message,
    Operation,
    Other,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    Usage,
)

SECRET = "secret"
PARTS = (
    Text(SECRET),
    Reasoning(SECRET),
    ToolCall("add", {"a": SECRET}, "call_1"),
    ToolCallResponse(SECRET, "call_1", failed=True),
    ServerToolCall("search", {"query": SECRET}, "ws_1"),
    ServerToolCallResponse({"results": SECRET}, "ws_1"),
    Media("image", SECRET, SECRET, "image/png", SECRET, 7, SECRET),
    Other("refusal", {"content": SECRET}),
)
OPERATION = Operation(
    "chat",
    request_model="m",
    system_instructions=(Text(SECRET),),
    input=(Message("user", PARTS, name=SECRET),),
    output=(Message("assistant", PARTS, finish_reason="stop"),),
    tool=ToolExecution("add", "call_1", SECRET, SECRET),
    usage=Usage(3, 5),
    failure=Failure("ValueError", SECRET),
    properties={"retries": 1, "prompt": {"variables": SECRET}},
)


def test_no_text_is_left() -> None:
    """Nothing that was said is in any field."""
    assert SECRET in repr(OPERATION)
    assert SECRET not in repr(remove_content(OPERATION))


def test_structure_is_left() -> None:
    """Roles, kinds of parts, tool names and ids, sizes, usage, and what kind of failure it was."""
    bare = remove_content(OPERATION)
    assert bare.input == (
        Message(
            "user",
            (
                Text(""),
                Reasoning(""),
                ToolCall("add", None, "call_1"),
                ToolCallResponse(None, "call_1", failed=True),
                ServerToolCall("search", {}, "ws_1"),
                ServerToolCallResponse({}, "ws_1"),
                Media("image", mime_type="image/png", size_bytes=7),
                Other("refusal"),
            ),
        ),
    )
    assert bare.output[0].finish_reason == "stop"
    assert (bare.usage, bare.failure, bare.properties) == (Usage(3, 5), Failure("ValueError"), {"retries": 1})
    assert bare.tool == ToolExecution("add", "call_1")
