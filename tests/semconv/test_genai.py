"""An operation comes back from the span it was written to, and foreign spans are read as far as they go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Message,
    Operation,
    Text,
    ToolExecution,
    Usage,
)
from greenflash_otel.model.telemetry import Attributes
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.genai import attributes_of, read, span_name_of
from tests.strategies import operations, span_of


@given(operations())
def test_what_is_written_is_read(operation: Operation) -> None:
    """A span carries all of an operation."""
    span = span_of(attributes_of(operation), failure=operation.failure)
    assert read(span) == operation


@given(operations())
def test_only_plain_attribute_values_are_written(operation: Operation) -> None:
    """Every attribute is one that any OpenTelemetry SDK takes, and the span is recognised by them."""
    attributes = attributes_of(operation)
    for value in attributes.values():
        texts = value if isinstance(value, tuple) else ()
        assert isinstance(value, (str, bool, int, float)) or all(isinstance(text, str) for text in texts)
    assert registry.recognises(attributes)
    span = replace(span_of(attributes, failure=operation.failure), scope=registry.OURS)
    assert registry.read(span) == operation


def test_a_failures_message_is_no_attribute() -> None:
    """It stands in the span's status, where exporters expect it."""
    attributes = attributes_of(Operation("chat", ending="failed", failure=Failure("TimeoutError", "secret")))
    assert "secret" not in repr(attributes)


CHAT = {"gen_ai.operation.name": "chat"}


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        pytest.param({"gen_ai.system": "openai"}, "provider", "openai", id="the name before 1.37"),
        pytest.param({"gen_ai.request.model": ""}, "request_model", None, id="an empty string says nothing"),
        pytest.param({"gen_ai.request.model": 7}, "request_model", None, id="a model that is no text"),
        pytest.param({"gen_ai.request.choice.count": True}, "choice_count", 1, id="a count that is a bool"),
        pytest.param({"gen_ai.usage.input_tokens": 3}, "usage", Usage(input_tokens=3), id="one count"),
        pytest.param({"gen_ai.usage.input_tokens": "3"}, "usage", None, id="counts that are text"),
        pytest.param({"gen_ai.response.finish_reasons": "stop"}, "finish_reasons", (), id="reasons no list"),
        pytest.param({"gen_ai.response.finish_reasons": ["stop"]}, "finish_reasons", ("stop",), id="a list"),
        pytest.param({"greenflash.ending": "no such"}, "ending", "completed", id="an unknown ending"),
        pytest.param({"greenflash.operation.properties": "[1]"}, "properties", {}, id="properties no object"),
        pytest.param(
            {"gen_ai.conversation.id": "conv_1", "greenflash.provider_conversation.id": "conv_1"},
            "conversation_context",
            ConversationContext(),
            id="the provider's conversation id is not the application's",
        ),
        pytest.param(
            {"gen_ai.conversation.id": "chat-1", "greenflash.provider_conversation.id": "conv_1"},
            "conversation_context",
            ConversationContext("chat-1"),
            id="the application's conversation id beside the provider's",
        ),
    ],
)
def test_foreign_attributes(attributes: Attributes, field: str, expected: Any) -> None:
    """What has another form than the convention's is left out, and the rest of the span is read."""
    operation = read(span_of({**CHAT, **attributes}))
    assert operation is not None
    assert getattr(operation, field) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param({}, None, id="no attributes"),
        pytest.param({"gen_ai.operation.name": "plan"}, None, id="an operation without messages"),
        pytest.param({"gen_ai.operation.name": "invoke_agent"}, None, id="an agent, told by its calls"),
        pytest.param(
            {"gen_ai.output.messages": '[{"role":"assistant","parts":[]}]'},
            Operation("chat", output=(Message("assistant"),)),
            id="messages without an operation name",
        ),
        pytest.param(
            {"gen_ai.operation.name": "execute_tool"},
            Operation("execute_tool", tool=ToolExecution("unknown")),
            id="a tool without a name",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "sum",
                "gen_ai.tool.call.arguments": '"{\\"a\\":1}"',
            },
            Operation("execute_tool", tool=ToolExecution("sum", arguments={"a": 1})),
            id="arguments encoded twice",
        ),
    ],
)
def test_which_spans_are_read(attributes: Attributes, expected: Operation | None) -> None:
    """Model calls and tool executions are read, everything else is passed over."""
    assert read(span_of(attributes)) == expected


@pytest.mark.parametrize(
    ("attributes", "failure", "expected"),
    [
        pytest.param({}, None, ("completed", None), id="all is well"),
        pytest.param({}, Failure("", "down"), ("failed", Failure("_OTHER", "down")), id="only a status"),
        pytest.param({"error.type": "500"}, Failure("", None), ("failed", Failure("500")), id="with a type"),
        pytest.param(
            {"greenflash.ending": "cancelled"}, None, ("cancelled", None), id="cancelled is no failure"
        ),
    ],
)
def test_endings(attributes: Attributes, failure: Failure | None, expected: tuple[str, Any]) -> None:
    """A span with the status error failed, unless it says better how it ended."""
    operation = read(span_of({**CHAT, **attributes}, failure=failure))
    assert operation is not None
    assert (operation.ending, operation.failure) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Operation("chat", request_model="gpt-4o"), "chat gpt-4o"),
        (Operation("chat", output=(Message("assistant", (Text("Hi"),)),)), "chat"),
        (Operation("execute_tool", tool=ToolExecution("get_weather")), "execute_tool get_weather"),
    ],
)
def test_span_names(operation: Operation, expected: str) -> None:
    """Spans are named as the convention wants, without content."""
    assert span_name_of(operation) == expected
