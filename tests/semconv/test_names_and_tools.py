"""Tools and agents inside tools, while the spans around them have not arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.semconv.arrivals import Arrivals, in_any_order, span

NAMES = {"gen_ai.conversation.id": "app-1", "user.id": "ada"}
ASK: Mapping[str, Any] = {"type": "tool_call", "id": "k1", "name": "ask_paris", "arguments": {"q": "Paris?"}}
LOOK: Mapping[str, Any] = {"type": "tool_call", "id": "s1", "name": "look", "arguments": {}}


def _say(role: str, *parts: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"role": role, "parts": parts}


def _text(content: str) -> Mapping[str, Any]:
    return {"type": "text", "content": content}


def _call(given: list[Any], *answer: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    messages = {
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps([_say("assistant", *answer)]),
    }
    return {"gen_ai.operation.name": "chat", **messages, **more}


def _tool(name: str = "ask_paris", **more: Any) -> Mapping[str, Any]:
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **more}


def _agent(**names: Any) -> Mapping[str, Any]:
    return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", **names}


QUESTION = _say("user", _text("Weather?"))
RESENT = [
    QUESTION,
    _say("assistant", ASK),
    _say("tool", {"type": "tool_call_response", "id": "k1", "response": "21"}),
]
RESULT = {"gen_ai.tool.call.result": '"21"'}


@pytest.mark.parametrize("names", [NAMES, {}])
@pytest.mark.parametrize("user", ["ada", "robot"])
def test_an_agent_in_a_tool_that_names_all_waits_for_the_tool(names: Mapping[str, Any], user: str) -> None:
    """An agent may name a session and a user of its own; it is still part of the conversation that asked for it."""
    own = {"gen_ai.conversation.id": "generated-9", "user.id": user}
    spans = [
        span(2, _call([QUESTION], ASK, **names), parent=1, begin=1, end=2),
        span(5, _call([_say("user", _text("Paris?"))], LOOK, **own), parent=4, begin=4, end=5),
        span(7, _tool("look", **{"gen_ai.tool.call.id": "s1"}, **RESULT, **own), parent=4, begin=5, end=6),
        span(4, _agent(**own), parent=3, begin=3, end=6),
        span(3, _tool(**RESULT, **{"gen_ai.tool.call.id": "k1"}), parent=1, begin=3, end=7),
        span(6, _call(RESENT, _text("It is 21."), **names), parent=1, begin=8, end=9),
        span(1, _agent(**NAMES), begin=0, end=10),
    ]
    together, alone, *_ = in_any_order(spans)
    for arrivals in (together, alone):
        found = arrivals.finish()
        assert list(found) == ["app-1"]
        assert set(arrivals.users.values()) == {"ada"}
        assert sorted(kind for kind, *_ in found["app-1"]) == [
            "assistant_message",
            "llm",
            "observation",
            "observation",
            "tool_call",
            "tool_call",
            "user_message",
        ]


def test_a_call_that_follows_a_tool_does_not_wait() -> None:
    """A tool that has returned is no longer what another conversation may run in."""
    arrivals = Arrivals()
    arrivals.take_spans(span(2, _call([QUESTION], ASK, **NAMES), parent=1, begin=1, end=2))
    arrivals.take_spans(
        span(3, _tool(**{"gen_ai.tool.call.id": "k1"}, **RESULT, **NAMES), parent=1, begin=2, end=3)
    )
    other = {"gen_ai.conversation.id": "app-2", "user.id": "bob"}
    arrivals.take_spans(span(4, _call([QUESTION], _text("Sunny."), **other), parent=9, begin=4, end=5))
    assert not len(arrivals.intake.waiting)


@pytest.mark.parametrize("id", [{}, {"gen_ai.tool.call.id": "k1"}])
def test_a_tool_beside_its_named_call_does_not_wait(id: Mapping[str, Any]) -> None:
    """The tool belongs where its call does, so it needs no name of its own."""
    arrivals = Arrivals()
    arrivals.take_spans(span(2, _call([QUESTION], ASK, **NAMES), parent=1, begin=1, end=2))
    arrivals.take_spans(span(3, _tool(**RESULT, **id), parent=1, begin=2, end=3))
    assert not len(arrivals.intake.waiting)
    assert arrivals.finish()["app-1"] == [
        ("user_message", "Weather?", None),
        ("tool_call", "ask_paris", 0),
        ("observation", "ask_paris", 1),
    ]


def test_a_tool_without_an_id_that_is_tried_again_has_one_failure_and_one_result() -> None:
    """What the model was given is what the attempt returned that did not fail."""
    given = {"gen_ai.tool.call.arguments": '{"q": "Paris?"}'}
    spans = [
        span(2, _call([QUESTION], ASK), parent=1, begin=1, end=2),
        span(3, _tool(**given), parent=1, begin=2, end=3, failed=True),
        span(4, _tool(**given, **RESULT), parent=1, begin=4, end=5),
        span(5, _call(RESENT, _text("It is 21.")), parent=1, begin=6, end=7),
        span(1, _agent(**NAMES), begin=0, end=9),
    ]
    for arrivals in in_any_order(spans)[:2]:
        rows = arrivals.finish()["app-1"]
        results = [row for row in rows if row[0] in ("observation", "tool_error")]
        assert results == [("tool_error", "ask_paris", 1), ("observation", "ask_paris", 1)]


def test_an_agent_that_arrives_before_its_instructed_call_hides_nothing() -> None:
    """A span that says nothing does not show how the calls of a conversation are instructed."""
    arrivals = Arrivals()
    arrivals.take_spans(span(1, _agent(**NAMES)))
    arrivals.take_spans(
        span(2, _call([_say("system", _text("Be kind.")), QUESTION], _text("Sunny")), parent=1)
    )
    rows = arrivals.finish()["app-1"]
    assert [row for row in rows if row[0] != "system_message"] == [
        ("user_message", "Weather?", None),
        ("assistant_message", "Sunny", 0),
    ]
