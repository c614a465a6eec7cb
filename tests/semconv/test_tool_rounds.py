"""Model calls of one turn, each a trace of its own, that arrive in any order: the turn is one conversation."""

from __future__ import annotations

import json
from typing import Any

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
