"""Tools in the blocks of Bedrock's Converse API, in all places where producers put them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from greenflash_otel.model.operation import Json, Message, Text, ToolCall, ToolCallResponse
from greenflash_otel.model.telemetry import LogRecord, SpanEvent, SpanRecord
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.otel_logs import add_logs
from tests.semconv.pairing import list_results, list_spoken, read_conversation
from tests.strategies import span_of

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.system": "aws.bedrock", "session.id": "c"}
ASKED: list[Json] = [{"text": "Weather?"}]
CALLS: list[Json] = [
    {"toolUse": {"toolUseId": f"t{at}", "name": "look", "input": {"city": city}}}
    for at, city in enumerate(("Paris", "Oslo"))
]
FOUND: list[Json] = [
    {"toolResult": {"toolUseId": "t0", "content": [{"json": {"degrees": 21}}]}},
    {"toolResult": {"toolUseId": "t1", "content": [{"text": "offline"}], "status": "error"}},
]
SAID: list[Json] = [{"text": "It is 21."}]
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": CALLS},
    {"role": "user", "content": FOUND},
]
RESULTS = [('look {"city": "Paris"}', "21"), ('look {"city": "Oslo"}', "offline")]
SPOKEN = ["Weather?", "It is 21."]

Event = tuple[str, Mapping[str, Json]]
EVENTS: list[Event] = [
    ("gen_ai.user.message", {"content": ASKED}),
    ("gen_ai.assistant.message", {"content": CALLS}),
    ("gen_ai.tool.message", {"id": "t0", "content": [{"json": {"degrees": 21}}]}),
    ("gen_ai.tool.message", {"id": "t1", "content": [{"text": "offline"}]}),
    ("gen_ai.user.message", {"content": FOUND}),
    ("gen_ai.choice", {"finish_reason": "end_turn", "message": {"role": "assistant", "content": SAID}}),
]
WITHOUT_COPIES = [event for event in EVENTS if event[0] != "gen_ai.tool.message"]
WITHOUT_BLOCKS = [event for event in EVENTS if event[1].get("content") is not FOUND]


@pytest.mark.parametrize("as_logs", [False, True], ids=["events", "log records"])
@pytest.mark.parametrize(
    "events", [EVENTS, WITHOUT_COPIES, WITHOUT_BLOCKS], ids=["both", "blocks", "messages"]
)
def test_results_in_events(events: Sequence[Event], as_logs: bool) -> None:
    """Each once, below the call that its id names; none of it is the user's."""
    span = with_logs(events) if as_logs else with_events(events)
    assert list_results([span], "together") == RESULTS
    assert list_spoken([span], "together") == SPOKEN


def test_a_failed_result_in_events() -> None:
    """The block says that the tool failed, though the message of the tool does not."""
    messages = read_conversation([with_events(EVENTS)], "together")
    assert [message.type for message in messages if message.type in ("observation", "tool_error")] == [
        "observation",
        "tool_error",
    ]


def with_events(events: Sequence[Event]) -> SpanRecord:
    """A call with events."""
    return replace(
        span_of(CHAT), events=tuple(SpanEvent(name, at, body) for at, (name, body) in enumerate(events))
    )


def with_logs(events: Sequence[Event]) -> SpanRecord:
    """The same with log records."""
    span = span_of(CHAT)
    logs = [LogRecord(span.trace_id, span.span_id, name, at, body) for at, (name, body) in enumerate(events)]
    return add_logs(span, logs)


def flatten(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Messages as OpenLLMetry has them, each content as JSON."""
    return {
        f"gen_ai.prompt.{at}.{name}": value if name == "role" else json.dumps(value)
        for at, message in enumerate(messages)
        for name, value in message.items()
    }


ANSWER = {"role": "assistant", "content": SAID}
WRITTEN: dict[str, dict[str, str]] = {
    "messages": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(MESSAGES),
        "gen_ai.output.messages": json.dumps([ANSWER]),
    },
    "parts": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(
            [{"role": message["role"], "parts": message["content"]} for message in MESSAGES]
        ),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": SAID}]),
    },
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps(MESSAGES),
        "langfuse.observation.output": json.dumps(ANSWER),
    },
    "OpenLLMetry": {
        **flatten(MESSAGES),
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "It is 21.",
    },
    "role of a tool": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps([*MESSAGES[:2], {"role": "tool", "content": FOUND}]),
        "gen_ai.output.messages": json.dumps([ANSWER]),
    },
}


@pytest.mark.parametrize("attributes", WRITTEN.values(), ids=WRITTEN)
def test_results_in_attributes(attributes: Mapping[str, str]) -> None:
    """The same, whichever attribute has the blocks."""
    operation = registry.read(span_of(attributes))
    assert operation
    asked, calls, found = operation.input
    assert asked == Message("user", (Text("Weather?"),))
    assert calls.parts == (
        ToolCall("look", {"city": "Paris"}, "t0"),
        ToolCall("look", {"city": "Oslo"}, "t1"),
    )
    assert found.parts == (
        ToolCallResponse({"degrees": 21}, "t0"),
        ToolCallResponse("offline", "t1", failed=True),
    )
    assert operation.output[0].parts == (Text("It is 21."),)
