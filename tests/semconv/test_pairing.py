"""Which result answers which call, whatever the producers made of the ids that link them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from greenflash_otel.model.call_ids import is_made
from greenflash_otel.model.operation import Message, Operation, Text, ToolCall, ToolCallResponse
from greenflash_otel.semconv.correlation.pairing import name_answer, pair_calls
from greenflash_otel.semconv.correlation.tool_calls import link_calls

QUESTION = Message("user", (Text("Weather?"),))
PARIS, OSLO = {"city": "Paris"}, {"city": "Oslo"}

Id = str | None


def asks(*ids: Id, names: Sequence[str] = ("look", "look")) -> Message:
    """An answer that asks for a tool twice."""
    return Message(
        "assistant",
        tuple(ToolCall(name, city, id) for name, city, id in zip(names, (PARIS, OSLO), ids, strict=True)),
    )


def results(*ids: Id, names: Sequence[str | None] = (None, None)) -> list[Message]:
    """What the tools answered: 21 and off."""
    return [
        Message("tool", (ToolCallResponse(text, id, name=name),))
        for text, id, name in zip(("21", "off"), ids, names, strict=True)
    ]


def answers_by_city(messages: Sequence[Message]) -> dict[str, list[object]]:
    """What was answered to the calls for each city."""
    parts = [part for message in messages for part in message.parts]
    calls = {part.id: part for part in parts if isinstance(part, ToolCall)}
    found: dict[str, list[object]] = {"Paris": [], "Oslo": []}
    for part in parts:
        if isinstance(part, ToolCallResponse) and part.id in calls:
            arguments = calls[part.id].arguments
            assert isinstance(arguments, dict)
            found[str(arguments["city"])].append(part.response)
    return found


IN_ORDER: dict[str, tuple[Sequence[Id], Sequence[Id]]] = {
    "their own": (("a", "b"), ("a", "b")),
    "none": ((None, None), (None, None)),
    "empty": (("", ""), ("", "")),
    "of the results none": (("a", "b"), (None, None)),
    "of the calls none": ((None, None), ("a", "b")),
    "counted from 1 and from 0": (("look_1", "look_2"), ("look_0", "look_1")),
    "counted from 0 and from 1": (("look_0", "look_1"), ("look_1", "look_2")),
    "counted on and from 0": (("call_7", "call_8"), ("call_0", "call_1")),
    "of others": (("a", "b"), ("x", "y")),
    "one of another": (("a", "b"), ("a", "y")),
    "the same": (("call_0", "call_0"), ("call_0", "call_0")),
    "of one call for both": (("a", "b"), ("a", "a")),
}


@pytest.mark.parametrize(("calls", "answered"), IN_ORDER.values(), ids=IN_ORDER)
def test_results_in_the_order_of_their_calls(calls: Sequence[Id], answered: Sequence[Id]) -> None:
    """Each result is below its call, once."""
    paired = pair_calls((QUESTION, asks(*calls), *results(*answered)))
    assert answers_by_city(paired) == {"Paris": ["21"], "Oslo": ["off"]}


SWAPPED: dict[str, tuple[Sequence[Id], Sequence[Id]]] = {
    "by id": (("a", "b"), ("b", "a")),
    "by number": (("look_1", "look_2"), ("look_1", "look_0")),
    "by name": ((None, None), (None, None)),
    "by name, under one id": (("call_0", "call_0"), ("call_0", "call_0")),
    "by name, with other ids": (("a", "b"), ("x", "y")),
}


@pytest.mark.parametrize(("calls", "answered"), SWAPPED.values(), ids=SWAPPED)
def test_results_in_another_order(calls: Sequence[Id], answered: Sequence[Id]) -> None:
    """What a result says of its call counts before the order."""
    names = ("weather", "time")
    found = results(*answered, names=("time", "weather"))
    paired = pair_calls((QUESTION, asks(*calls, names=names), *found))
    assert answers_by_city(paired) == {"Paris": ["off"], "Oslo": ["21"]}


def test_a_result_that_comes_twice() -> None:
    """It is left out the second time; what it knows more is added."""
    again = ToolCallResponse("off", "b", failed=True)
    paired = pair_calls((QUESTION, asks("a", "b"), *results("a", "b"), Message("user", (again,))))
    assert [part for message in paired[2:] for part in message.parts] == [ToolCallResponse("21", "a"), again]


def test_words_of_a_tool() -> None:
    """A text in the role of a tool is what the tool answered."""
    said = Message("tool", (Text("21"),), name="weather")
    paired = pair_calls((QUESTION, Message("assistant", (ToolCall("weather", PARIS, "a"),)), said))
    assert paired[2].parts == (ToolCallResponse("21", "a", name="weather"),)


def test_a_question_ends_the_waiting() -> None:
    """A result without an id after it answers none of the calls before it."""
    late = Message("tool", (ToolCallResponse("21"),))
    assert pair_calls((QUESTION, asks("a", "b"), QUESTION, late))[-1] == late


def test_made_ids() -> None:
    """They are alike in an answer and in its resend, and differ for calls alike, one after the other."""
    call = Message("assistant", (ToolCall("look", PARIS),))
    found = Message("tool", (ToolCallResponse("21"),))
    (first,) = name_answer((QUESTION,), (call,))
    (second,) = name_answer((QUESTION, call, found), (call,))
    resent = pair_calls((QUESTION, call, found, call, found))
    ids = [part.id for message in resent for part in message.parts if isinstance(part, ToolCall)]
    assert [first.parts[0], second.parts[0]] == [resent[1].parts[0], resent[3].parts[0]]
    assert all(map(is_made, ids)) and len({*ids}) == 2
    assert pair_calls(resent) == resent


def test_choices_each_have_their_own_ids() -> None:
    """Answers to choose from do not follow each other: the same call has the same id in both."""
    call = Message("assistant", (ToolCall("look", PARIS),))
    (operation,) = link_calls([Operation("chat", input=(QUESTION,), output=(call, call), choice_count=2)])
    assert operation.output[0] == operation.output[1] != call


def test_what_has_no_tools_stays() -> None:
    """Message by message."""
    messages = (QUESTION, Message("assistant", (Text("Hi"),)))
    assert pair_calls(messages) == messages
