"""Live sessions: two voices at any time, delegated work, and the end that the server tells."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.openai.websocket.live import LiveSession
from greenflash_otel.model.operation import (
    Message,
    Operation,
    Text,
    ToolCall,
    ToolCallResponse,
    Voice,
    VoiceCall,
)
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket.scripts import answer
from tests.instrumentation.openai.websocket.sdk import needs_live
from tests.instrumentation.openai.websocket.server import SDK_WARNING, Server

pytestmark = [pytest.mark.usefixtures("no_faults"), pytest.mark.filterwarnings(SDK_WARNING)]

Event = dict[str, Any]
BEGAN_MS = 1_700_000_000_000
STARTED: Event = {
    "type": "session.started",
    "session": {"id": "live_1", "model": "gpt-live-1", "instructions": "Be kind."},
}
CLOSED: Event = {"type": "session.closed", "reason": "remote_hangup", "usage": {"seconds": 9.5}}


def person(text: str, start_ms: int, end_ms: int) -> Event:
    return {"type": "session.input_transcript.delta", "delta": text, "start_ms": start_ms, "end_ms": end_ms}


def model(text: str, start_ms: int, end_ms: int) -> Event:
    return {"type": "session.output_transcript.delta", "delta": text, "start_ms": start_ms, "end_ms": end_ms}


def play(spans: Spans, *events: Event) -> LiveSession:
    session = LiveSession(OpenAIConfig(lambda: spans.tracer), "openai", clock_ns=lambda: BEGAN_MS * 10**6)
    for event in events:
        session.receive(event)
    return session


TALK = (
    person("Hi ", 100, 400),
    person("there", 400, 900),
    model("Hello. I ", 1_000, 2_000),
    person("Stop", 1_900, 2_300),
    model("would", 1_800, 2_100),
    model("Yes?", 2_500, 3_000),
)


def test_two_voices(spans: Spans) -> None:
    """Turns are made of fragments that come out of order; who spoke into the other's words is noted."""
    play(spans, STARTED, *TALK, CLOSED)
    first, second = spans.operations()
    assert first == Operation(
        "chat",
        provider="openai",
        request_model="gpt-live-1",
        response_model="gpt-live-1",
        provider_conversation_id="live_1",
        system_instructions=(Text("Be kind."),),
        input=(Message("user", (Text("Hi there"),), voice=Voice(BEGAN_MS + 100, BEGAN_MS + 900)),),
        output=(
            Message(
                "assistant",
                (Text("Hello. I would"),),
                voice=Voice(BEGAN_MS + 1_000, BEGAN_MS + 2_100, 100, was_interrupted=True),
            ),
        ),
        streamed=True,
        time_to_first_chunk_s=first.time_to_first_chunk_s,
        voice_call=VoiceCall("openai_realtime", "live_1", duration_ms=0, interruption_count=1),
    )
    assert (text_of(*second.input), text_of(*second.output)) == ("Stop", "Yes?")
    assert second.input[0].voice and second.input[0].voice.barge_in
    assert second.voice_call == VoiceCall("openai_realtime", "live_1", 9_500, 1, "remote_hangup")


def test_work_for_the_application(spans: Spans) -> None:
    """What the model delegates is a call, and what the application says to it the result."""
    task = {"id": "del_1", "type": "delegation", "target": "client"}
    session = play(spans, STARTED, person("Weather?", 0, 500), model("Let me see.", 600, 900))
    session.receive({"type": "session.delegation.created", "delegation": task})
    session.send({"type": "session.commentary.append", "content": "Sunny", "delegation_id": "del_1"})
    session.receive(model("It is sunny.", 2_000, 2_500))
    session.receive(CLOSED)
    asked, told = spans.operations()
    assert asked.output[0].parts == (Text("Let me see."), ToolCall("delegation", None, "del_1"))
    assert told.input == (Message("tool", (ToolCallResponse("Sunny", "del_1"),)),)
    assert text_of(*told.output) == "It is sunny."


def test_work_for_a_backend(spans: Spans) -> None:
    """The answers of a backend are calls that the person does not see."""
    session = play(spans, STARTED, person("Weather?", 0, 500))
    item = {"type": "function_call_output", "call_id": "c", "output": "Sunny"}
    session.send({"type": "response.item.create", "item": item})
    for event in answer("resp_1", "sunny"):
        session.receive({"type": "response.event", "delegation_id": "d", "event": event})
    hidden = spans.only()
    assert (hidden.conversation_context.internal, hidden.response_id, text_of(*hidden.output)) == (
        True,
        "resp_1",
        "sunny",
    )
    assert hidden.input == (Message("tool", (ToolCallResponse("Sunny", "c"),)),)
    session.discard()


def test_one_of_two_connections_records(spans: Spans) -> None:
    """A sideband connection to a session that is recorded in this process tells nothing twice."""
    primary, sideband = play(spans, STARTED), play(spans, STARTED)
    for event in (*TALK, CLOSED):
        primary.receive(event)
        sideband.receive(event)
    assert [text_of(*operation.input) for operation in spans.operations()] == ["Hi there", "Stop"]


KINDS = [
    pytest.param(
        kind,
        marks=[
            pytest.mark.covers("sessions", f"`{resource}.connect()`", colour, colour)
            for colour in ("sync", "async")
        ],
    )
    for kind, resource in {"live": "live", "forks": "live.forks", "sideband": "live.sideband"}.items()
]


@needs_live
@pytest.mark.parametrize("kind", KINDS)
async def test_connections(kind: str, spans: Spans) -> None:
    """Every kind of connection, sync and async, shows the same events as without us."""
    script: list[Any] = [STARTED, *TALK, CLOSED, "close"]
    arguments: dict[str, Any] = {"live": {}}.get(kind, {"session_id": "live_0"})
    seen: list[list[str]] = []
    with Server(script, script) as server:
        with openai.OpenAI(api_key="k", base_url=server.url) as app:
            resource = app.live if kind == "live" else getattr(app.live, kind)
            with resource.connect(**arguments) as connection:
                seen.append([event.type for event in connection])
        async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as app_async:
            resource_async: Any = app_async.live if kind == "live" else getattr(app_async.live, kind)
            async with resource_async.connect(**arguments) as connection_async:
                seen.append([event.type async for event in connection_async])
    assert seen == [[step["type"] for step in script[:-1]]] * 2
    assert [text_of(*operation.output) for operation in spans.operations()] == ["Hello. I would", "Yes?"] * 2
