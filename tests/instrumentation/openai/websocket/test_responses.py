"""Responses over a WebSocket, played by a real server to the real client."""

from __future__ import annotations

import openai
import pytest

from greenflash_otel.model.operation import Message, Operation, Text
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket.scripts import answer, begun, ended, message, said
from tests.instrumentation.openai.websocket.sdk import needs_lanes, needs_responses
from tests.instrumentation.openai.websocket.server import SDK_WARNING, Server, Step

pytestmark = [
    pytest.mark.usefixtures("no_faults"),
    pytest.mark.filterwarnings(SDK_WARNING),
    needs_responses,
]


def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=server.url)


@pytest.mark.covers("sessions", "`responses.connect()`", "sync", "sync")
def test_a_whole_turn(spans: Spans) -> None:
    """One request and its response are one operation, the same as over HTTP."""
    script: list[Step] = ["take", *answer("resp_1", "Hello")]
    with Server(script) as server, client(server) as app, app.responses.connect() as connection:
        connection.response.create(model="gpt-x", input="Hi", instructions="Be kind.")
        for event in connection:
            if event.type == "response.completed":
                break
    operation = spans.only()
    assert operation.time_to_first_chunk_s is not None
    assert operation == Operation(
        "chat",
        provider="openai",
        request_model="gpt-x",
        response_model="gpt-x",
        response_id="resp_1",
        system_instructions=(Text("Be kind."),),
        input=(Message("user", (Text("Hi"),)),),
        output=(Message("assistant", (Text("Hello"),), finish_reason="completed"),),
        output_item_ids=("msg_resp_1",),
        finish_reasons=("completed",),
        streamed=True,
        time_to_first_chunk_s=operation.time_to_first_chunk_s,
    )


def _turns(spans: Spans) -> list[tuple[str, str, str]]:
    return [
        (operation.ending, text_of(*operation.input), text_of(*operation.output))
        for operation in spans.operations()
    ]


@needs_lanes
def test_case_19_lanes_steering_prewarm_and_a_reconnect(spans: Spans) -> None:
    """Interleaved lanes, every way to read, an automatic successor, a request that generates nothing."""
    steered = {"incomplete_details": {"reason": "steered"}}
    first: list[Step] = [
        "take",
        begun("warm"),
        ended("warm"),
        "take",
        "take",
        begun("a1", "a", "warm"),
        begun("b1", "b"),
        said("one ", "a"),
        said("two", "b"),
        "take",
        {
            "type": "response.steer.accepted",
            "steer": {"id": "s1", "previous_response_id": "a1"},
            "stream_id": "a",
        },
        message("one ", "a"),
        ended("a1", "a", "warm", "incomplete", **steered),
        begun("a2", "a", "a1"),
        message("two", "b"),
        message("shorter", "a"),
        ended("b1", "b"),
        ended("a2", "a", "a1"),
        "take",
        begun("a3", "a", "a2"),
        said("los", "a"),
        "drop",
    ]
    second: list[Step] = ["take", *answer("a4", "done", "a", "a2")]
    seen: list[str] = []
    with Server(first, second) as server, client(server) as app:

        def again(_: object = None) -> None:
            connection.response.create(model="gpt-x", input="More", stream_id="a", previous_response_id="a2")

        manager = app.responses.connect(on_reconnecting=again, initial_delay=0.001)
        with manager as connection:
            connection.response.create(model="gpt-x", input="Context", generate=False)
            while connection.parse_event(connection.recv_bytes()).type != "response.completed":
                pass
            connection.response.create(model="gpt-x", input="A?", stream_id="a", previous_response_id="warm")
            connection.response.create(model="gpt-x", input="B?", stream_id="b")
            for _ in range(4):
                connection.recv()
            connection.response.steer(input="Shorter", previous_response_id="a1")

            def on_completed(event: object) -> None:
                seen.append(event.response.id)  # type: ignore[attr-defined]  # of the SDK's event
                if seen[-1] == "a2":
                    again()
                if seen[-1] == "a4":
                    connection.close()

            connection.on("response.completed", on_completed)
            connection.dispatch_events()
    assert seen == ["b1", "a2", "a4"]
    assert _turns(spans) == [
        ("completed", "ContextA?", "one "),
        ("completed", "B?", "two"),
        ("completed", "Shorter", "shorter"),
        ("failed", "More", "los"),
        ("completed", "More", "done"),
    ]
    assert [operation.previous_response_id for operation in spans.operations()] == [
        None,
        None,
        "a1",
        "a2",
        "a2",
    ]
    told = [[item.content for item in items] for items in spans.conversations().values()]
    assert told == [
        ["Context", "A?", "one ", "Shorter", "shorter", "More", "los", "done"],
        ["B?", "two"],
    ]


@pytest.mark.covers("sessions", "lanes of `ResponsesWebSocketSession`", "sync", "sync")
@needs_lanes
def test_the_helper_session(spans: Spans) -> None:
    """Lanes of the helper library send past the connection, and read in a thread of their own."""
    from openai.lib.responses_websocket import ResponsesWebSocketLimits, ResponsesWebSocketSession

    limits = ResponsesWebSocketLimits(
        max_lanes=8, max_events_per_lane=100, max_events=100, max_bytes_per_lane=10**6, max_bytes=10**6
    )
    script: list[Step] = [
        "take",
        "take",
        begun("r1", "x"),
        *answer("r2", "two", "y"),
        message("one", "x"),
        ended("r1", "x"),
    ]
    with (
        Server(script) as server,
        client(server) as app,
        app.responses.connect() as connection,
        ResponsesWebSocketSession(connection, limits=limits) as session,
    ):
        x, y = session.lane("x"), session.lane("y")
        x.send({"type": "response.create", "model": "gpt-x", "input": "X?"})
        y.send({"type": "response.create", "model": "gpt-x", "input": "Y?"})
        assert y.get_final_response(timeout=5).id == "r2"
        assert x.get_final_response(timeout=5).id == "r1"
    assert _turns(spans) == [("completed", "Y?", "two"), ("completed", "X?", "one")]
