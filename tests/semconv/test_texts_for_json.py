"""Texts where JSON belongs say what was said; JSON in any wrapping says what it contains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.model.operation import Message, Operation, Reasoning, Text, ToolCall, ToolCallResponse
from greenflash_otel.model.telemetry import SpanEvent
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.attributes import copy_plain_attributes
from greenflash_otel.semconv.correlation.trace import combine_spans
from greenflash_otel.semconv.correlation.trace import read as read_span
from tests.strategies import span_of

CHAT = {"gen_ai.operation.name": "chat"}
HI = (Message("user", (Text("Hi"),)),)
MESSAGE = {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
OPENAI = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}


def read(attributes: Mapping[str, Any], *events: tuple[str, Mapping[str, Any]]) -> Operation:
    span = replace(
        span_of({**CHAT, **attributes}), events=tuple(SpanEvent(name, 1, event) for name, event in events)
    )
    operation = registry.read(span)
    assert operation is not None
    return operation


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Hi", id="a plain text"),
        pytest.param('"Hi"', id="JSON of a text"),
        pytest.param(["Hi"], id="a list of a text"),
        pytest.param([json.dumps(MESSAGE)], id="a list of JSON texts"),
        pytest.param((json.dumps(OPENAI),), id="a tuple of JSON texts"),
        pytest.param(json.dumps([json.dumps(MESSAGE)]), id="a JSON list of JSON texts"),
        pytest.param([json.dumps([MESSAGE])], id="a list of one JSON list"),
        pytest.param(json.dumps(json.dumps([MESSAGE])), id="JSON in JSON"),
        pytest.param(json.dumps(MESSAGE), id="one message"),
        pytest.param(json.dumps({"messages": [OPENAI]}), id="a request"),
        pytest.param(
            [{"role": "user", "parts": [json.dumps(MESSAGE["parts"][0])]}], id="parts as JSON texts"
        ),
        pytest.param(
            [{"role": "user", "content": ['{"type": "text", "text": "Hi"}']}], id="content as JSON texts"
        ),
        pytest.param(str([OPENAI]), id="Python's text of a list"),
        pytest.param(
            str([{**OPENAI, "name": None, "seen": True, "at": (1,)}]), id="Python's names and tuples"
        ),
        pytest.param(["ChatMessage(_role='user', text='Hi')", json.dumps(MESSAGE)], id="a repr next to it"),
        pytest.param(b"Hi", id="bytes"),
        pytest.param(json.dumps([MESSAGE]).encode(), id="bytes of JSON"),
    ],
)
@pytest.mark.parametrize("place", ["attribute", "event"])
def test_messages_in_any_wrapping(value: Any, place: str) -> None:
    """They are read alike as an attribute, and in an event with the span's names."""
    attributes = copy_plain_attributes({"gen_ai.input.messages": value})
    if place == "attribute":
        assert read(attributes).input == HI
    else:
        assert read({}, ("gen_ai.client.inference.operation.details", attributes)).input == HI


@pytest.mark.parametrize(
    "text",
    [
        "3.10",
        "1e3",
        "12345678901234567890123",
        "[Music] on",
        "{a} and {b}",
        '{"answer": 42}',
        "[1, 2]",
        "f(x=1)",
    ],
)
def test_what_was_said_stays_as_it_was(text: str) -> None:
    """Also if it looks like a number, or is JSON that has no message in it."""
    operation = read({"gen_ai.input.messages": text, "gen_ai.output.messages": text})
    assert operation.input == (Message("user", (Text(text),)),)
    assert operation.output == (Message("assistant", (Text(text),)),)


@pytest.mark.parametrize(
    "text",
    [
        "ChatMessage(_role=<ChatRole.USER: 'user'>)",
        "[ChatMessage(role='user', content='Hi'), ChatMessage(role='tool')]",
        "<langchain.schema.HumanMessage object at 0x7f00>",
    ],
)
def test_nobody_said_a_repr(text: str) -> None:
    """Of an object of Python's, wherever a message is expected."""
    assert read({"gen_ai.input.messages": text}).input == ()
    assert read({"gen_ai.input.messages": [text]}).input == ()
    raw = {"openinference.span.kind": "LLM", "llm.input_messages.0.message.role": "tool"}
    inputs = json.dumps({"messages": [text]})
    assert registry.read(span_of({**raw, "input.value": inputs})).input == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "calls", [[json.dumps(CALL)], json.dumps([CALL]), json.dumps(CALL), (CALL,), str([CALL])], ids=str
)
def test_tool_calls_of_events(calls: Any) -> None:
    """An attribute of an event can contain no list of objects, so they come as texts."""
    made = (ToolCall("look", {"at": 1}, "c1"),)
    answered = read({}, ("gen_ai.choice", {"role": "assistant", "tool_calls": calls}))
    assert [message.parts for message in answered.output] == [made]
    resent = read({}, ("gen_ai.assistant.message", {"role": "assistant", "tool_calls": calls}))
    assert [message.parts for message in resent.input] == [made]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "s"}}}', (Reasoning("Hm"),)),
        ('{"reasoningContent": {"redactedContent": "c2Vj"}}', ()),
        ('{"type": "thinking", "thinking": "Hm", "signature": "s"}', (Reasoning("Hm"),)),
        ('[{"type": "redacted_thinking", "data": "x"}]', ()),
        (
            '[{"reasoningContent": {"reasoningText": {"text": "Hm"}}}, {"text": "Yes"}]',
            (Reasoning("Hm"), Text("Yes")),
        ),
        (
            '[{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Yes"}]',
            (Reasoning("Hm"), Text("Yes")),
        ),
        ('{"type": "report", "text": "Yes"}', None),
        ('[{"text": "an answer in JSON"}]', None),
    ],
)
def test_thoughts_that_are_in_a_text(text: str, expected: tuple[Any, ...] | None) -> None:
    """They are thoughts or left out, never a part of the answer; other JSON is the answer."""
    parts = [{"type": "text", "content": text}, {"type": "text", "content": "Hello"}]
    operation = read({"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}])})
    said = (Text(text),) if expected is None else expected
    assert operation.output[0].parts == (*said, Text("Hello"))


def test_a_thought_as_a_part_of_bedrocks() -> None:
    """In the place of a part of the convention's."""
    parts = [{"reasoningContent": {"reasoningText": {"text": "Hm"}}}, {"text": "Yes"}]
    operation = read({"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}])})
    assert operation.output[0].parts == (Reasoning("Hm"), Text("Yes"))


BLOCKS: list[Any] = [
    [{"type": "text", "text": "21"}],
    [{"text": "21"}],
    {"content": [{"type": "text", "text": "21"}], "isError": False},
    [{"type": "output_text", "text": "21", "annotations": []}],
]


@pytest.mark.parametrize("blocks", [*BLOCKS, *map(json.dumps, BLOCKS)], ids=str)
def test_results_of_text_blocks(blocks: Any) -> None:
    """A result is its text, in the span of the tool and in each form of a message."""
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
    ran = registry.read(span_of({**attributes, "gen_ai.tool.call.result": blocks}))
    assert ran and ran.tool and ran.tool.result == "21"
    part = {"type": "tool_call_response", "id": "c1", "response": blocks}
    given = [{"role": "tool", "parts": [part]}, {"role": "tool", "tool_call_id": "c1", "content": blocks}]
    for message in given:
        operation = read({"gen_ai.input.messages": json.dumps([message])})
        assert operation.input[0].parts == (ToolCallResponse("21", "c1"),)


TOOL = {"openinference.span.kind": "TOOL", "tool.name": "look"}


@pytest.mark.parametrize(
    "text", ["3.10", "1e3", '"quoted"', "null", "12345678901234567890123", "true", '{"a": 1}']
)
def test_a_result_that_is_plain_text(text: str) -> None:
    """A MIME type of text is obeyed."""
    operation = registry.read(span_of({**TOOL, "output.value": text, "output.mime_type": "text/plain"}))
    assert operation and operation.tool and operation.tool.result == text


@pytest.mark.parametrize(("text", "result"), [("3.10", "3.10"), ("1e3", "1e3"), ("null", "null"), ("21", 21)])
def test_a_result_that_may_be_json(text: str, result: object) -> None:
    """A number that JSON would write otherwise stays as it was, and null is an answer, too."""
    operation = registry.read(span_of({**TOOL, "output.value": text, "output.mime_type": "application/json"}))
    assert operation and operation.tool and operation.tool.result == result
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
    ran = registry.read(span_of({**attributes, "gen_ai.tool.call.result": text}))
    assert ran and ran.tool and ran.tool.result == result


def test_bytes_that_a_cut_left() -> None:
    """Half a character at the end costs only itself; bytes that are no text are no message."""
    cut = "Grüße".encode()[:3]
    attributes = copy_plain_attributes(
        {"gen_ai.input.messages": cut, "gen_ai.output.messages": b"\xff\x00\x01"}
    )
    operation = read(attributes)
    assert operation.input == (Message("user", (Text("Gr\ufffd"),)),)
    assert operation.output == ()


WORDS = st.sampled_from(
    ["Hi", "", "3.10", "null", "{", "[", '"', "user", "ChatMessage(role='user')", "é\ud800", "\0"]
)
SCALARS = (
    WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=6) | st.just(10**30)
)
FIELDS = st.sampled_from(
    [
        *("role", "parts", "content", "type", "text", "tool_calls", "function", "name", "arguments", "id"),
        *(
            "response",
            "messages",
            "reasoningContent",
            "reasoningText",
            "toolUse",
            "toolResult",
            "inputs",
            "args",
        ),
    ]
)
TYPES = st.sampled_from(
    ["text", "tool_call", "tool_call_response", "thinking", "function", "image_url", "tool_result"]
)
NEARLY_RIGHT: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(FIELDS, inner, max_size=4)
        | st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant", "tool", "ai"]), "content": inner}
        )
        | st.fixed_dictionaries({"role": st.just("user"), "parts": st.lists(inner, max_size=2)})
        | st.fixed_dictionaries({"type": TYPES, "content": inner, "text": inner, "id": inner})
        | inner.map(str)
        | inner.map(lambda value: json.dumps(value, default=str))
    ),
    max_leaves=10,
)
PLACES = (
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt"),
    *(
        "gen_ai.completion",
        "gen_ai.tool.call.result",
        "input.value",
        "output.value",
        "traceloop.entity.input",
    ),
    *("traceloop.entity.output", "langfuse.observation.input", "langfuse.observation.output", "session.id"),
    *(
        "mlflow.spanInputs",
        "mlflow.spanOutputs",
        "metadata",
        "user.id",
        "conversation_id",
        "prompt",
        "response",
    ),
)
KINDS: list[Mapping[str, str]] = [
    {},
    CHAT,
    {"gen_ai.operation.name": "execute_tool"},
    *({"openinference.span.kind": kind} for kind in ("LLM", "TOOL", "CHAIN", "AGENT")),
    *({"traceloop.span.kind": kind} for kind in ("workflow", "agent", "tool")),
    *({"langfuse.observation.type": kind} for kind in ("generation", "agent", "tool")),
    {"langsmith.span.kind": "chain"},
    {"mlflow.spanType": '"AGENT"'},
    {"claude_code.event": "user_prompt"},
    {"codex.event": "tool_result"},
]
EVENTS = (
    "gen_ai.user.message",
    "gen_ai.choice",
    "gen_ai.tool.message",
    "gen_ai.content.prompt",
    "gen_ai.completion",
)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(PLACES), NEARLY_RIGHT, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS),
            st.dictionaries(
                st.sampled_from(["content", "message", "tool_calls", "body", "id"]), NEARLY_RIGHT, max_size=3
            ),
        ),
        max_size=2,
    ),
)
def test_structures_that_are_nearly_right(
    kind: Mapping[str, str], attributes: Mapping[str, Any], events: list[tuple[str, Mapping[str, Any]]]
) -> None:
    """Whatever is there, the span is read, and what is read can be written as JSON."""
    given_events = tuple(SpanEvent(name, 1, copy_plain_attributes(event)) for name, event in events)
    span = replace(span_of(copy_plain_attributes({**kind, **attributes})), events=given_events)
    (reading,) = combine_spans([read_span(span)])
    if reading.operation is not None:
        for message in (*reading.operation.input, *reading.operation.output):
            assert all(not isinstance(part, Text) or isinstance(part.content, str) for part in message.parts)
