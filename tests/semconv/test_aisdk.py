"""The AI SDK: real spans become the conversation that took place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from greenflash_otel.json_values import digest_of
from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    Usage,
)
from greenflash_otel.model.telemetry import Attributes, SpanEvent
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.correlation.trace import combine_spans, read
from tests.semconv.spans import told
from tests.strategies import span_of

PRODUCER = "vercel-ai-sdk-5.0.277"
CALL = {"ai.operationId": "ai.generateText.doGenerate"}


def test_tools_at_once() -> None:
    """Two calls, each with its result told once though two spans tell it, and the answer."""
    (items,) = told(PRODUCER, "tools_parallel")
    assert sorted(item.type for item in items) == sorted(
        ["user_message", "tool_call", "tool_call", "observation", "tool_error", "final_response"]
    )
    calls = {item.id for item in items if item.type == "tool_call"}
    assert {item.parent_id for item in items if item.type in ("observation", "tool_error")} == calls


def test_a_session() -> None:
    """The conversation has the name that the application's metadata gives it."""
    (items,) = told(PRODUCER, "chat_session")
    assert [item.type for item in items] == ["user_message", "assistant_message"] * (len(items) // 2)


def test_a_picture() -> None:
    """As its digest, or where it is."""
    (items,) = told(PRODUCER, "image")
    assert [item.type for item in items] == ["user_message", "assistant_message"]
    assert items[0].input


def test_calls_that_failed() -> None:
    """Two conversations of a question each, and what went wrong."""
    found = [[item.type for item in items] for items in told(PRODUCER, "error")]
    assert found == [["user_message", "llm"]] * 2


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ({"ai.model.provider": "openai.chat"}, "provider", "openai"),
        ({"ai.usage.promptTokens": 3, "ai.usage.cachedInputTokens": 1}, "usage", Usage(3, None, 1)),
        ({"ai.usage.inputTokens": 3}, "usage", Usage(3)),
        (
            {"ai.telemetry.metadata.sessionId": "s", "ai.telemetry.metadata.threadId": "t"},
            "conversation_context",
            ConversationContext("t"),
        ),
        ({"ai.telemetry.metadata.userId": "u"}, "conversation_context", ConversationContext(None, "u")),
        ({"ai.operationId": "ai.streamText.doStream"}, "streamed", True),
        ({"ai.response.msToFirstChunk": 250}, "time_to_first_chunk_s", 0.25),
        ({"ai.response.object": "{}"}, "output_type", "json"),
        (
            {"ai.response.reasoning": "Hm", "ai.response.text": "A"},
            "output",
            (Message("assistant", (Reasoning("Hm"), Text("A"))),),
        ),
    ],
)
def test_attributes(attributes: Attributes, field: str, expected: object) -> None:
    """What each attribute of a model call becomes."""
    operation = registry.read(span_of({**CALL, **attributes}))
    assert operation
    assert getattr(operation, field) == expected


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("Hi", (Text("Hi"),)),
        ("", ()),
        ([{"type": "reasoning", "text": "Hm"}], (Reasoning("Hm"),)),
        (
            [{"type": "tool-call", "toolCallId": "c", "toolName": "look", "input": {"at": 1}}],
            (ToolCall("look", {"at": 1}, "c"),),
        ),
        (
            [{"type": "tool-call", "toolCallId": "c", "toolName": "look", "args": '{"at": 1}'}],
            (ToolCall("look", {"at": 1}, "c"),),
        ),
        (
            [{"type": "tool-result", "toolCallId": "c", "output": {"type": "error-text", "value": "no"}}],
            (ToolCallResponse("no", "c", True),),
        ),
        ([{"type": "tool-result", "toolCallId": "c", "result": [1]}], (ToolCallResponse([1], "c"),)),
        (
            [{"type": "image", "image": "https://a.example/b.png"}],
            (Media("image", uri="https://a.example/b.png"),),
        ),
        (
            [{"type": "file", "mediaType": "image/png", "data": "YQ=="}],
            (Media("image", mime_type="image/png", digest=digest_of("YQ==")[0], size_bytes=1),),
        ),
        ([7, {"text": 8}], (Other("unknown", {"text": 8}),)),
    ],
)
def test_content(content: object, parts: tuple[Part, ...]) -> None:
    """What a message of the prompt holds."""
    messages = json.dumps([{"role": "user", "content": content}, "no message", {"role": 7}])
    operation = registry.read(span_of({**CALL, "ai.prompt.messages": messages}))
    assert operation
    assert operation.input == ((Message("user", parts),) if parts else ())


def test_embeddings() -> None:
    """The texts; what they became is not on the span, or not kept."""
    attributes = {"ai.operationId": "ai.embedMany.doEmbed", "ai.values": ('"a"', '"b"'), "ai.usage.tokens": 3}
    operation = registry.read(span_of(attributes))
    assert operation
    assert (operation.name, operation.usage) == ("embeddings", Usage(3))
    assert operation.input == (Message("user", (Text("a"), Text("b"))),)


def test_a_tool() -> None:
    """With the id of its call; without one it tells nothing."""
    attributes = {
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": "look",
        "ai.toolCall.args": '{"at": 1}',
        "ai.toolCall.result": '"seen"',
    }
    assert registry.read(span_of(attributes)) is None
    raised = SpanEvent("exception", 1, {"exception.type": "Error", "exception.message": "no"})
    span = replace(span_of({**attributes, "ai.toolCall.id": "c"}), status="error", events=(raised,))
    operation = registry.read(span)
    assert operation
    assert operation.tool == ToolExecution("look", "c", {"at": 1}, "seen")
    assert operation.failure == Failure("Error", "no")


def test_the_spans_around_calls() -> None:
    """They say the same once more; without an answer they are told where there is no call in them."""
    asked = '{"system": "Be kind", "prompt": "Hi"}'
    around = {"ai.operationId": "ai.streamText", "ai.prompt": asked}
    assert registry.read(span_of({**around, "ai.response.text": "A"})) is None
    run = registry.read(span_of(around))
    assert run and (run.name, run.system_instructions) == (RUN, (Text("Be kind"),))
    assert run.input == (Message("user", (Text("Hi"),)),)
    call = replace(span_of(CALL, number=2), parent_span_id=span_of(around).span_id)
    assert [
        reading.operation and reading.operation.name
        for reading in combine_spans(map(read, (span_of(around), call)))
    ] == [
        None,
        "chat",
    ]


def test_spans_around_calls_with_messages() -> None:
    """The prompt can be a list of messages, under either name."""
    messages = [{"role": "user", "content": "Hi"}]
    for asked in ({"messages": messages}, {"prompt": messages}):
        run = registry.read(span_of({"ai.operationId": "ai.generateText", "ai.prompt": json.dumps(asked)}))
        assert run and run.input == (Message("user", (Text("Hi"),)),)
