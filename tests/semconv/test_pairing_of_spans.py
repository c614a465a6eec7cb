"""Calls and results of whole conversations, in the words of several producers, however their spans arrive."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from greenflash_otel.model.telemetry import SpanRecord
from tests.semconv.pairing import ARRIVALS, Arrival, list_results, list_spoken, span

Id = str | None
Attributes = Mapping[str, Any]
Written = dict[str, Any]
ARGUMENTS = ({"city": "Paris"}, {"city": "Oslo"})


@dataclass(frozen=True)
class Ids:
    """How a producer names calls and results: by the number of the answer, and the place in it."""

    call: Callable[[int, int], Id]
    result: Callable[[int, int], Id]
    resent: Callable[[int, int], Id] | None = None
    """Of a call in a history, if that differs."""


IDS = {
    "none": Ids(lambda turn, at: None, lambda turn, at: None),
    "empty": Ids(lambda turn, at: "", lambda turn, at: ""),
    "the same in each turn": Ids(lambda turn, at: f"call_{at}", lambda turn, at: f"call_{at}"),
    "the same for each call": Ids(lambda turn, at: "call_0", lambda turn, at: "call_0"),
    "counted from 1 and from 0": Ids(lambda turn, at: f"f_{at + 1}", lambda turn, at: f"f_{at}"),
    "of others": Ids(lambda turn, at: f"a{turn}{at}x", lambda turn, at: f"b{turn}{at}y"),
    "in the history none": Ids(
        lambda turn, at: f"a{turn}{at}x", lambda turn, at: None, lambda turn, at: None
    ),
}


def write_openai(messages: Sequence[Written]) -> list[Written]:
    """Messages of OpenAI's kind."""
    found = list[Written]()
    for message in messages:
        calls = [
            drop_none(
                {"id": id, "type": "function", "function": {"name": "look", "arguments": json.dumps(given)}}
            )
            for id, given in message.get("calls", ())
        ]
        if "result" in message:
            found.append(
                drop_none({"role": "tool", "content": message["result"], "tool_call_id": message["id"]})
            )
        else:
            said = {"role": message["role"], "content": message.get("text")}
            found.append({**said, "tool_calls": calls} if calls else said)
    return found


def write_otel(messages: Sequence[Written]) -> list[Written]:
    """Messages of the convention."""
    found = list[Written]()
    for message in messages:
        parts = [{"type": "text", "content": message["text"]}] if message.get("text") else []
        for id, given in message.get("calls", ()):
            parts.append(drop_none({"type": "tool_call", "id": id, "name": "look", "arguments": given}))
        if "result" in message:
            parts.append(
                drop_none({"type": "tool_call_response", "id": message["id"], "response": message["result"]})
            )
        found.append({"role": message["role"], "parts": parts})
    return found


def write_gemini(messages: Sequence[Written]) -> list[Written]:
    """Contents of Gemini's API; a tool answers as the user."""
    found = list[Written]()
    for message in messages:
        parts = [{"text": message["text"]}] if message.get("text") else []
        for id, given in message.get("calls", ()):
            parts.append({"function_call": drop_none({"id": id, "name": "look", "args": given})})
        if "result" in message:
            answer = {"id": message["id"], "name": "look", "response": {"result": message["result"]}}
            parts.append({"function_response": drop_none(answer)})
        found.append({"role": "model" if message["role"] == "assistant" else "user", "parts": parts})
    return found


def drop_none(entry: Written) -> Written:
    """The fields that say something."""
    return {name: value for name, value in entry.items() if value is not None}


def attributes_of(write: Callable[[Sequence[Written]], Any]) -> Callable[..., Attributes]:
    """How a call is written under OpenTelemetry's names."""
    return lambda given, answer: {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(write(given)),
        "gen_ai.output.messages": json.dumps(write([answer])),
    }


def write_langfuse(given: Sequence[Written], answer: Written) -> Attributes:
    """A call as Langfuse has it."""
    return {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps(write_openai(given)),
        "langfuse.observation.output": json.dumps(write_openai([answer])[0]),
    }


def write_flattened(given: Sequence[Written], answer: Written) -> Attributes:
    """A call as OpenInference has it."""
    found: Written = {"openinference.span.kind": "LLM"}
    for side, messages in (("input", given), ("output", [answer])):
        for at, message in enumerate(write_openai(messages)):
            start = f"llm.{side}_messages.{at}.message."
            for name in ("role", "content", "tool_call_id"):
                if message.get(name) is not None:
                    found[start + name] = message[name]
            for place, call in enumerate(message.get("tool_calls", ())):
                called = f"{start}tool_calls.{place}.tool_call."
                found |= {f"{called}function.{name}": value for name, value in call["function"].items()}
                found |= {f"{called}id": call["id"]} if "id" in call else {}
    return found


PRODUCERS: dict[str, Callable[..., Attributes]] = {
    "OpenTelemetry": attributes_of(write_otel),
    "OpenAI": attributes_of(write_openai),
    "Gemini": attributes_of(write_gemini),
    "Langfuse": write_langfuse,
    "OpenInference": write_flattened,
}


def write_chat(
    write: Callable[..., Attributes],
    ids: Ids,
    arguments: Sequence[Mapping[str, str]] = ARGUMENTS,
    tool_id: Callable[[Id], Id] | None = None,
) -> list[SpanRecord]:
    """Two turns with the same two calls each; the history is resent each time."""
    spans, history, number = list[SpanRecord](), list[Written](), 1

    def add(attributes: Attributes, turn: int) -> None:
        nonlocal number
        spans.append(span(number, {**attributes, "session.id": "c"}, trace=turn + 1))
        number += 1

    for turn in range(2):
        history.append({"role": "user", "text": f"Weather {turn}?"})
        made = [(ids.call(turn, at), given) for at, given in enumerate(arguments)]
        add(write(history, {"role": "assistant", "text": "Let me look.", "calls": made}), turn)
        for at, (id, given) in enumerate(made):
            if tool_id:
                add(write_tool(tool_id(id), given, f"{turn}{at} degrees"), turn)
        resent = [((ids.resent or ids.call)(turn, at), given) for at, given in enumerate(arguments)]
        history.append({"role": "assistant", "text": "Let me look.", "calls": resent})
        for at in range(2):
            history.append({"role": "tool", "id": ids.result(turn, at), "result": f"{turn}{at} degrees"})
        answer = {"role": "assistant", "text": f"Done {turn}."}
        add(write(history, answer), turn)
        history.append(answer)
    return spans


def write_tool(id: Id, given: Mapping[str, str], result: str) -> Attributes:
    """The span of a tool."""
    named = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}
    told = {"gen_ai.tool.call.arguments": json.dumps(given), "gen_ai.tool.call.result": result}
    return {**named, **told, **({} if id is None else {"gen_ai.tool.call.id": id})}


def expected(arguments: Sequence[Mapping[str, str]] = ARGUMENTS) -> list[tuple[str, str]]:
    """Each call with its result."""
    return [
        (f"look {json.dumps(given)}", f"{turn}{at} degrees")
        for turn in range(2)
        for at, given in enumerate(arguments)
    ]


SPOKEN = ["Weather 0?", "Let me look.", "Done 0.", "Weather 1?", "Let me look.", "Done 1."]


@pytest.mark.parametrize("arrival", ["together", "span by span"])
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
@pytest.mark.parametrize("write", PRODUCERS.values(), ids=PRODUCERS)
def test_each_result_is_below_its_call(write: Callable[..., Attributes], ids: Ids, arrival: Arrival) -> None:
    """Each call and each result once, whatever ids they have."""
    spans = write_chat(write, ids)
    assert list_results(spans, arrival) == expected()
    assert list_spoken(spans, arrival) == SPOKEN


ALIKE = ({"city": "Paris"}, {"city": "Paris"})


@pytest.mark.parametrize("arrival", ["together", "span by span"])
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_calls_that_are_alike(ids: Ids, arrival: Arrival) -> None:
    """Two calls of the same name, with the same arguments, are two."""
    assert list_results(write_chat(PRODUCERS["OpenTelemetry"], ids, ALIKE), arrival) == expected(ALIKE)


TOOL_IDS: dict[str, Callable[[Id], Id]] = {
    "its call's": lambda id: id,
    "none": lambda id: None,
    "another": lambda id: f"run-{id}",
}


@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("tool_id", TOOL_IDS.values(), ids=TOOL_IDS)
@pytest.mark.parametrize("ids", [id for name, id in IDS.items() if "history" not in name])
def test_spans_of_tools(ids: Ids, tool_id: Callable[[Id], Id], arrival: Arrival) -> None:
    """A tool ran for the call that has its id, else for one with its name and arguments."""
    spans = write_chat(PRODUCERS["OpenTelemetry"], ids, tool_id=tool_id)
    assert list_results(spans, arrival) == expected()
    assert list_spoken(spans, arrival) == SPOKEN


@pytest.mark.parametrize("arrival", ["together", "span by span"])
def test_a_tool_of_which_no_message_tells(arrival: Arrival) -> None:
    """An id of its own and other arguments: it is a call of its own."""
    first, *others = write_chat(PRODUCERS["OpenTelemetry"], IDS["the same in each turn"])
    inner = span(1, {**write_tool("own", {"city": "Rome"}, "30 degrees"), "session.id": "c"}, trace=1)
    inner = replace(inner, span_id="f" * 16)
    found = list_results([first, inner, *others], arrival)
    assert sorted(found) == sorted([*expected(), ('look {"city": "Rome"}', "30 degrees")])
