"""The JSON of messages in all the forms producers give it; nothing of it is dropped."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.json_values import digest_of, read_json
from greenflash_otel.model.operation import (
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.formats.any_message import write_messages
from greenflash_otel.semconv.formats.otel_messages import read_messages, read_part
from greenflash_otel.semconv.formats.otel_messages import read_parts as read_instructions
from tests.strategies import messages


def _frozen(value: Any) -> Any:
    """A value as SDK 1.45 keeps it on a span: tuples for lists."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    return value


@given(st.lists(messages, max_size=3))
def test_nested_values_read_like_json(said: list[Message]) -> None:
    """Whether a producer writes text or nested values, the same messages are read."""
    text = write_messages(said)
    nested = _frozen(json.loads(text))
    assert write_messages(read_messages(nested, default_role="user")) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, (), id="nothing"),
        pytest.param(
            '[{"role": "us',
            (Message("user", (Other("unparsed", {"text": '[{"role": "us'}),)),),
            id="JSON cut off",
        ),
        pytest.param('"Hi"', (Message("user", (Text("Hi"),)),), id="JSON of a text"),
        pytest.param(
            '{"parts": [{"type": "text", "content": "Hi"}]}',
            (Message("user", (Text("Hi"),)),),
            id="one message, no list, no role",
        ),
        pytest.param('["Hi"]', (Message("user", (Text("Hi"),)),), id="texts for messages"),
        pytest.param("[7]", (Message("user", (Other("unparsed", {"value": 7}),)),), id="a number"),
        pytest.param(
            '[{"role": "assistant", "content": "Hi"}]',
            (Message("assistant", (Text("Hi"),)),),
            id="an OpenAI-shaped message",
        ),
        pytest.param('[{"role": "user", "content": null}]', (Message("user"),), id="OpenAI-shaped, empty"),
        pytest.param('[{"role": "tool", "parts": "Hi"}]', (Message("tool", (Text("Hi"),)),), id="parts text"),
    ],
)
def test_messages(value: object, expected: tuple[Message, ...]) -> None:
    """A messages attribute of another form still gives its messages."""
    assert read_messages(value, default_role="user") == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param({"type": "thinking", "content": "Hm"}, Reasoning("Hm"), id="Pydantic AI's reasoning"),
        pytest.param({"type": "text", "content": 7}, Other("text", {"content": 7}), id="a text that is none"),
        pytest.param({"type": "new", "x": 1}, Other("new", {"x": 1}), id="an unknown type"),
        pytest.param({"x": 1}, Other("unknown", {"x": 1}), id="no type"),
        pytest.param(
            {"type": "tool_call", "name": "sum", "arguments": '{"a":1}', "id": "c1"},
            ToolCall("sum", {"a": 1}, "c1"),
            id="arguments as text",
        ),
        pytest.param(
            {"type": "tool_call", "name": "sum", "arguments": '{"a":'},
            ToolCall("sum", '{"a":'),
            id="arguments cut off",
        ),
        pytest.param(
            {"type": "tool_call", "arguments": "12"}, ToolCall("unknown", "12"), id="text that is a number"
        ),
        pytest.param(
            {"type": "tool_call_response", "id": "c1", "result": "3"},
            ToolCallResponse("3", "c1"),
            id="result for response",
        ),
        pytest.param(
            {"type": "tool_call_response", "response": None, "result": "3", "is_error": True},
            ToolCallResponse(None, failed=True),
            id="response counts before result",
        ),
        pytest.param(
            {"type": "server_tool_call", "server_tool_call": {"q": 1}},
            ServerToolCall("unknown", {"q": 1}),
            id="a server tool without a name",
        ),
        pytest.param(
            {"type": "server_tool_call", "server_tool_call": "q"},
            Other("server_tool_call", {"server_tool_call": "q"}),
            id="a server tool call that is no object",
        ),
        pytest.param(
            {"type": "server_tool_call_response", "id": "c1"},
            Other("server_tool_call_response", {"id": "c1"}),
            id="a server tool's answer without one",
        ),
    ],
)
def test_parts(part: Any, expected: Part) -> None:
    """A part is read, or kept as it came."""
    assert read_part(part) == expected


def test_inline_media_become_a_digest() -> None:
    """The bytes of a picture are not kept, but the same picture is recognised again."""
    picture = b"\x89PNG" * 100
    content = base64.b64encode(picture).decode()
    part = read_part({"type": "blob", "modality": "image", "mime_type": "image/png", "content": content})
    digest = "sha256:" + hashlib.sha256(picture).hexdigest()
    assert part == Media("image", mime_type="image/png", digest=digest, size_bytes=400)


@given(st.text())
def test_every_text_has_a_digest(content: str) -> None:
    """Also what is not base64 has a digest that tells it from others."""
    digest, size_bytes = digest_of(content)
    assert digest.startswith("sha256:")
    assert 0 <= size_bytes <= 4 * len(content)


def test_instructions_may_be_plain_text() -> None:
    """System instructions are one text, one part or a list of parts."""
    assert read_instructions("Be brief.") == (Text("Be brief."),)
    assert read_instructions('{"type":"text","content":"Be brief."}') == (Text("Be brief."),)
    assert read_instructions('["Be brief.", {"type":"text","content":"Be kind."}]') == (
        Text("Be brief."),
        Text("Be kind."),
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("[NaN]", ["NaN"]), ("[-Infinity]", ["-Infinity"]), ("[1e999]", ["1e999"])]
)
def test_numbers_that_json_does_not_have(text: str, expected: list[str]) -> None:
    """They stay text, for Greenflash would refuse the whole request they stand in."""
    assert read_json(text) == expected


def test_json_nested_too_deep_stays_text() -> None:
    """Text that no parser takes does not cost the span it stands in."""
    text = "[" * 200_000
    assert read_json(text) == text
