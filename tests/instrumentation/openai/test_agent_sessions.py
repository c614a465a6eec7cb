"""Agents that OpenAI runs: what is sent to a session and what its events show become one conversation."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from typing import Any

import openai
import pytest

from greenflash_otel.context import conversation
from tests.instrumentation.openai.server import Reply, Server, document, events
from tests.instrumentation.openai.spans import Spans

pytest.importorskip("openai.types.beta.agents", reason="this SDK knows no agents that OpenAI runs")

pytestmark = pytest.mark.usefixtures("no_faults")

SESSION: Any = {"id": "asess_1", "object": "agent.session", "status": "idle", "agent": {"model": "gpt-5.5"}}
NEW: Any = {"environment": {"type": "none"}, "agent": {"model": "gpt-5.5"}}
ACCEPTED = document({}, 202)
CALL: Any = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "get_price",
    "arguments": {"item": "tea"},
    "status": "in_progress",
}
COLOURS = [
    pytest.param(
        colour, marks=pytest.mark.covers("sessions", "`beta.agents.sessions.stream()`", colour, colour)
    )
    for colour in ("sync", "async")
]


def turn_event(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """An event of a turn of the session."""
    known = {"session_id": "asess_1", "turn_id": f"turn_{number}"}
    return {"type": f"agent.session.turn.{kind}", **known, **fields}


def turn(number: int, status: str = "in_progress", **fields: Any) -> dict[str, Any]:
    """A turn of the session."""
    return {"id": f"turn_{number}", "object": "agent.session.turn", "status": status, "error": None, **fields}


def begin(number: int) -> list[dict[str, Any]]:
    """A turn begins; the item that repeats the user's words comes along."""
    said = {"id": f"u_{number}", "type": "message", "role": "user", "status": "completed", "content": []}
    return [
        turn_event(number, "created", turn=turn(number)),
        turn_event(number, "item.added", item=said, output_index=None),
    ]


def say(number: int, text: str, *, whole: bool = True) -> list[dict[str, Any]]:
    """The agent says something, piece by piece."""
    item = {
        "id": f"m_{number}",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    place = {"output_index": 1, "content_index": 0, "item_id": f"m_{number}"}
    found = [turn_event(number, "item.added", item=item, output_index=1)]
    found += [turn_event(number, "output_text.delta", delta=piece, **place) for piece in text.partition(" ")]
    if whole:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        done = {**item, "status": "completed", "content": content}
        found.append(turn_event(number, "output_text.done", text=text, **place))
        found.append(turn_event(number, "item.done", item=done, output_index=1))
    return found


def end(number: int, status: str = "completed", **fields: Any) -> list[dict[str, Any]]:
    """The turn ends, and the session waits for the next one."""
    usage = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    return [
        turn_event(number, status, turn=turn(number, status, **fields), usage=usage),
        {"type": "agent.session.idle", "session": SESSION},
    ]


def stream_of(*lists: Iterable[dict[str, Any]]) -> Reply:
    """Events with ids of their own, as the session sends them."""
    numbered = enumerate(event for events in lists for event in events)
    return events([{**event, "event_id": f"e_{number}"} for number, event in numbered], b"")


def answer(number: int, text: str) -> list[dict[str, Any]]:
    """All of a turn in which the agent says one thing."""
    return [*begin(number), *say(number, text), *end(number)]


CREATED = [{"type": "agent.session.created", "session": SESSION}]
FIRST = stream_of(CREATED, answer(1, "Your plan is ready."))
CALLING = [
    *begin(2),
    turn_event(2, "item.added", item=CALL, output_index=0),
    turn_event(2, "item.done", item={**CALL, "status": "completed"}, output_index=0),
    *say(2, "It costs 10."),
    *end(2),
]
TOGETHER = Reply(
    (b"".join(step for step in stream_of(CALLING).steps if isinstance(step, bytes)),),
    200,
    {"content-type": "text/event-stream"},
)
"""A call and what follows on its result, in the same bytes."""
DIALOGUE = [
    ("user", "Make a plan."),
    ("assistant", "Your plan is ready."),
    ("user", "And the price?"),
    ("assistant", "It costs 10."),
]
SIDES = {"user_message": "user", "system_message": "system"}


def said(spans: Spans) -> list[tuple[str, str]]:
    """What the conversations show, in order, and who says it."""
    return [(SIDES.get(item.type, "assistant"), item.content) for item in spans.told() if item.content]


def client_of(server: Server) -> Any:
    """A client that sends everything once."""
    return openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)


def read(stream: Any) -> str:
    """All that the application hears of a stream."""
    return "".join(event.delta for event in stream if event.type.endswith("output_text.delta"))


async def converse(colour: str, server: Server, http: Any = None, **options: Any) -> list[str]:
    """Two turns: the one that creates the session, and one in it."""
    heard = []
    known: Any = {"api_key": "k", "base_url": server.url, "max_retries": 0, "http_client": http}
    if colour == "sync":
        with openai.OpenAI(**known) as client:
            sessions: Any = client.beta.agents.sessions
            heard.append(read(sessions.create(**NEW, input="Make a plan.", stream=True)))
            with sessions.stream("asess_1", input="And the price?", **options) as stream:
                heard.append(read(stream))
        return heard
    async with openai.AsyncOpenAI(**known) as async_client:
        async_sessions: Any = async_client.beta.agents.sessions
        created: Any = await async_sessions.create(**NEW, input="Make a plan.", stream=True)
        heard.append("".join([e.delta async for e in created if e.type.endswith("output_text.delta")]))
        async with async_sessions.stream("asess_1", input="And the price?", **options) as second:
            heard.append("".join([e.delta async for e in second if e.type.endswith("output_text.delta")]))
    return heard


@pytest.mark.parametrize("colour", COLOURS)
async def test_two_turns(colour: str, spans: Spans) -> None:
    """Each question and answer arrives once, in order; the session's id is the conversation's."""
    second = stream_of(answer(2, "It costs 10."))
    with Server(FIRST, document(SESSION), second, ACCEPTED) as server:
        assert await converse(colour, server) == ["Your plan is ready.", "It costs 10."]
    assert said(spans) == DIALOGUE
    assert list(spans.conversations()) == ["asess_1"]
    last = spans.operations()[-1]
    assert (last.name, last.ending, last.request_model) == ("chat", "completed", "gpt-5.5")
    assert last.usage and last.usage.output_tokens == 3


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_functions_of_the_application(colour: str, spans: Spans) -> None:
    """A call, its result and the answer come in this order, even if the server sends all events at once."""
    with Server(FIRST, document(SESSION), TOGETHER, ACCEPTED, ACCEPTED) as server:
        heard = await converse(colour, server, tool_handlers={"get_price": lambda arguments: "10"})
        assert server.bodies[-1]["events"][0]["output"] == "10"
    assert heard == ["Your plan is ready.", "It costs 10."]
    assert said(spans) == DIALOGUE
    steps = [(item.type, item.tool_name) for item in spans.told() if item.tool_name]
    assert steps == [("tool_call", "get_price"), ("observation", "get_price")]
    call, result = (item for item in spans.told() if item.tool_name)
    assert (call.input, result.output) == ({"item": "tea"}, {"result": "10"})
    assert result.parent_id == call.id
    assert [item.type for item in spans.told()].index("observation") < len(spans.told()) - 1


def test_a_question_whose_answer_is_read_later(spans: Spans) -> None:
    """The question is recorded at once, the answer in the same conversation when its events are read: once."""
    replies = [stream_of(answer(1, "Your plan is ready."))] * 2
    with Server(document(SESSION), *replies) as server, client_of(server) as client:
        sessions = client.beta.agents.sessions
        with conversation("chat-7", user_id="ada"):
            created = sessions.create(**NEW, input="Make a plan.")
        assert said(spans) == DIALOGUE[:1]
        read(sessions.events.stream(created.id))
        read(sessions.events.stream(created.id))
    assert said(spans) == DIALOGUE[:2]
    assert list(spans.conversations()) == ["chat-7"]


def test_many_turns_on_one_stream(spans: Spans) -> None:
    """An application follows a session from its beginning to its end: each turn is recorded when it is over."""
    follow = stream_of(answer(1, "Your plan is ready."), answer(2, "It costs 10."))
    with Server(document(SESSION), follow) as server, client_of(server) as client:
        sessions = client.beta.agents.sessions
        sessions.create(**NEW, input="Make a plan.")
        for event in sessions.events.stream("asess_1"):
            if event.type == "agent.session.turn.completed":
                recorded = [text for _, text in said(spans) if text]
                assert recorded[:2] == ["Make a plan.", "Your plan is ready."]
    assert [text for _, text in said(spans)] == ["Make a plan.", "Your plan is ready.", "It costs 10."]


def test_a_result_that_the_application_sends_itself(spans: Spans) -> None:
    """The application leaves the stream where the session waits, sends the result, and follows it again."""
    asks = [*CALLING[:4], {"type": "agent.session.requires_action", "session": SESSION}]
    result = {"type": "agent.session.input.tool_result", "turn_id": "turn_2", "call_id": "call_1"}
    question = {
        "type": "agent.session.input.message",
        "input": [{"role": "user", "content": "And the price?"}],
    }
    with (
        Server(ACCEPTED, stream_of(asks), ACCEPTED, stream_of(CALLING)) as server,
        client_of(server) as client,
    ):
        sessions: Any = client.beta.agents.sessions
        sessions.events.create("asess_1", events=[question])
        with sessions.events.stream("asess_1") as stream:
            assert any(event.type == "agent.session.requires_action" for event in stream)
        sessions.events.create("asess_1", events=[{**result, "success": False, "error": "none left"}])
        read(sessions.events.stream("asess_1"))
    found = [item.type for item in spans.told()]
    assert found == ["user_message", "tool_call", "tool_error", "final_response"]
    assert said(spans) == DIALOGUE[2:]


async def test_a_stream_left(spans: Spans) -> None:
    """What was read of an answer is retained, and marked as left."""
    reply = stream_of(CREATED, begin(1), say(1, "Your plan is ready.", whole=False))
    with Server(Reply((*reply.steps, "hold"), 200, reply.headers)) as server, client_of(server) as client:
        stream = client.beta.agents.sessions.create(**NEW, input="Make a plan.", stream=True)
        heard = (event.delta for event in stream if event.type.endswith("output_text.delta"))
        assert [next(heard), next(heard), next(heard)] == ["Your", " ", "plan is ready."]
        stream.close()
    await spans.arrive(1)
    assert said(spans) == DIALOGUE[:2]
    assert spans.only().ending == "abandoned"


def test_a_turn_that_fails(spans: Spans) -> None:
    """The question is retained, and why there is no answer."""
    failed = end(1, "failed", error={"code": "model_error", "message": "Out of luck."})
    with Server(stream_of(CREATED, begin(1), failed)) as server, client_of(server) as client:
        assert read(client.beta.agents.sessions.create(**NEW, input="Make a plan.", stream=True)) == ""
    operation = spans.only()
    assert said(spans) == DIALOGUE[:1]
    assert operation.failure and operation.failure.type == "model_error"


def test_subagents_and_forms_are_not_shown(spans: Spans) -> None:
    """What agents say to each other is not the user's, and no password reaches a span."""
    inner = turn_event(3, "created", turn=turn(3, subagent_id="sub_1"))
    reply = stream_of(
        CREATED, begin(1), [inner], say(3, "To each other"), say(1, "Your plan is ready."), end(1)
    )
    form = {
        "type": "agent.session.input.computer_use_approval_request_result",
        "request_id": "r_1",
        "response": {"action": "submit", "fields": [{"field_id": "f", "value": "hunter2"}]},
    }
    with Server(reply, ACCEPTED) as server, client_of(server) as client:
        sessions: Any = client.beta.agents.sessions
        read(sessions.create(**NEW, input="Make a plan.", stream=True))
        sessions.events.create("asess_1", events=[form])
    assert said(spans) == DIALOGUE[:2]
    assert "hunter2" not in json.dumps([dict(span.attributes or {}) for span in spans.all()], default=str)


def test_instructions_of_a_session_without_a_question(spans: Spans) -> None:
    """The session's instructions are the system prompt of what is said in it later."""
    agent = {"model": "gpt-5.5", "instructions": "Be brief."}
    second = stream_of(answer(2, "It costs 10."))
    with (
        Server(document(SESSION), document(SESSION), second, ACCEPTED) as server,
        client_of(server) as client,
    ):
        sessions: Any = client.beta.agents.sessions
        sessions.create(environment={"type": "none"}, agent=agent)
        with sessions.stream("asess_1", input="And the price?") as stream:
            assert read(stream) == "It costs 10."
    assert said(spans) == DIALOGUE[2:]
    assert {update.system_prompt for update in spans.updates()} == {"Be brief."}


def test_tools_that_the_agent_runs_itself(spans: Spans) -> None:
    """A command is a call and its result; of a screen nothing is retained."""
    ran = {"id": "c_1", "type": "command_execution", "command": "ls", "output": "a.txt", "exit_code": 0}
    seen = {"id": "s_1", "type": "computer_use_call", "output": {"image_url": "data:image/jpeg;base64,AAAA"}}
    made = [
        turn_event(1, "item.done", item={**item, "status": "completed"}, output_index=2)
        for item in (ran, seen)
    ]
    reply = stream_of(CREATED, begin(1), made, say(1, "Your plan is ready."), end(1))
    with Server(reply) as server, client_of(server) as client:
        read(client.beta.agents.sessions.create(**NEW, input="Make a plan.", stream=True))
    (message,) = spans.only().output
    assert [type(part).__name__ for part in message.parts] == [
        "ServerToolCall",
        "ServerToolCallResponse",
        "ServerToolCall",
        "Text",
    ]
    assert "AAAA" not in json.dumps([dict(span.attributes or {}) for span in spans.all()], default=str)
    assert said(spans) == DIALOGUE[:2]


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_responses_that_a_hook_has_read(colour: str, spans: Spans) -> None:
    """The order is that in which the application sees events, also where its hook reads all of them before."""

    def see(response: Any) -> None:
        response.read()

    async def see_async(response: Any) -> None:
        await response.aread()

    http: Any
    if colour == "sync":
        http = openai.DefaultHttpxClient(event_hooks={"response": [see]})
    else:
        http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [see_async]})
    with Server(FIRST, document(SESSION), stream_of(CALLING), ACCEPTED, ACCEPTED) as server:
        heard = await converse(colour, server, http, tool_handlers={"get_price": lambda arguments: "10"})
    assert heard == ["Your plan is ready.", "It costs 10."]
    assert said(spans) == DIALOGUE
    found = [item.type for item in sorted(spans.told(), key=lambda item: item.created_at_ms)]
    assert found.index("tool_call") < found.index("observation") < found.index("final_response")


def test_a_result_that_is_sent_again(spans: Spans) -> None:
    """The server may not know a call yet; the result that it then accepts comes before the answer."""
    message = "Unknown pending tool call: call_1"
    unknown = document({"error": {"code": "invalid_request_error", "message": message}}, 400)
    with (
        Server(document(SESSION), TOGETHER, ACCEPTED, unknown, ACCEPTED) as server,
        client_of(server) as client,
    ):
        handlers = {"get_price": lambda arguments: "10"}
        sessions = client.beta.agents.sessions
        with sessions.stream("asess_1", input="And the price?", tool_handlers=handlers) as stream:
            assert read(stream) == "It costs 10."
    found = [item.type for item in sorted(spans.told(), key=lambda item: item.created_at_ms)]
    assert found == ["user_message", "tool_call", "observation", "final_response"]


def test_a_response_that_a_hook_has_read_can_be_pickled(spans: Spans) -> None:
    """What stands for its iteration does not come along."""
    with Server(FIRST) as server:
        http = openai.DefaultHttpxClient(event_hooks={"response": [lambda response: response.read()]})
        with openai.OpenAI(api_key="k", base_url=server.url, http_client=http) as client:
            raw = client.beta.agents.sessions.with_raw_response.create(
                **NEW, input="Make a plan.", stream=True
            )
            copied = pickle.loads(pickle.dumps(raw.http_response))  # noqa: S301 - our own bytes
            assert b"".join(copied.iter_bytes()) == raw.http_response.content
            assert b"".join(raw.http_response.iter_bytes()) == raw.http_response.content
    assert said(spans) == DIALOGUE[:2]


def test_input_that_is_not_accepted(spans: Spans) -> None:
    """A question that the session rejects was not said in it."""
    error = document({"error": {"message": "busy", "code": "conflict"}}, 409)
    with Server(error) as server, client_of(server) as client, pytest.raises(openai.ConflictError):
        question = {"type": "agent.session.input.message", "input": [{"role": "user", "content": "Hi"}]}
        sessions: Any = client.beta.agents.sessions
        sessions.events.create("asess_1", events=[question])
    assert said(spans) == []
