"""Tools of runs in which no model call is recorded hang on the question of their run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.semconv.arrivals import Arrivals, Row, in_any_order, span

TURN: list[Row] = [
    ("user_message", "hi", None),
    ("tool_call", "look", 0),
    ("observation", "look", 1),
    ("assistant_message", "hello", 0),
]
TOOL: Mapping[str, Any] = {
    "openinference.span.kind": "TOOL",
    "tool.name": "look",
    "input.value": '{"at": "Paris"}',
    "input.mime_type": "application/json",
    "output.value": "21",
}


def _agent(asked: str = "hi", answered: str = "hello", **more: Any) -> Mapping[str, Any]:
    sides = {"input.value": asked, "output.value": answered}
    types = {"input.mime_type": "text/plain", "output.mime_type": "text/plain"}
    return {"openinference.span.kind": "AGENT", **sides, **types, **more}


def _invoke_agent() -> Mapping[str, Any]:
    def write(role: str, text: str) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])

    messages = {
        "gen_ai.input.messages": write("user", "hi"),
        "gen_ai.output.messages": write("assistant", "hello"),
    }
    return {"gen_ai.operation.name": "invoke_agent", **messages}


@pytest.mark.parametrize("run", [_agent(), _agent(**{"session.id": "s", "user.id": "ada"}), _invoke_agent()])
def test_a_tool_hangs_on_the_question_of_its_run(run: Mapping[str, Any]) -> None:
    """The span of a tool ends first, and what it hangs on comes after it."""
    spans = [span(2, TOOL, parent=1, begin=1, end=2), span(1, run, begin=0, end=3)]
    together, alone, _, twice = in_any_order(spans)
    for arrivals in (together, alone, twice):
        assert list(arrivals.finish().values()) == [TURN]


def test_tools_of_turns_that_are_long_past_hang_on_their_questions() -> None:
    """What is imported comes at once, though an hour lies between its turns."""
    arrivals = Arrivals()
    names = {"session.id": "s", "user.id": "ada"}
    for begin, asked, answered in ((0, "hi", "hello"), (3600, "bye", "see you")):
        trace_id = f"{begin + 1:032x}"
        tool = span(2, {**TOOL, **names}, parent=1, begin=begin + 1, end=begin + 2)
        run = span(1, _agent(asked, answered, **names), begin=begin, end=begin + 3)
        arrivals.take_spans({**tool, "traceId": trace_id}, {**run, "traceId": trace_id})
    assert arrivals.finish()["s"] == [
        *TURN,
        ("user_message", "bye", 3),
        ("tool_call", "look", 4),
        ("observation", "look", 5),
        ("assistant_message", "see you", 4),
    ]
