"""Chat Completions, whole: what a request asks for and what an answer tells."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from greenflash_otel.instrumentation.openai.chat import read_answer, read_request
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.model.operation import (
    Failure,
    Media,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    Usage,
)
from greenflash_otel.semconv.formats.openai import read_message
from tests.instrumentation.openai.replies import completion

PICTURE = b"not really a picture"
PICTURE_BASE64 = base64.b64encode(PICTURE).decode()
DIGEST = "sha256:" + hashlib.sha256(PICTURE).hexdigest()
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param({"role": "user", "content": "Hi"}, Message("user", (Text("Hi"),)), id="text"),
        pytest.param(
            {"role": "developer", "content": "Be kind"},
            Message("developer", (Text("Be kind"),)),
            id="developer",
        ),
        pytest.param(
            {"role": "user", "content": "Hi", "name": "ada"}, Message("user", (Text("Hi"),), "ada"), id="name"
        ),
        pytest.param({"role": "user", "content": ""}, Message("user"), id="empty text is nothing"),
        pytest.param(
            {"role": "user", "content": [{"type": "text", "text": "a"}, "b"]},
            Message("user", (Text("a"), Text("b"))),
            id="parts, some only text",
        ),
        pytest.param(
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
            Message("tool", (ToolCallResponse("3", "call_1"),)),
            id="tool result",
        ),
        pytest.param(
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "3"}]},
            Message("tool", (ToolCallResponse([{"type": "text", "text": "3"}], "call_1"),)),
            id="tool result in parts",
        ),
        pytest.param(
            {"role": "function", "name": "add", "content": "3"},
            Message("tool", (ToolCallResponse("3"),), "add"),
            id="legacy function result",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            Message("assistant", (ToolCall("add", {"a": 1}, "call_1"),)),
            id="tool call",
        ),
        pytest.param(
            {"role": "assistant", "function_call": {"name": "add", "arguments": "{broken"}},
            Message("assistant", (ToolCall("add", "{broken"),)),
            id="legacy call with arguments that are no JSON",
        ),
        pytest.param(
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}],
            },
            Message("assistant", (ToolCall("sql", "SELECT 1", "c"),)),
            id="custom tool call",
        ),
        pytest.param(
            {"role": "assistant", "content": "4", "reasoning_content": "2+2"},
            Message("assistant", (Reasoning("2+2"), Text("4"))),
            id="reasoning as DeepSeek names it",
        ),
        pytest.param(
            {"role": "assistant", "content": "4", "reasoning": "2+2"},
            Message("assistant", (Reasoning("2+2"), Text("4"))),
            id="reasoning as OpenRouter names it",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "refusal": "No."},
            Message("assistant", (Other("refusal", {"content": "No."}),)),
            id="refusal",
        ),
        pytest.param(
            {"role": "assistant", "audio": {"id": "audio_1", "data": PICTURE_BASE64, "transcript": "Hi"}},
            Message(
                "assistant",
                (Media("audio", file_id="audio_1", digest=DIGEST, size_bytes=20, transcript="Hi"),),
            ),
            id="answer in sound",
        ),
        pytest.param({"content": "Hi"}, Message("user", (Text("Hi"),)), id="no role"),
        pytest.param({"role": "user", "content": 7, "tool_calls": None}, Message("user"), id="nonsense"),
    ],
)
def test_message(entry: dict[str, Any], expected: Message) -> None:
    """Every kind of message of the API, and of those who imitate it, has its parts."""
    assert read_message(entry) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://host/cat.png"}},
            Media("image", uri="https://host/cat.png"),
            id="image by address",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE_BASE64}"}},
            Media("image", mime_type="image/png", digest=DIGEST, size_bytes=20),
            id="image inline",
        ),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": PICTURE_BASE64, "format": "wav"}},
            Media("audio", mime_type="audio/wav", digest=DIGEST, size_bytes=20),
            id="sound",
        ),
        pytest.param(
            {"type": "file", "file": {"file_id": "file_1"}},
            Media("document", file_id="file_1"),
            id="uploaded file",
        ),
        pytest.param(
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PICTURE_BASE64}"}},
            Media("document", mime_type="application/pdf", digest=DIGEST, size_bytes=20),
            id="file inline",
        ),
        pytest.param(
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            Reasoning("hm"),
            id="Mistral's thinking",
        ),
        pytest.param(
            {"type": "hologram", "depth": 3, "source": f"data:x/y;base64,{PICTURE_BASE64}"},
            Other("hologram", {"depth": 3, "source": DIGEST}),
            id="unknown type, kept without its bytes",
        ),
        pytest.param(
            {"type": "image_url", "image_url": None},
            Other("image_url", {"image_url": None}),
            id="known type, unknown shape",
        ),
    ],
)
def test_content_part(part: dict[str, Any], expected: Part) -> None:
    """Media is kept as what it refers to or as its digest, never as bytes; nothing is lost."""
    assert read_message({"role": "user", "content": [part]}).parts == (expected,)


def test_request() -> None:
    """The head of the operation stays, the body adds messages and the number of choices."""
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}],
        "n": 2,
    }
    operation = read_request(CallRequest(body), Operation("chat", provider="groq"))
    assert operation == Operation(
        "chat",
        provider="groq",
        input=(Message("system", (Text("Be kind"),)), Message("user", (Text("Hi"),))),
        choice_count=2,
    )


def test_iterators_in_a_request_are_not_touched() -> None:
    """What only the SDK may consume is left to it."""
    messages = iter([{"role": "user", "content": "Hi"}])
    assert read_request(CallRequest({"messages": messages}), Operation("chat")).input == ()
    assert next(messages) == {"role": "user", "content": "Hi"}


def test_answer() -> None:
    """A whole answer: one message per choice, in the order of their indices, with ids and usage."""
    body = completion()
    other = {"index": 1, "message": {"role": "assistant", "content": "Other"}, "finish_reason": "length"}
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    answer = read_answer(
        {**body, "choices": [other, *body["choices"]], "usage": usage, "service_tier": "flex"}
    )
    assert answer.output == (
        Message("assistant", (Text("Hello you"),), finish_reason="stop"),
        Message("assistant", (Text("Other"),), finish_reason="length"),
    )
    assert answer.finish_reasons == ("stop", "length")
    assert answer.usage == Usage(3, 5, 2, 1)
    assert (answer.response_id, answer.response_model) == ("chatcmpl-1", "gpt-4o-2024")
    assert answer.properties == {"service_tier": "flex"}


@pytest.mark.parametrize(
    "choices", [None, [], [None], [{"index": 0, "message": None, "finish_reason": None}]]
)
def test_answer_without_a_message(choices: object) -> None:
    """Providers send null where a list or an object should be; no text comes of it, and no error."""
    answer = read_answer({"choices": choices, "usage": None})
    assert [part for message in answer.output for part in message.parts] == []
    assert answer.usage is None


def test_error_in_a_successful_answer() -> None:
    """OpenRouter answers 200 with an error inside."""
    assert read_answer({"error": {"code": 429, "message": "slow down"}}).failure == Failure(
        "429", "slow down"
    )
