"""Relays: servers that pass frames on as they are. They see the same frames, and the same is recorded."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket import test_live, test_realtime
from tests.instrumentation.openai.websocket.scripts import answer
from tests.instrumentation.openai.websocket.sdk import needs_live, needs_raw, needs_responses
from tests.instrumentation.openai.websocket.server import SDK_WARNING, Server

pytestmark = [pytest.mark.usefixtures("no_faults"), pytest.mark.filterwarnings(SDK_WARNING)]

ASKED = {"type": "response.create", "model": "gpt-x", "input": "Hello?"}
SCRIPTS: dict[str, list[Any]] = {
    "realtime": test_realtime.SCRIPT,
    "live": [
        test_live.STARTED,
        "take",
        test_live.person("Hello?", 0, 400),
        test_live.model("Good day", 500, 900),
        test_live.CLOSED,
    ],
    "responses": ["take", *answer("r1", "Good day")],
}
KINDS = [
    "realtime",
    pytest.param("live", marks=needs_live),
    pytest.param("responses", marks=needs_responses),
]


def connect(app: Any, kind: str) -> Any:
    """A connection of a kind."""
    if kind == "realtime":
        return test_realtime.realtime_of(app).connect(model="gpt-realtime")
    return getattr(app, kind).connect()


def make_app(factory: Any, server: Server) -> Any:
    return factory(api_key="k", base_url=server.url, websocket_base_url=server.url.replace("http", "ws"))


def frames_of(kind: str) -> list[Any]:
    return [step for step in SCRIPTS[kind] if isinstance(step, dict)]


@needs_raw
@pytest.mark.parametrize("parses", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_relay(kind: str, parses: bool, spans: Spans) -> None:
    """What it also parses, as text or bytes, is not recorded twice."""
    with (
        Server(SCRIPTS[kind]) as server,
        make_app(openai.OpenAI, server) as app,
        connect(app, kind) as connection,
    ):
        connection.send_raw(json.dumps(ASKED if kind == "responses" else {"type": "unknown"}))
        frames = []
        for _ in frames_of(kind):
            frames.append(connection.recv_bytes())
            if parses:
                connection.parse_event(frames[-1])
                connection.parse_event(frames[-1].decode())
    assert [json.loads(frame) for frame in frames] == frames_of(kind)
    assert (text_of(*spans.only().input), text_of(*spans.only().output)) == ("Hello?", "Good day")


@needs_raw
@pytest.mark.parametrize("kind", KINDS)
async def test_a_relay_async(kind: str, spans: Spans) -> None:
    """The same in the other colour."""
    with Server(SCRIPTS[kind]) as server:
        async with make_app(openai.AsyncOpenAI, server) as app, connect(app, kind) as connection:
            await connection.send_raw(
                json.dumps(ASKED if kind == "responses" else {"type": "unknown"}).encode()
            )
            frames = [await connection.recv_bytes() for _ in frames_of(kind)]
    assert [json.loads(frame) for frame in frames] == frames_of(kind)
    assert (text_of(*spans.only().input), text_of(*spans.only().output)) == ("Hello?", "Good day")


def test_frames_that_are_parsed_only(spans: Spans) -> None:
    """An application that reads the socket itself, with a timeout say, is observed where it parses."""
    with (
        Server(SCRIPTS["realtime"]) as server,
        make_app(openai.OpenAI, server) as app,
        connect(app, "realtime") as connection,
    ):
        connection.send({"type": "input_audio_buffer.commit"})
        for _ in frames_of("realtime"):
            connection.parse_event(connection._connection.recv(timeout=5))
    assert text_of(*spans.only().output) == "Good day"


@needs_raw
def test_frames_that_are_no_events(spans: Spans) -> None:
    """A relay may pass on anything: that is no failure of ours."""
    before = get_internal_errors().get("observe a session", 0)
    script: list[Any] = ["take", "take", *SCRIPTS["realtime"]]
    with (
        Server(script) as server,
        make_app(openai.OpenAI, server) as app,
        connect(app, "realtime") as connection,
    ):
        connection.send_raw("[1]")
        connection.send_raw("2")
        connection.send_raw('"text"')
        for _ in frames_of("realtime"):
            connection.recv_bytes()
    assert get_internal_errors().get("observe a session", 0) == before
    assert text_of(*spans.only().output) == "Good day"
