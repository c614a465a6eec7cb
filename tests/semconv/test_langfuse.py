"""Langfuse: real spans become the conversation that took place; and the JSON of OpenAI's APIs."""

from __future__ import annotations

import json

import pytest

from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Json,
    Media,
    Message,
    Other,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    Usage,
)
from greenflash_otel.model.telemetry import Attributes
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.formats.openai import read_messages
from tests.semconv.spans import told
from tests.strategies import span_of

GENERATION = {"langfuse.observation.type": "generation"}
OBSERVATION = "langfuse.observation"


def test_tools_at_once() -> None:
    """Two calls, their results, and the answer."""
    (items,) = told("langfuse-openai-5.0.4", "tools_parallel")
    kinds = ["user_message", "tool_call", "tool_call", "observation", "observation", "final_response"]
    assert [item.type for item in items] == kinds
    assert [item.parent_id for item in items[3:5]] == [item.id for item in items[1:3]]


def test_a_response() -> None:
    """Items of the Responses API."""
    (items,) = told("langfuse-openai-5.0.4", "responses_stream")
    assert [item.type for item in items] == ["user_message", "thought", "tool_call"]


def test_calls_that_failed() -> None:
    """Two conversations of a question each, and what went wrong."""
    found = [[item.type for item in items] for items in told("langfuse-openai-5.0.4", "error")]
    assert found == [["user_message", "llm"]] * 2


def test_masked() -> None:
    """Nothing is made of what stands in place of the texts."""
    assert not [
        item for items in told("langfuse-langchain-5.0.4", "no_content") for item in items if item.content
    ]


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ({"session.id": "s", "user.id": "u"}, "conversation_context", ConversationContext("s", "u")),
        (
            {f"{OBSERVATION}.metadata.thread_id": '"t"', "session.id": "s"},
            "conversation_context",
            ConversationContext("t"),
        ),
        ({f"{OBSERVATION}.model.name": "m"}, "response_model", "m"),
        ({f"{OBSERVATION}.metadata.id": '"resp_1"'}, "response_id", "resp_1"),
        ({f"{OBSERVATION}.usage_details": '{"prompt_tokens": 3, "output": 2}'}, "usage", Usage(3, 2)),
        ({f"{OBSERVATION}.usage_details": "broken"}, "usage", None),
        (
            {f"{OBSERVATION}.level": "ERROR", f"{OBSERVATION}.status_message": "no"},
            "failure",
            Failure("_OTHER", "no"),
        ),
        ({f"{OBSERVATION}.type": "embedding"}, "name", "embeddings"),
        ({f"{OBSERVATION}.input": '{"messages": "Hi"}'}, "input", (Message("user", (Text("Hi"),)),)),
        ({f"{OBSERVATION}.input": '[{"role": "tool", "content": {"type": "function"}}]'}, "input", ()),
        ({f"{OBSERVATION}.input": "***", f"{OBSERVATION}.output": "***"}, "input", ()),
    ],
)
def test_attributes(attributes: Attributes, field: str, expected: object) -> None:
    """What each attribute of a generation becomes."""
    operation = registry.read(span_of({**GENERATION, **attributes}))
    assert operation
    assert getattr(operation, field) == expected


def test_what_tells_nothing() -> None:
    """Plain spans; of a chain or an agent one side alone."""
    for kind in ("span", "chain", "agent"):
        run = registry.read(span_of({f"{OBSERVATION}.type": kind, f"{OBSERVATION}.input": "Hi"}))
        assert run is None if kind == "span" else run and not run.input


CALL: Json = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
PICTURE: Json = {"type": "image_url", "image_url": {"url": "https://a.example"}}


SHORT: Json = {"name": "look", "args": {}, "id": "c"}
ITEM: Json = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
RESULT: Json = {"type": "function_call_output", "call_id": "c", "output": "seen"}
THOUGHT: Json = {"type": "reasoning", "summary": [{"text": "Hm"}], "content": None}
FILE: Json = {"type": "file", "file": 1}
LOOK = ToolCall("look", {}, "c")


def by(role: str, content: Json, **more: Json) -> Json:
    """A message of Chat Completions."""
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize(
    ("entry", "role", "parts"),
    [
        (by("user", "Hi"), "user", (Text("Hi"),)),
        (by("user", [{"type": "input_text", "text": "Hi"}]), "user", (Text("Hi"),)),
        (by("user", [PICTURE]), "user", (Media("image", uri="https://a.example"),)),
        (by("user", [FILE]), "user", (Other("file", {"file": 1}),)),
        (by("assistant", None, tool_calls=[CALL]), "assistant", (ToolCall("look", {"at": 1}, "c"),)),
        (by("assistant", None, tool_calls=[SHORT]), "assistant", (LOOK,)),
        (by("assistant", "A", reasoning_content="Hm"), "assistant", (Reasoning("Hm"), Text("A"))),
        (by("tool", "seen", tool_call_id="c"), "tool", (ToolCallResponse("seen", "c"),)),
        (ITEM, "assistant", (LOOK,)),
        (RESULT, "tool", (ToolCallResponse("seen", "c"),)),
        (THOUGHT, "assistant", (Reasoning("Hm"),)),
    ],
)
def test_messages(entry: Json, role: str, parts: tuple[Part, ...]) -> None:
    """What a message, or an item, becomes."""
    assert read_messages(json.loads(json.dumps(entry)), "user") == (Message(role, parts),)


def test_lists_of_messages() -> None:
    """Items of one answer are one message; what is no message is passed over."""
    items: Json = [
        {"type": "reasoning", "summary": [{"text": "Hm"}]},
        {"role": "assistant", "content": "A"},
        7,
        {},
    ]
    assert read_messages(items, "user") == (Message("assistant", (Reasoning("Hm"), Text("A"))),)
    assert read_messages("", "user") == read_messages(None, "user") == ()
