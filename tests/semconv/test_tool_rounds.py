"""Model calls of one turn, each a trace of its own, that arrive in any order: the turn is one conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.semconv.arrivals import Arrivals, Row, span

Json = dict[str, Any]


def says(role: str, *parts: Json) -> Json:
    """Return a message in OpenTelemetry's form."""
    return {"role": role, "parts": [*parts]}


def text(content: str) -> Json:
    """Return a text."""
    return {"type": "text", "content": content}


def asks(city: str, id: str) -> Json:
    """Return a call of the tool."""
    return {"type": "tool_call", "name": "look", "arguments": {"city": city}, "id": id}


def finds(result: str, id: str) -> Json:
    """Return what the tool found."""
    return says("tool", {"type": "tool_call_response", "response": result, "id": id})


TALK: list[Json] = [
    says("user", text("How warm is it in Oslo and in Rome?")),
    says("assistant", text("Let me look."), asks("Oslo", "call_a1")),
    finds("4 degrees", "call_a1"),
    says("assistant", asks("Rome", "call_b2")),
    finds("21 degrees", "call_b2"),
    says("assistant", text("Rome is warmer by 17 degrees.")),
    says("user", text("Thank you.")),
    says("assistant", text("You are welcome.")),
]
ANSWERS = (1, 3, 5, 7)
"""Where the answers of the model are in the talk."""


def call(number: int) -> Json:
    """Return the call of this number, which resends all before its answer."""
    place = ANSWERS[number]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(TALK[:place]),
        "gen_ai.output.messages": json.dumps([TALK[place]]),
    }
    made = span(number + 1, attributes, begin=10 * number, end=10 * number + 5)
    return {**made, "traceId": f"{number + 1:032x}"}


EXPECTED: list[Row] = [
    ("user_message", "How warm is it in Oslo and in Rome?", None),
    ("assistant_message", "Let me look.", 0),
    ("tool_call", "look", 1),
    ("observation", "look", 2),
    ("tool_call", "look", 0),
    ("observation", "look", 4),
    ("assistant_message", "Rome is warmer by 17 degrees.", 0),
    ("user_message", "Thank you.", 6),
    ("assistant_message", "You are welcome.", 7),
]


@given(order=st.permutations(range(4)), again=st.lists(st.integers(0, 3), max_size=3))
def test_tool_rounds_in_any_order(order: list[int], again: list[int]) -> None:
    """A call waits for the call before it, also within a turn; nothing is recorded twice."""
    arrivals = Arrivals()
    for number in (*order, *again):
        arrivals.take_spans(call(number))
    (rows,) = arrivals.finish().values()
    assert rows == EXPECTED


def test_a_round_whose_first_call_never_comes() -> None:
    """After the wait it begins the conversation, with what it resends."""
    arrivals = Arrivals()
    arrivals.take_spans(call(1))
    (rows,) = arrivals.finish().values()
    assert rows == EXPECTED[:5]


def answer_alone() -> list[Json]:
    """Return two calls of which the second resends nothing but the result."""
    rounds = ((TALK[:1], [says("assistant", asks("Oslo", "call_a1"))]), ([TALK[2]], [TALK[5]]))
    return [
        {
            **span(
                number,
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.input.messages": json.dumps(sent),
                    "gen_ai.output.messages": json.dumps(said),
                },
                begin=10 * number,
                end=10 * number + 5,
            ),
            "traceId": f"{number:032x}",
        }
        for number, (sent, said) in enumerate(rounds, 1)
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_result_without_its_history(order: tuple[int, ...]) -> None:
    """The provider has the history; the result waits for the call that it names."""
    arrivals, calls = Arrivals(), answer_alone()
    for place in order:
        arrivals.take_spans(calls[place])
    (rows,) = arrivals.finish().values()
    assert rows == [EXPECTED[0], ("tool_call", "look", 0), ("observation", "look", 1), (*EXPECTED[6][:2], 0)]


def turn(number: int) -> list[Json]:
    """Return a turn of an agent: a model call, what it runs in, and the run, which resends no history."""
    talk = [
        says("user", text("How are you today?")),
        says("assistant", text("Very well, thank you.")),
        says("user", text("And tomorrow?")),
        says("assistant", text("Even better, I hope.")),
    ]
    question, answer = talk[2 * number], talk[2 * number + 1]
    spans = [
        (1, 2, "chat", talk[: 2 * number + 1]),
        (2, 3, None, None),
        (3, 0, "invoke_agent", [question]),
    ]
    made = list[Json]()
    for at, parent, name, sent in spans:
        attributes = {
            "gen_ai.operation.name": name,
            "gen_ai.input.messages": json.dumps(sent),
            "gen_ai.output.messages": json.dumps([answer]),
        }
        begin = 20 * number
        one = span(at, attributes if name else {}, parent=parent, begin=begin + 3 - at, end=begin + 5 + at)
        made.append({**one, "traceId": f"{number + 1:032x}"})
    return made


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2)])
def test_a_run_that_arrives_while_its_call_waits(order: tuple[int, ...]) -> None:
    """The run waits with the call, which says more: that it continues an earlier turn."""
    arrivals = Arrivals()
    for number in range(2):
        spans = turn(number)
        for place in order:
            arrivals.take_spans(spans[place])
    (rows,) = arrivals.finish().values()
    assert [row[1] for row in rows] == [
        "How are you today?",
        "Very well, thank you.",
        "And tomorrow?",
        "Even better, I hope.",
    ]
