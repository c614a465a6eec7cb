"""What was said, where conventions put it into events: of the span, or log records joined to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from greenflash_otel.model.operation import (
    Failure,
    Json,
    Media,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
)
from greenflash_otel.model.telemetry import LogRecord, SpanEvent, SpanRecord
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.otel_logs import add_logs
from tests.strategies import span_of

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look", "gen_ai.tool.call.id": "c"}
DETAILS = "gen_ai.client.inference.operation.details"
CALL: Json = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
LOOK = ToolCall("look", {"at": 1}, "c")
Event = tuple[str, Mapping[str, Json]]


def with_events(span: SpanRecord, *told: Event) -> SpanRecord:
    """The span with events of it."""
    events = tuple(SpanEvent(name, at, fields) for at, (name, fields) in enumerate(told))
    return replace(span, events=events)


def as_logs(span: SpanRecord, *told: Event) -> SpanRecord:
    """The span with the same in log records, as older SDKs and Semantic Kernel write them."""
    return add_logs(
        span,
        [
            LogRecord(span.trace_id, span.span_id, "", at, json.dumps(fields), {"event.name": name})
            for at, (name, fields) in enumerate(told)
        ],
    )


MESSAGES: list[tuple[str, Event, Message]] = [
    ("system", ("gen_ai.system.message", {"content": "Be kind."}), Message("system", (Text("Be kind."),))),
    ("user", ("gen_ai.user.message", {"content": "Hi"}), Message("user", (Text("Hi"),))),
    (
        "assistant",
        ("gen_ai.assistant.message", {"content": None, "tool_calls": [CALL]}),
        Message("assistant", (LOOK,)),
    ),
    (
        "tool",
        ("gen_ai.tool.message", {"content": "seen", "id": "c"}),
        Message("tool", (ToolCallResponse("seen", "c"),)),
    ),
    (
        "several results",
        ("gen_ai.tool.message", {"content": [{"tool_call_id": "a", "content": "x"}], "tool_call_id": "a"}),
        Message("tool", (ToolCallResponse("x", "a"),)),
    ),
    (
        "Gemini",
        ("gen_ai.user.message", {"content": {"parts": [{"text": "Hi", "thought": None}], "role": "model"}}),
        Message("assistant", (Text("Hi"),)),
    ),
    (
        "Gemini's tools",
        (
            "gen_ai.user.message",
            {
                "content": {
                    "parts": [{"functionResponse": {"id": "c", "response": {"at": 2}}}],
                    "role": "user",
                }
            },
        ),
        Message("tool", (ToolCallResponse({"at": 2}, "c"),)),
    ),
    (
        "Bedrock",
        (
            "gen_ai.assistant.message",
            {"content": '[{"toolUse": {"toolUseId": "c", "name": "look", "input": {"at": 1}}}]'},
        ),
        Message("assistant", (LOOK,)),
    ),
    (
        "Bedrock's tools",
        (
            "gen_ai.tool.message",
            {"content": [{"toolResult": {"toolUseId": "c", "status": "error", "content": [{"text": "no"}]}}]},
        ),
        Message("tool", (ToolCallResponse("no", "c", failed=True),)),
    ),
    (
        "Bedrock's thoughts and pictures",
        (
            "gen_ai.user.message",
            {
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm"}}},
                    {"image": {"format": "png", "source": {"bytes": "<replaced>"}}},
                ]
            },
        ),
        Message("user", (Reasoning("Hm"), Media("image", mime_type="image/png"))),
    ),
    (
        "1.26",
        ("gen_ai.content.prompt", {"gen_ai.prompt": '[{"role": "user", "content": "Hi"}]'}),
        Message("user", (Text("Hi"),)),
    ),
]


@pytest.mark.parametrize("told", [with_events, as_logs])
@pytest.mark.parametrize(
    ("event", "message"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES]
)
def test_messages(told: Callable[..., SpanRecord], event: Event, message: Message) -> None:
    """What was said to the model."""
    operation = registry.read(told(span_of(CHAT), event))
    assert operation
    assert operation.input == (message,)


CHOICES: list[tuple[str, Mapping[str, Json], Message]] = [
    (
        "text",
        {"message": {"content": "A"}, "finish_reason": "stop"},
        Message("assistant", (Text("A"),), finish_reason="stop"),
    ),
    ("calls", {"message": {"role": "assistant", "tool_calls": [CALL]}}, Message("assistant", (LOOK,))),
    ("calls beside", {"message": {"content": None}, "tool_calls": [CALL]}, Message("assistant", (LOOK,))),
    ("Bedrock", {"message": '[{"text": "A"}]'}, Message("assistant", (Text("A"),))),
    ("Gemini", {"content": {"parts": [{"text": "A"}], "role": "model"}}, Message("assistant", (Text("A"),))),
]


@pytest.mark.parametrize(("fields", "message"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_choices(fields: Mapping[str, Json], message: Message) -> None:
    """What the model said; several are answers beside each other."""
    span = with_events(span_of(CHAT), ("gen_ai.choice", fields), ("gen_ai.choice", fields))
    operation = registry.read(span)
    assert operation
    assert (operation.output, operation.choice_count) == ((message, message), 2)


def test_details() -> None:
    """Events that say what the span could have said itself, one for each attribute or one for all."""
    asked: Event = (
        DETAILS,
        {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]'},
    )
    told: Event = (
        DETAILS,
        {"gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "A"}]}]},
    )
    operation = registry.read(with_events(span_of({**CHAT, "gen_ai.output.messages": "[]"}), asked, told))
    assert operation
    assert (operation.input, operation.output) == (
        (Message("user", (Text("Hi"),)),),
        (Message("assistant", (Text("A"),)),),
    )


def test_one_record_for_all() -> None:
    """AWS's distribution names it like the scope."""
    said = {
        side: {"messages": [{"role": role, "content": text}]}
        for side, role, text in (("input", "user", "Hi"), ("output", "assistant", "A"))
    }
    operation = registry.read(with_events(replace(span_of(CHAT), scope="agent"), ("agent", said)))
    assert operation
    assert [message.parts for message in (*operation.input, *operation.output)] == [
        (Text("Hi"),),
        (Text("A"),),
    ]


TOOLS: list[tuple[str, Mapping[str, Json], tuple[Event, ...]]] = [
    (
        "events",
        {},
        (
            ("gen_ai.tool.message", {"content": '{"at": 1}'}),
            ("gen_ai.choice", {"message": '[{"text": "seen"}]'}),
        ),
    ),
    (
        "details",
        {},
        (
            (
                DETAILS,
                {
                    "gen_ai.input.messages": [
                        {"parts": [{"type": "tool_call", "name": "look", "arguments": {"at": 1}}]}
                    ]
                },
            ),
            (
                DETAILS,
                {
                    "gen_ai.output.messages": [
                        {"parts": [{"type": "tool_call_response", "response": [{"text": "seen"}]}]}
                    ]
                },
            ),
        ),
    ),
]


@pytest.mark.parametrize(("attributes", "told"), [row[1:] for row in TOOLS], ids=[row[0] for row in TOOLS])
def test_tools(attributes: Mapping[str, Json], told: tuple[Event, ...]) -> None:
    """Strands tells what a tool was given and answered as messages, and that it failed in an attribute."""
    operation = registry.read(with_events(span_of({**TOOL, **attributes}), *told))
    assert operation
    assert operation.tool == ToolExecution("look", "c", {"at": 1}, "seen")
    failed = registry.read(with_events(span_of({**TOOL, "gen_ai.tool.status": "error"}), *told))
    assert failed and failed.failure == Failure("_OTHER", "seen")


@pytest.mark.parametrize("content", [None, "<elided>", {"kind": "text"}, [], [{"type": "text"}]])
def test_content_that_was_left_out(content: Json) -> None:
    """It is no message."""
    operation = registry.read(with_events(span_of(CHAT), ("gen_ai.user.message", {"content": content})))
    assert operation
    assert operation.input == ()
