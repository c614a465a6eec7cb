"""Calls of tools that a framework resends as a text, as smolagents does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenflash_otel.model.operation import (
    Message,
    Operation,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.correlation.resent import restore_answers
from greenflash_otel.semconv.formats.written_calls import read_written_calls
from tests.strategies import span_of

CALL = ToolCall("price_of", {"plan": "team"}, "call_1")
WRITTEN = (
    "[{'id': 'call_1', 'type': 'function', 'function': {'name': 'price_of', 'arguments': {'plan': 'team'}}}]"
)


@pytest.mark.parametrize(
    "text", [f"Calling tools:\n{WRITTEN}", WRITTEN, f"{WRITTEN}\n", WRITTEN.replace("'", '"')]
)
def test_calls_in_a_text(text: str) -> None:
    """Python's form and JSON, with and without a heading."""
    assert read_written_calls(Text(text)) == (CALL,)


@pytest.mark.parametrize(
    "text", ["Calling tools: x", "", "[]", "{'id': 1}", "['a']", "Calling tools:\n[{'id':"]
)
def test_text_without_a_call(text: str) -> None:
    """The user was not shown it."""
    assert read_written_calls(Text(text)) == (Reasoning(text),)


def test_other_parts_stay() -> None:
    """Whoever has a form for calls uses it."""
    assert read_written_calls(CALL) == (CALL,)


def test_message_of_calls_in_openinference() -> None:
    """The calls are the model's; the result has the text of its blocks, without the framework's heading."""
    name, result = "llm.input_messages", "message.contents.0.message_content.text"
    span = span_of(
        {
            "openinference.span.kind": "LLM",
            f"{name}.0.message.role": "user",
            f"{name}.0.{result}": "New task:\nHow much is it?",
            f"{name}.1.message.role": "tool-call",
            f"{name}.1.{result}": f"Calling tools:\n{WRITTEN}",
            f"{name}.2.message.role": "tool-response",
            f"{name}.2.{result}": "Observation:\n149",
        }
    )
    operation = registry.read(replace(span, scope="openinference.instrumentation.smolagents"))
    assert operation and operation.input == (
        Message("user", (Text("How much is it?"),)),
        Message("assistant", (CALL,)),
        Message("tool", (ToolCallResponse("149"),)),
    )


def restored(*messages: Message) -> tuple[Message, ...]:
    """The input of a call after an answer with a text and two calls."""
    answer = Message("assistant", (Text("Let me look."), CALL, ToolCall("stock_of", None, "call_2")))
    question = Message("user", (Text("How much is it?"),))
    calls = [
        Operation("chat", input=(question,), output=(answer,)),
        Operation("chat", input=(question, *messages)),
    ]
    *_, second = restore_answers(calls)
    return tuple(second.input[1:])


def say(role: str, *parts: Part) -> Message:
    """A message."""
    return Message(role, parts)


def test_answer_that_is_resent_without_its_calls() -> None:
    """The result without an id is that of the call after which the tools ended."""
    message, result = restored(
        say("assistant", Text("Let me look.")), say("tool", ToolCallResponse("Error: x"))
    )
    assert [type(part).__name__ for part in message.parts] == ["Text", "ToolCall", "ToolCall"]
    assert result.parts == (ToolCallResponse("Error: x", "call_2"),)


def test_answer_that_is_resent_in_two_messages() -> None:
    """Its text is there once."""
    calls = say("assistant", CALL, ToolCall("stock_of", None, "call_2"))
    (message,) = restored(say("assistant", Text("Let me look.")), calls)
    assert [type(part).__name__ for part in message.parts] == ["Text", "ToolCall", "ToolCall"]


@pytest.mark.parametrize(
    "messages",
    [
        [say("assistant", Text("Let me look."))],
        [say("assistant", Text("Let me look.")), say("user", Text("Well?"))],
        [say("assistant", Text("Let me see.")), say("tool", ToolCallResponse("21"))],
        [say("assistant", Text("Let me look.")), say("tool", ToolCallResponse("21", "call_9"))],
    ],
)
def test_what_needs_no_calls(messages: list[Message]) -> None:
    """No result without an id follows, or the answer had another text."""
    assert restored(*messages) == tuple(messages)


@pytest.mark.parametrize(
    ("calls", "part"),
    [
        ({"tool_calls.0.tool_call.function.name": "price_of"}, Text("Let me look.")),
        ({}, Reasoning("Let me look.")),
    ],
)
def test_thought_of_autogen(calls: dict[str, str], part: Part) -> None:
    """Next to calls it is what the model said, else its reasoning."""
    message = "llm.output_messages.0.message"
    fields = calls or {"content": "It is 149."}
    attributes = {
        "openinference.span.kind": "LLM",
        f"{message}.role": "assistant",
        "output.value": '{"finish_reason": "stop", "thought": "Let me look."}',
        **{f"{message}.{name}": text for name, text in fields.items()},
    }
    operation = registry.read(span_of(attributes))
    assert operation and operation.output[0].parts[0] == part


def test_answer_in_json_that_has_a_thought() -> None:
    """The application asked for that JSON: it is the answer, and nothing else."""
    answer = '{"thought": "Let me look.", "price": 149}'
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
        "output.value": answer,
    }
    operation = registry.read(span_of(attributes))
    assert operation and operation.output == (Message("assistant", (Text(answer),)),)
