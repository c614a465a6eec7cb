"""Another instrumentation records a tool without an id, whose call came earlier and is not remembered as a span."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from greenflash_otel.gateway import otlp
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.registry import OURS
from tests.semconv.arrivals import Arrivals, Row, span

NAMES = {"gen_ai.conversation.id": "app-1", "user.id": "ada"}


def _record(number: int, attributes: Mapping[str, Any], scope: str = "example", **more: Any) -> SpanRecord:
    scopes = [{"scope": {"name": scope}, "spans": [span(number, attributes, parent=9, **more)]}]
    request = {"resourceSpans": [{"scopeSpans": scopes}]}
    (found,) = otlp.read_json(json.dumps(request).encode()).records
    return found


def _call(given: Sequence[Any], *answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": answer}]),
        **NAMES,
    }


def _tool(result: str, arguments: str = '{"at": "Paris"}') -> Mapping[str, Any]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look",
        "gen_ai.tool.call.arguments": arguments,
        "gen_ai.tool.call.result": json.dumps(result),
        **NAMES,
    }


def _ask(*ids: str) -> list[Mapping[str, Any]]:
    return [{"type": "tool_call", "id": id, "name": "look", "arguments": {"at": "Paris"}} for id in ids]


QUESTION: Mapping[str, Any] = {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}
DONE: Mapping[str, Any] = {"type": "text", "content": "Sunny."}


def _resend(*results: tuple[str, str]) -> list[Mapping[str, Any]]:
    parts = [{"type": "tool_call_response", "id": id, "response": text} for id, text in results]
    calls = {"role": "assistant", "parts": _ask(*(id for id, _ in results))}
    return [QUESTION, calls, {"role": "tool", "parts": parts}]


ONE: list[Row] = [
    ("user_message", "Weather?", None),
    ("tool_call", "look", 0),
    ("observation", "look", 1),
    ("assistant_message", "Sunny.", 0),
]


@pytest.mark.parametrize("places", [(0, 1, 2), (0, 2, 1)])
def test_a_tool_belongs_to_the_call_of_our_own_span(places: Sequence[int]) -> None:
    """The tool's span may also be exported after the next model call, which has the result."""
    spans = [
        _record(1, _call([QUESTION], *_ask("k1")), OURS, begin=1, end=2),
        _record(2, _tool("21"), begin=2, end=3),
        _record(3, _call(_resend(("k1", "21")), DONE), OURS, begin=4, end=5),
    ]
    arrivals = Arrivals()
    for place in places:
        arrivals.intake.take([spans[place]])
    assert arrivals.finish()["app-1"] == ONE


def test_tools_that_are_alike_belong_to_calls_in_their_order() -> None:
    """Two calls that are alike have a result each."""
    arrivals = Arrivals()
    arrivals.intake.take([_record(1, _call([QUESTION], *_ask("k1", "k2")), OURS, begin=1, end=2)])
    arrivals.intake.take([_record(2, _tool("21"), begin=2, end=3)])
    arrivals.intake.take([_record(3, _tool("22"), begin=3, end=4)])
    rows = arrivals.finish()["app-1"]
    assert sorted(on for kind, _, on in rows if kind == "observation" and on is not None) == sorted(
        place for place, (kind, *_) in enumerate(rows) if kind == "tool_call"
    )
    assert sum(kind == "tool_call" for kind, *_ in rows) == 2


def test_a_tool_with_other_arguments_is_a_call_of_its_own() -> None:
    """No message asks for it."""
    arrivals = Arrivals()
    arrivals.intake.take([_record(1, _call([QUESTION], *_ask("k1")), OURS, begin=1, end=2)])
    arrivals.intake.take([_record(2, _tool("5", '{"at": "Oslo"}'), begin=2, end=3)])
    rows = arrivals.finish()["app-1"]
    assert sum(kind == "tool_call" for kind, *_ in rows) == 2


def test_a_new_run_is_not_the_result_of_an_earlier_call() -> None:
    """A tool that runs after all results were read is another call, though it is alike."""
    arrivals = Arrivals()
    arrivals.intake.take([_record(1, _call([QUESTION], *_ask("k1")), OURS, begin=1, end=2)])
    arrivals.intake.take([_record(3, _call(_resend(("k1", "21")), DONE), OURS, begin=4, end=5)])
    arrivals.intake.take([_record(2, _tool("22"), begin=6, end=7)])
    rows = arrivals.finish()["app-1"]
    assert sum(kind == "observation" for kind, *_ in rows) == 2
