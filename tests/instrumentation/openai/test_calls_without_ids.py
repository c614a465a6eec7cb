"""Servers behind OpenAI's interface that give all tool calls an empty id, or the same ids in each answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, TypeAlias

import openai
import pytest

import greenflash_otel as greenflash
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import completion
from tests.instrumentation.openai.spans import Spans

Calls: TypeAlias = list[tuple[str, int]]
"""The id of each call of one answer, and its argument."""


@pytest.fixture(params=["full", "new"])
def spans(request: pytest.FixtureRequest) -> Iterator[Spans]:
    """The SDK is instrumented during the test, with whole histories on its spans, and with what is new."""
    recorded = Spans()
    instrument(recorded.tracer, history=request.param)
    yield recorded
    uninstrument()


def write(calls: Calls) -> list[dict[str, Any]]:
    """The calls of an answer, as the server writes them."""
    return [
        {"id": id, "type": "function", "function": {"name": "look", "arguments": json.dumps({"x": x})}}
        for id, x in calls
    ]


def play(*turns: list[Calls]) -> None:
    """Each turn is a question, answers with calls and their results, and an answer in words."""
    bodies = [
        completion(None, tool_calls=write(calls)) if calls else completion(f"Done {number}.")
        for number, turn in enumerate(turns)
        for calls in [*turn, []]
    ]
    answers = iter([{**body, "id": f"id-{number}"} for number, body in enumerate(bodies)])
    transport = http.MockTransport(lambda request: http.Response(200, json=next(answers)))
    create: Any = openai.OpenAI(
        api_key="sk-test", http_client=http.Client(transport=transport)
    ).chat.completions.create
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(turns):
        messages.append({"role": "user", "content": f"Question {number}?"})
        for calls in turn:
            create(model="m", messages=messages)
            messages.append({"role": "assistant", "content": None, "tool_calls": write(calls)})
            messages += [{"role": "tool", "tool_call_id": id, "content": f"saw {x}"} for id, x in calls]
        create(model="m", messages=messages)
        messages.append({"role": "assistant", "content": f"Done {number}."})


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize(
    "turns",
    [
        [[[("", 1)]], [[("", 1)]]],
        [[[("", 1)], [("", 2)], [("", 1)]]],
        [[[("", 1), ("", 2)]], [[("", 2), ("", 1)]]],
        [[[("call_0", 1)], [("call_0", 2)]], [[("call_0", 2)]]],
        [[[("", 1), ("call_1", 2)]]],
    ],
    ids=["a call in each turn", "call after call", "calls of one answer", "the same id", "some have one"],
)
def test_results_are_below_their_calls(spans: Spans, turns: list[list[Calls]], is_named: bool) -> None:
    """Each call arrives once, with what its tool returned."""
    with greenflash.conversation("T") if is_named else nullcontext():
        play(*turns)
    [items] = spans.conversations().values()
    calls = {item.id: item.input for item in items if item.type == "tool_call"}
    results = [item for item in items if item.type == "observation"]
    asked = [x for turn in turns for answer in turn for _, x in answer]
    assert [item.output for item in results] == [{"result": f"saw {x}"} for x in asked]
    assert [calls.get(item.parent_id or "") for item in results] == [{"x": x} for x in asked]
    assert len(calls) == len(asked)
