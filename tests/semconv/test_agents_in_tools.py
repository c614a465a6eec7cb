"""An agent that runs in a tool stays in the conversation of the tool, whatever it calls its own session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from greenflash_otel.model.telemetry import SpanRecord
from tests.semconv.test_layers import (
    BARE,
    CLIENT,
    Way,
    arrived,
    backwards,
    call,
    deliver,
    last_first,
    named_or_not,
    one_by_one,
    requested,
    span,
    together,
    tool,
    traced_call,
    traced_tool,
)

RUN = {"gen_ai.operation.name": "invoke_agent"}
GIVEN = {"q": "Which one?"}
ORDERED = pytest.mark.parametrize("way", [together, backwards, one_by_one], ids=lambda way: way.__name__)
"""The ways in which the calls of a chat without a name come in their order."""


def run(name: str | None) -> dict[str, Any]:
    """Attributes of an agent's run."""
    return {**RUN, **({"gen_ai.conversation.id": name} if name else {})}


def chat(
    *inner: SpanRecord, name: str | None, ran: dict[str, Any] | None = None, root: str | None = None
) -> list[SpanRecord]:
    """A turn in which the model asks for an agent."""
    asks = requested("k", name="ask", given=GIVEN)
    result = {"type": "tool_call_response", "id": "k", "response": "That one"}
    last = call([("user", "Where?"), ("assistant", asks), ("tool", result)], "There.", name)
    return [
        span(1, (0, 20), run(root)),
        span(2, (0.1, 1), call([("user", "Where?")], asks, name), 1),
        span(3, (2, 8), ran or tool("ask", "k", None, "That one"), 1),
        *inner,
        span(6, (9, 10), last, 1),
    ]


def agent(name: str | None, inside: int = 3) -> list[SpanRecord]:
    """The agent in the tool, with one call."""
    return [
        span(4, (2.1, 7), run(name), inside),
        span(5, (2.2, 3), call([("user", "Which one?")], "That one", name), 4),
    ]


QUESTION, ASKED, ANSWER = "user_message Where?", "tool_call ask", "final_response There."
INNER = f"0 llm That one < {ASKED}"
TURN = [
    f"0 {QUESTION} < -",
    f"0 {ASKED} < {QUESTION}",
    f"0 observation ask That one < {ASKED}",
    f"0 {ANSWER} < {QUESTION}",
]
ALL = sorted([*TURN, INNER])


@ORDERED
@named_or_not
@pytest.mark.parametrize("root", ["s", None])
def test_a_session_of_its_own(name: str | None, root: str | None, way: Way) -> None:
    """It is below the tool call, in the conversation of the tool."""
    assert arrived(chat(*agent("generated"), name=name, root=root if name else None), way) == ALL


def test_what_comes_last_first() -> None:
    """The same, if the tool comes before the agent in it."""
    assert arrived(chat(*agent("generated"), name="s", root="s"), last_first) == ALL


@ORDERED
@named_or_not
def test_without_a_session(name: str | None, way: Way) -> None:
    """What names no session was right before."""
    assert arrived(chat(*agent(None), name=name, root=name), way) == ALL


@named_or_not
def test_a_tool_that_two_layers_record(name: str | None) -> None:
    """The agent ran in the inner one."""
    spans = chat(span(7, (2.05, 7.5), tool("ask"), 3, scope=CLIENT), *agent("generated", 7), name=name)
    assert arrived(spans, together) == ALL


@ORDERED
@named_or_not
def test_other_names_of_attributes(name: str | None, way: Way) -> None:
    """An agent and a tool as OpenInference records them, the tool without the id of its call."""
    spans = chat(
        span(4, (2.1, 7), {"openinference.span.kind": "AGENT", "session.id": "generated"}, 3),
        span(5, (2.2, 3), traced_call("Which one?", "That one", "generated"), 4),
        name=name,
        ran=traced_tool("ask", GIVEN, "That one"),
    )
    assert arrived(spans, way) == ALL


@ORDERED
def test_a_tool_with_an_id_of_its_own(way: Way) -> None:
    """The framework's id for the run is not the model's for the call: call and result are there once."""
    ran = tool("ask", "framework-77", GIVEN, "That one")
    assert arrived(chat(*agent("generated"), name="s", root="s", ran=ran), way) == ALL


def two_levels() -> Sequence[SpanRecord]:
    """An agent that asks for a tool in which another agent runs, each with a session of its own."""
    asks = requested("t", name="look")
    result = {"type": "tool_call_response", "id": "t", "response": "21"}
    question = ("user", "Which one?")
    return [
        span(4, (2.1, 7), run("generated"), 3),
        span(11, (2.2, 3), call([question], asks, "generated"), 4),
        span(12, (3.1, 5), tool("look", "t", {"at": 1}, "21"), 4),
        span(13, (3.2, 4.5), run("deeper"), 12),
        span(14, (3.3, 4), call([("user", "How many?")], "21 of them", "deeper"), 13),
        span(
            5, (5.1, 6), call([question, ("assistant", asks), ("tool", result)], "That one", "generated"), 4
        ),
    ]


@pytest.mark.parametrize("way", [together, backwards], ids=lambda way: way.__name__)
@named_or_not
def test_an_agent_in_a_tool_of_an_agent(name: str | None, way: Way) -> None:
    """Each is below the call of the tool that it ran in."""
    lines = arrived(chat(*two_levels(), name=name, root=name), way)
    assert {line.split()[0] for line in lines} == {"0"}
    assert {*ALL, "0 llm 21 of them < tool_call look", f"0 tool_call look < {ASKED}"} <= {*lines}
    assert "0 observation look 21 < tool_call look" in lines
    assert len(lines) == len(ALL) + 4  # besides these the call that asked


def test_the_order_within_a_tool_of_an_agent() -> None:
    """What ran in a tool comes between its call and its result."""
    store = deliver(chat(*two_levels(), name="s", root="s"), together)
    items = sorted((item for _, item in store.items), key=lambda item: item["createdAt"])
    assert [item["messageType"] for item in items] == [
        "user_message",
        "tool_call",
        "llm",
        "tool_call",
        "llm",
        "observation",
        "llm",
        "observation",
        "final_response",
    ]


@named_or_not
def test_a_failure_in_a_tool(name: str | None) -> None:
    """A call of the agent that failed is below the tool call, too, and no conversation of the agent's session."""
    bare = {**BARE, "gen_ai.conversation.id": "generated"}
    inner = [*agent("generated"), span(7, (4, 5), bare, 4, error="")]
    for way in (together, one_by_one):
        lines = arrived(chat(*inner, name=name, root=name), way)
        assert lines == sorted([*ALL, f"0 llm overloaded_error None < {ASKED}"])


def test_a_user_of_its_own() -> None:
    """The user is the one who spoke, not one that the agent's runner made up."""
    own = {"gen_ai.conversation.id": "generated", "user.id": "robot"}
    inner = [
        span(4, (2.1, 7), {**RUN, **own}, 3),
        span(5, (2.2, 3), {**call([("user", "Which one?")], "That one"), **own}, 4),
    ]
    spans = chat(*inner, name="s")
    spans[0] = span(1, (0, 20), {**RUN, "user.id": "ada"})
    assert arrived(spans, together) == ALL
    assert deliver(spans, together).users == {"s": "ada"}


def test_a_tool_that_nobody_asked_for() -> None:
    """A function that is marked as a tool at the root of a trace gives way to the name within it."""
    spans = [
        span(3, (2, 8), tool("job", None, {"at": 1}, "done")),
        span(5, (3, 4), call([("user", "Which one?")], "That one", "own"), 3),
    ]
    assert [line.split(" < ")[0] for line in arrived(spans, together)] == [
        "0 llm That one",
        "0 observation job done",
        "0 tool_call job",
    ]


def test_two_conversations_in_a_trace() -> None:
    """A call under another name that the request of a tool does not have is none of the tool's."""
    other = span(5, (2.2, 3), call([("user", "Hello, I am Bob.")], "Hi Bob.", "other"), 1)
    lines = arrived([span for span in chat(name="s") if span.span_id[-1] != "1"] + [other], one_by_one)
    assert [line for line in lines if line.startswith("1") or "Bob" in line] == sorted(
        ["1 user_message Hello, I am Bob. < -", "1 assistant_message Hi Bob. < user_message Hello, I am Bob."]
    )


def test_two_users_in_a_trace() -> None:
    """A call of another user is none of the tool's, though it asks the same."""
    asked = {"gen_ai.conversation.id": "other", "user.id": "bob"}
    other = span(5, (2.2, 3), {**call([("user", "Which one?")], "That one"), **asked}, 1)
    spans = [
        entry if entry.span_id[-1] != "2" else span(2, (0.1, 1), {**entry.attributes, "user.id": "ada"}, 1)
        for entry in chat(name="s")
        if entry.span_id[-1] != "1"
    ]
    assert "1 user_message Which one? < -" in arrived([*spans, other], one_by_one)
