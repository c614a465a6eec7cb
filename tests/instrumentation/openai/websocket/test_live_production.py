"""Live sessions as applications run them: joined by a server, broken lines, keys, tools, lines handed in."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from greenflash_otel.context import conversation
from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.openai.websocket.live import LiveSession, LiveSidebandSession
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket.sdk import needs_live
from tests.instrumentation.openai.websocket.server import SDK_WARNING, Server
from tests.instrumentation.openai.websocket.test_live import BEGAN_MS, CLOSED, STARTED, model, person, play

pytestmark = [pytest.mark.usefixtures("no_faults"), pytest.mark.filterwarnings(SDK_WARNING)]

Event = dict[str, Any]
MINUTE_IN = (
    person("Hello", 61_000, 61_400),
    model("Good day", 61_600, 62_200),
    person("Bye", 62_900, 63_200),
    model("Bye bye", 63_500, 63_900),
)
SAID = ["Hello", "Good day", "Bye", "Bye bye"]


def join(spans: Spans, id: str = "live_1") -> LiveSidebandSession:
    config = OpenAIConfig(lambda: spans.tracer)
    return LiveSidebandSession(config, "openai", joined_id=id, clock_ns=lambda: BEGAN_MS * 10**6)


def hear(session: LiveSession, *events: Event) -> None:
    for event in events:
        session.receive(event)


def contents(spans: Spans) -> list[str]:
    return [message.content for message in spans.told() if message.content]


def test_a_call_that_others_began(spans: Spans) -> None:
    """Its id is that which the application joined; nothing that was said lies in the future."""
    hear(join(spans), *MINUTE_IN, CLOSED)
    assert contents(spans) == SAID
    moments = [
        message.voice.ended_at_ms
        for operation in spans.operations()
        for message in (*operation.input, *operation.output)
        if message.voice and message.voice.ended_at_ms
    ]
    assert len(moments) == 4
    assert max(moments) <= BEGAN_MS
    ids = {operation.voice_call.platform_call_id for operation in spans.operations() if operation.voice_call}
    assert ids == {"live_1"}


def test_two_connections_to_a_call(spans: Spans) -> None:
    """One of them records; what the application hands in by the other is recorded, too."""
    primary, side = play(spans, STARTED), join(spans)
    for event in (person("Weather?", 0, 400), model("Let me see", 500, 900)):
        side.receive(event)
        primary.receive(event)
    task = {"id": "del_1", "type": "delegation", "target": "client"}
    primary.receive({"type": "session.delegation.created", "delegation": task, "offset_ms": 900})
    side.send({"type": "session.thinking.append", "content": "Looking", "delegation_id": "del_1"})
    side.send({"type": "session.commentary.append", "content": "Sunny", "delegation_id": "del_1"})
    hear(primary, model("It is sunny", 2_000, 2_400), CLOSED)
    side.handle_close(None)
    told = [(message.type, message.content or message.output) for message in spans.told()]
    assert told == [
        ("user_message", "Weather?"),
        ("assistant_message", "Let me see"),
        ("tool_call", None),
        ("observation", {"result": "Looking\nSunny"}),
        ("final_response", "It is sunny"),
    ]


def test_what_a_new_line_repeats(spans: Spans) -> None:
    """A server that joins again is told once more what was said just before."""
    first = join(spans)
    hear(first, *MINUTE_IN[:2])
    first.handle_error(ConnectionError())
    hear(first, *MINUTE_IN[:3])
    first.handle_close(None)
    hear(join(spans), *MINUTE_IN, CLOSED)
    assert contents(spans) == SAID


@pytest.mark.parametrize("name", ["talk", None])
def test_a_session_that_begins_again(name: str | None, spans: Spans) -> None:
    """It has a clock and an id of its own; the history that it is handed is known."""
    now_ms = BEGAN_MS
    with conversation(name) if name else conversation(user_id="u"):
        config = OpenAIConfig(lambda: spans.tracer)
        session = LiveSession(config, "openai", clock_ns=lambda: now_ms * 10**6)
        hear(session, STARTED, person("One", 0, 400), model("First", 500, 900))
        now_ms += 5_000
        session.handle_error(ConnectionError())
        history = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "First"}]
        hear(session, {"type": "session.started", "session": {"id": "live_2", "input": history}})
        hear(session, person("Two", 0, 400), model("Second", 500, 900), CLOSED)
    assert contents(spans) == ["One", "First", "Two", "Second"]
    latest = spans.operations()[-1]
    assert latest.input[-1].voice and latest.input[-1].voice.started_at_ms == BEGAN_MS + 5_000
    assert latest.voice_call and latest.voice_call.platform_call_id == "live_2"
    assert latest.voice_call.duration_ms == 5_000 + 9_500


def test_silence_and_last_words(spans: Spans) -> None:
    """Silence begins no turn and interrupts nobody; a word that nobody answers is no step."""
    talk = (model("Hello?", 500, 900), person(" ", 700, 800), model("Anybody?", 950, 1_400))
    play(spans, STARTED, person("", 0, 40), *talk, person("Bye", 2_000, 2_200), CLOSED)
    assert [(message.type, message.content) for message in spans.told()] == [
        ("assistant_message", "Hello?Anybody?"),
        ("user_message", "Bye"),
    ]
    calls = [
        operation.voice_call.interruption_count for operation in spans.operations() if operation.voice_call
    ]
    assert calls == [0, 0]


def test_keys(spans: Spans) -> None:
    """What the person presses is said; what the application presses for the model is a tool of its."""
    keys = [{"type": "transport.dtmf.received", "event": key} for key in "1#5"]
    sent = {"type": "transport.dtmf.sent", "event": "7", "event_id": "e"}
    play(
        spans,
        STARTED,
        model("Press one", 0, 400),
        *keys[:2],
        model("Thanks", 900, 1_200),
        keys[2],
        sent,
        CLOSED,
    )
    assert contents(spans) == ["Press one", "1#", "Thanks", "5"]
    assert [(item.tool_name, item.input) for item in spans.told() if item.tool_name] == [
        ("dtmf", {"event": "7"})
    ]


def test_lines_that_are_handed_in(spans: Spans) -> None:
    """Each is a system message in its place, and none a part of the prompt; context is not shown."""
    session = play(spans, STARTED)
    for kind in ("commentary", "thinking", "instructions"):
        session.send({"type": f"session.{kind}.append", "content": kind, "delegation_id": None})
    hear(session, person("Hi", 0, 400), model("Hello", 500, 900))
    session.send({"type": "session.commentary.append", "content": "Late", "delegation_id": None})
    hear(session, CLOSED)
    assert {update.system_prompt for update in spans.updates() if update.messages} == {"Be kind."}
    assert [item.type for item in spans.told()].count("system_message") == 4
    assert contents(spans) == ["instructions", "Hi", "Hello"]


def backend(id: str, *items: Event) -> list[Event]:
    """A response of the session's backend: its snapshots leave the items out."""
    body = {"id": id, "object": "response", "status": "in_progress", "output": []}
    inner: list[Event] = [{"type": "response.created", "response": body}]
    inner += [
        {"type": "response.output_item.done", "output_index": at, "item": item}
        for at, item in enumerate(items)
    ]
    inner.append({"type": "response.completed", "response": {**body, "status": "completed"}})
    return [{"type": "response.event", "delegation_id": "d", "event": event} for event in inner]


def test_tools_of_a_backend(spans: Spans) -> None:
    """Functions, MCP servers and approvals are of the turn, in their order; the backend's words are not."""
    function = {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"at": 1}'}
    request = {"type": "mcp_approval_request", "id": "a", "name": "ask", "arguments": "{}"}
    approval = {"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}
    server = {"type": "mcp_call", "id": "m", "name": "ask", "arguments": "{}", "output": "42"}
    words = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Found"}]}
    session = play(
        spans, STARTED, person("Look", 0, 400), model("One moment", 500, 900), *backend("b1", function)
    )
    result = {"type": "function_call_output", "call_id": "c", "output": "blue"}
    session.send({"type": "response.item.create", "item": result})
    hear(session, *backend("b2", request), model("May I?", 2_000, 2_400))
    session.send({"type": "response.item.create", "item": approval})
    hear(session, *backend("b3", server, words), model("It is 42", 4_000, 4_400), CLOSED)
    shown = [
        (message.type, message.tool_name or message.content)
        for message in spans.told()
        if message.type != "llm"
    ]
    assert shown == [
        ("user_message", "Look"),
        ("assistant_message", "One moment"),
        ("tool_call", "look"),
        ("observation", "look"),
        ("final_response", "May I?"),
        ("user_message", None),
        ("tool_call", "ask"),
        ("observation", "ask"),
        ("final_response", "It is 42"),
    ]


@needs_live
async def test_a_sideband_connection(spans: Spans) -> None:
    """The id is read from the connection's manager, in both colours."""
    script: list[Any] = [*MINUTE_IN, CLOSED, "close"]
    with Server(script, script) as server:
        with (
            openai.OpenAI(api_key="k", base_url=server.url) as app,
            app.live.sideband.connect(session_id="side_1") as connection,
        ):
            assert len(list(connection)) == 5
        async with (
            openai.AsyncOpenAI(api_key="k", base_url=server.url) as app_async,
            app_async.live.sideband.connect(session_id="side_2") as connection_async,
        ):
            assert len([event async for event in connection_async]) == 5
    calls = [
        operation.voice_call.platform_call_id for operation in spans.operations() if operation.voice_call
    ]
    assert calls == ["side_1"] * 2 + ["side_2"] * 2
    assert [text_of(*operation.output) for operation in spans.operations()] == ["Good day", "Bye bye"] * 2
