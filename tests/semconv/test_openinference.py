"""OpenInference: real spans become the conversation that took place; what is odd is passed over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Media,
    Message,
    Reasoning,
    Text,
    ToolExecution,
    Usage,
)
from greenflash_otel.model.telemetry import Attributes, SpanEvent
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.flattened import build_tree, list_items
from tests.semconv.spans import told
from tests.strategies import span_of

PRODUCER = "openinference-openai-0.1.66"
LLM = {"openinference.span.kind": "LLM"}


A = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
"""Digest of an "a"."""
QUESTION = "Compare the weather in Paris with the population of Atlantis right now."
ANSWER = "Paris is 18 °C and cloudy. I could not find a city called Atlantis."


def test_tools_at_once() -> None:
    """Two calls, one of which fails in words, and the answer that uses both."""
    (items_,) = told(PRODUCER, "tools_parallel")
    assert [(item.type, item.content or item.tool_name) for item in items_] == [
        ("user_message", QUESTION),
        ("tool_call", "get_weather"),
        ("tool_call", "get_population"),
        ("observation", "get_weather"),
        ("observation", "get_population"),
        ("final_response", ANSWER),
    ]
    assert [item.parent_id for item in items_[3:5]] == [item.id for item in items_[1:3]]


def test_a_response_in_items() -> None:
    """Each item of a response came as a message of its own."""
    (items_,) = told(PRODUCER, "responses_stream")
    assert [item.type for item in items_] == ["user_message", "thought", "tool_call"]
    assert items_[2].input == {"expression": "17*23"}


def test_calls_that_failed() -> None:
    """Two conversations of a question each, and what went wrong."""
    assert [[item.type for item in items_] for items_ in told(PRODUCER, "error")] == [
        ["user_message", "llm"]
    ] * 2


def test_a_picture() -> None:
    """As its digest, or where it is."""
    (items_,) = told(PRODUCER, "image")
    parts = (items_[0].input or {})["parts"]
    assert "base64" not in repr(parts)
    assert "https://images.example.com/pixel.png" in repr(parts)


MESSAGE = "llm.input_messages.0.message"
OUTPUT = "llm.output_messages.0.message"
THOUGHT = {"message_content.type": "reasoning", "message_content.text": "Hm"}


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ({"session.id": "s", "user.id": "u"}, "conversation_context", ConversationContext("s", "u")),
        ({"llm.provider": "azure", "llm.system": "openai"}, "provider", "azure"),
        ({"llm.invocation_parameters": '{"model": "m"}'}, "request_model", "m"),
        ({"llm.invocation_parameters": "broken"}, "request_model", None),
        ({"output.value": '{"id": "resp_1"}'}, "response_id", "resp_1"),
        ({"input.value": '{"previous_response_id": "resp_0"}'}, "previous_response_id", "resp_0"),
        (
            {"llm.token_count.prompt": 3, "llm.token_count.completion_details.reasoning": 1},
            "usage",
            Usage(3, None, None, 1),
        ),
        ({f"{MESSAGE}.content": "Hi"}, "input", (Message("user", (Text("Hi"),)),)),
        ({f"{MESSAGE}.content": "__REDACTED__"}, "input", ()),
        ({f"{MESSAGE}.role": "user"}, "input", ()),
        (
            {
                f"{OUTPUT}.contents.1.message_content.type": "reasoning",
                f"{OUTPUT}.contents.1.message_content.text": "Hm",
            },
            "output",
            (Message("assistant", (Reasoning("Hm"),)),),
        ),
        (
            {f"{MESSAGE}.contents.0.message_content.image.image.url": "data:image/png;base64,YQ=="},
            "input",
            (Message("user", (Media("image", mime_type="image/png", digest=A, size_bytes=1),)),),
        ),
        ({"input.value": '{"instructions": "Be kind"}'}, "system_instructions", (Text("Be kind"),)),
        (
            {
                "input.value": '{"instructions": "Be kind"}',
                f"{MESSAGE}.content": "Be kind",
                f"{MESSAGE}.role": "system",
            },
            "system_instructions",
            (),
        ),
    ],
)
def test_attributes(attributes: Attributes, field: str, expected: object) -> None:
    """What each attribute of a model call becomes."""
    operation = registry.read(span_of({**LLM, **attributes}))
    assert operation
    assert getattr(operation, field) == expected


def test_alternatives() -> None:
    """Only where the request asked for several are they answers beside each other."""
    said = {f"llm.output_messages.{n}.message.content": f"{n}" for n in range(2)}
    asked = {"llm.invocation_parameters": '{"n": 2}'}
    one, two = registry.read(span_of({**LLM, **said})), registry.read(span_of({**LLM, **said, **asked}))
    assert one and two
    assert (len(one.output), len(two.output), two.choice_count) == (1, 2, 2)


TOOL = {"openinference.span.kind": "TOOL", "tool.name": "look", "input.value": '{"at": 1}'}
TOLD = '{"type": "tool", "data": {"content": "seen", "tool_call_id": "call_1", "status": "%s"}}'


def test_tools() -> None:
    """Linked by the id of the call, wherever that stands, if the span has it."""
    tool = ToolExecution("look", "call_1", {"at": 1}, "seen")
    for attributes in ({"tool.id": "call_1", "output.value": "seen"}, {"output.value": TOLD % "success"}):
        operation = registry.read(span_of({**TOOL, **attributes}))
        assert operation and (operation.tool, operation.ending) == (tool, "completed")
    failed = registry.read(span_of({**TOOL, "output.value": TOLD % "error"}))
    assert failed and failed.failure == Failure("_OTHER", "seen")
    unlinked = registry.read(span_of({**TOOL, "output.value": "seen"}))
    assert unlinked and unlinked.tool == replace(tool, call_id=None)
    hidden = registry.read(span_of({**TOOL, "input.value": "__REDACTED__", "output.value": "__REDACTED__"}))
    assert hidden and hidden.tool == ToolExecution("look")


def test_what_tells_nothing() -> None:
    """Guardrails and their like; of a chain or an agent one side alone."""
    for kind in ("CHAIN", "AGENT"):
        run = registry.read(span_of({"openinference.span.kind": kind, "input.value": "Hi"}))
        assert run and (run.name, run.input, run.output) == ("chain run", (), ())
    for kind in ("GUARDRAIL", "NEW"):
        assert registry.read(span_of({"openinference.span.kind": kind, "input.value": "Hi"})) is None


@given(
    st.dictionaries(
        st.lists(st.sampled_from(["a", "0", "1", "message", ""]), min_size=1, max_size=4).map(".".join),
        st.text(max_size=2),
    )
)
def test_any_names(attributes: dict[str, str]) -> None:
    """Names that contradict each other give a tree all the same."""
    tree = build_tree({f"x.{name}": value for name, value in attributes.items()}, "x")
    assert all(isinstance(item, dict) for item in list_items(tree))


def test_an_exception() -> None:
    """Its type without the module, and its message."""

    raised = SpanEvent(
        "exception", 1, {"exception.type": "openai.RateLimitError", "exception.message": "slow"}
    )
    operation = registry.read(replace(span_of(LLM), status="error", events=(raised,)))
    assert operation and operation.failure == Failure("RateLimitError", "slow")
