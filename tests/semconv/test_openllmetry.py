"""OpenLLMetry before OpenTelemetry's names: real spans become the conversation that took place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Media,
    Message,
    Operation,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    Usage,
)
from greenflash_otel.model.telemetry import Attributes, SpanEvent
from greenflash_otel.semconv import registry
from tests.semconv.spans import told
from tests.strategies import span_of

PRODUCER = "openllmetry-openai-0.47.5"
ASKED = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"}
HI = Message("user", (Text("Hi"),))


def test_tools_at_once() -> None:
    """Two calls, their results, and the answer."""
    (items,) = told(PRODUCER, "tools_parallel")
    kinds = ["user_message", "tool_call", "tool_call", "observation", "observation", "final_response"]
    assert [item.type for item in items] == kinds
    assert [item.parent_id for item in items[3:5]] == [item.id for item in items[1:3]]


def test_calls_that_failed() -> None:
    """Two conversations of a question each, and what went wrong."""
    assert [[item.type for item in items] for items in told(PRODUCER, "error")] == [
        ["user_message", "llm"]
    ] * 2


def test_a_picture() -> None:
    """A list of parts stands on the span as JSON; the workflow around it tells nothing."""
    (items,) = told(PRODUCER, "image")
    assert [item.type for item in items] == ["user_message", "assistant_message"]
    assert items[0].content == "What is in this picture?"
    assert "sha256:" in repr(items[0].input)


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ({}, "input", (HI,)),
        ({"llm.request.type": "completion"}, "name", "text_completion"),
        ({"gen_ai.system": "OpenAI"}, "provider", "openai"),
        ({"gen_ai.usage.prompt_tokens": 3}, "usage", Usage(3)),
        (
            {
                "traceloop.association.properties.session_id": "s",
                "traceloop.association.properties.thread_id": "t",
            },
            "conversation_context",
            ConversationContext("t"),
        ),
        (
            {"traceloop.association.properties.user_id": "u"},
            "conversation_context",
            ConversationContext(None, "u"),
        ),
        (
            {"gen_ai.completion.0.content": "A", "gen_ai.completion.0.finish_reason": "stop"},
            "output",
            (Message("assistant", (Text("A"),), finish_reason="stop"),),
        ),
        ({"gen_ai.completion.0.content": "A", "gen_ai.completion.1.content": "B"}, "choice_count", 2),
        (
            {"gen_ai.completion.0.reasoning": "Hm", "gen_ai.completion.0.content": '""'},
            "output",
            (Message("assistant", (Reasoning("Hm"),)),),
        ),
        (
            {"gen_ai.completion.0.tool_calls.0.id": "c", "gen_ai.completion.0.tool_calls.0.name": "look"},
            "output",
            (Message("assistant", (ToolCall("look", None, "c"),)),),
        ),
        (
            {"gen_ai.prompt.1.role": "tool", "gen_ai.prompt.1.tool_call_id": "c"},
            "input",
            (HI, Message("tool", (ToolCallResponse("", "c"),))),
        ),
        (
            {"gen_ai.prompt.0.content": '[{"type": "file", "file": {"file_id": "f"}}]'},
            "input",
            (Message("user", (Media("document", file_id="f"),)),),
        ),
        ({"gen_ai.prompt.0.content": "[{] no JSON"}, "input", (Message("user", (Text("[{] no JSON"),)),)),
    ],
)
def test_attributes(attributes: Attributes, field: str, expected: object) -> None:
    """What each attribute becomes."""
    operation = registry.read(span_of({**ASKED, **attributes}))
    assert operation
    assert getattr(operation, field) == expected


def test_what_tells_nothing() -> None:
    """Reranking, workflows, tasks."""
    assert registry.read(span_of({**ASKED, "llm.request.type": "rerank"})) is None
    assert registry.read(span_of({"traceloop.span.kind": "workflow"})) is None


def test_an_exception() -> None:
    """Its type without the module, and its message."""
    raised = SpanEvent(
        "exception", 1, {"exception.type": "openai.RateLimitError", "exception.message": "slow"}
    )
    operation = registry.read(replace(span_of(ASKED), status="error", events=(raised,)))
    failure = Failure("RateLimitError", "slow")
    assert operation == Operation("chat", input=(HI,), ending="failed", failure=failure)
