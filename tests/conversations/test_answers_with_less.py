"""Answers that are recorded with less than the history that resends them has, or with more: each part arrives once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import pytest

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Part,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.correlation import trace
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.semconv.genai import attributes_of
from tests.strategies import span_of

Line = tuple[str, str, str | None]
"""The type of a message, what it says, and what it hangs on if that is the same however it is recorded."""


def user(text: str) -> Message:
    """Something the user said."""
    return Message("user", (Text(text),))


def answer(*parts: Part | str) -> Message:
    """Something the model said."""
    return Message("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def call(id: str, city: str) -> ToolCall:
    """A call of a tool."""
    return ToolCall("get_weather", {"city": city}, id)


def result(id: str, text: str) -> Message:
    """What the tool answered."""
    return Message("tool", (ToolCallResponse(text, id),))


def search(id: str, query: str) -> ServerToolCall:
    """A search that the provider ran."""
    return ServerToolCall("web_search", {"type": "web_search", "input": {"q": query}}, id)


def found(id: str, url: str) -> ServerToolCallResponse:
    """What it found."""
    return ServerToolCallResponse({"type": "web_search", "content": [{"url": url}]}, id)


def as_calls(history: Sequence[Message]) -> list[Operation]:
    """The model calls that a history is made of: each is given all before its answer."""
    return [
        Operation("chat", input=tuple(history[:at]), output=(message,))
        for at, message in enumerate(history)
        if message.role == "assistant"
    ]


def arrive(
    operations: Sequence[Operation], name: str | None, *, one_trace: bool = False, together: bool = False
) -> dict[str, list[MessageItem]]:
    """What arrives of model calls that somebody's instrumentation recorded, by conversation."""
    readings = []
    for number, operation in enumerate(operations, 1):
        placed = replace(operation, conversation_context=ConversationContext(name))
        span = span_of(attributes_of(placed), number=number, trace=1 if one_trace else number)
        readings.append(trace.read(replace(span, scope="somebody's")))
    store, recent = ConversationStore(), Recent()
    arrived: dict[str, list[MessageItem]] = {}
    updates = []
    for batch in [readings] if together else [[one] for one in readings]:
        for one in recent.take(batch):
            if one.operation is not None:
                updates += assemble(store, one.span, one.operation).list_in_order()
    for update in [*updates, *assemble_overdue(store, None)]:
        if update.messages:
            arrived.setdefault(update.conversation_id, []).extend(update.messages)
    return arrived


def lines_of(items: Sequence[MessageItem]) -> list[Line]:
    """What messages say; of a result also the call it hangs on, by its arguments."""
    by_id = {item.id: item for item in items}
    lines = []
    for item in items:
        said = item.content or str(item.output or item.input)
        above = by_id.get(item.parent_id or "")
        parent = str(above.input) if above and item.type == "observation" else None
        kind = "assistant_message" if item.type == "final_response" else item.type
        lines.append((kind, said, parent))
    return lines


def wanted(history: Sequence[Message]) -> list[Line]:
    """The lines of a history."""
    lines: list[Line] = []
    asked: dict[str | None, str] = {}
    for message in history:
        for part in message.parts:
            match part:
                case Text(content):
                    kind = "user_message" if message.role == "user" else "assistant_message"
                    lines.append((kind, content, None))
                case ToolCall(_, arguments, id):
                    asked[id] = str(arguments)
                    lines.append(("tool_call", str(arguments), None))
                case ServerToolCall(_, fields, id):
                    asked[id] = str(fields)
                    lines.append(("tool_call", str(fields), None))
                case ToolCallResponse(response, id):
                    lines.append(("observation", str({"result": response}), asked[id]))
                case ServerToolCallResponse(response, id):
                    lines.append(("observation", str(response), asked[id]))
                case _:
                    raise AssertionError(part)
    return lines


WEATHER = (
    user("How is the weather in Paris and in Oslo?"),
    answer("Let me look at Paris.", call("t1", "Paris"), call("t2", "Oslo")),
    result("t1", "21"),
    result("t2", "9"),
    answer("Oslo is odd. I look again.", call("t3", "Oslo, Norway")),
    result("t3", "12"),
    answer("21 in Paris and 12 in Oslo."),
    user("And tomorrow?"),
    answer("I shall look again.", call("t4", "Paris tomorrow")),
    result("t4", "23"),
    answer("It will be 23 in Paris."),
    user("Thanks a lot."),
    answer("You are welcome."),
)
SHORT = (
    user("Weather?"),
    answer("Wait.", call("s1", "Paris")),
    result("s1", "21"),
    answer("21."),
    user("Thanks"),
    answer("Bye"),
)
SEARCHES = (
    user("What is new in Paris?"),
    answer(
        "I will search.", search("w1", "a"), found("w1", "u1"), search("w2", "b"), found("w2", "u2"), "Much."
    ),
    user("Are you sure?"),
    answer(search("w3", "c"), found("w3", "u3"), "I am sure of it."),
    user("Is there more?"),
    answer("Let me see.", search("w4", "d"), found("w4", "u4")),
    answer("There is more.", call("t1", "Paris")),
    result("t1", "21"),
    answer("That is all."),
    user("Bye"),
    answer("Good bye!"),
)
HISTORIES = {"weather": WEATHER, "short": SHORT, "searches": SEARCHES}

Less = Callable[[Message], Message]
"""What is left of an answer where it is recorded."""


def without_text(message: Message) -> Message:
    """An answer that asks for tools, without its text."""
    if not any(isinstance(part, ToolCall) for part in message.parts):
        return message
    return replace(message, parts=tuple(part for part in message.parts if not isinstance(part, Text)))


def without(place: int) -> Less:
    """An answer that asks for several tools, without one of the calls."""

    def change(message: Message) -> Message:
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        left_out = calls[place] if len(calls) > 1 else None
        return replace(message, parts=tuple(part for part in message.parts if part is not left_out))

    return change


def whole(message: Message) -> Message:
    """All of an answer."""
    return message


LESS: dict[str, Less] = {
    "without text": without_text,
    "without first call": without(0),
    "without last call": without(-1),
    "without text and first call": lambda message: without(0)(without_text(message)),
    "whole": whole,
}
WAYS = list(product((None, "chat-1"), (False, True), (False, True)))
"""Named or not, in one trace or several, together or span by span."""


def check(
    operations: Sequence[Operation], history: Sequence[Message], name: str | None, one: bool, all: bool
) -> None:
    """Expect one conversation with each line once."""
    arrived = arrive(operations, name, one_trace=one, together=all)
    told = [lines_of(items) for items in arrived.values()]
    assert len(told) == 1, told
    assert Counter(told[0]) == Counter(wanted(history))
    visible = [line for line in told[0] if line[0] == "user_message"]
    assert visible == [line for line in wanted(history) if line[0] == "user_message"]


@pytest.mark.parametrize(("name", "one_trace", "together"), WAYS)
@pytest.mark.parametrize("less", LESS)
@pytest.mark.parametrize("history", HISTORIES)
def test_an_answer_with_less(
    history: str, less: str, name: str | None, one_trace: bool, together: bool
) -> None:
    """Everything arrives once where an answer says less than the history that resends it."""
    truth = HISTORIES[history]
    calls = [replace(one, output=tuple(map(LESS[less], one.output))) for one in as_calls(truth)]
    check(calls, truth, name, one_trace, together)


@pytest.mark.parametrize(("name", "one_trace", "together"), WAYS)
@pytest.mark.parametrize("less", LESS)
@pytest.mark.parametrize("history", HISTORIES)
def test_a_resend_with_less(
    history: str, less: str, name: str | None, one_trace: bool, together: bool
) -> None:
    """Likewise where the history that is resent says less than the answer did."""
    truth = HISTORIES[history]
    calls = [
        replace(one, input=tuple(LESS[less](m) if m.role == "assistant" else m for m in one.input))
        for one in as_calls(truth)
    ]
    check(calls, truth, name, one_trace, together)


def provider_parts_left_out(message: Message) -> Message:
    """An answer without what the provider's tools did."""
    return replace(
        message,
        parts=tuple(p for p in message.parts if not isinstance(p, (ServerToolCall, ServerToolCallResponse))),
    )


def results_left_out(message: Message) -> Message:
    """An answer without the results of the provider's tools."""
    return replace(
        message, parts=tuple(p for p in message.parts if not isinstance(p, ServerToolCallResponse))
    )


def calls_changed(message: Message) -> Message:
    """An answer whose calls of the provider's tools come back with other fields."""
    return replace(
        message,
        parts=tuple(
            replace(p, call={**p.call, "status": "completed"}) if isinstance(p, ServerToolCall) else p
            for p in message.parts
        ),
    )


@pytest.mark.parametrize(("name", "one_trace", "together"), WAYS)
@pytest.mark.parametrize("change", [provider_parts_left_out, results_left_out, calls_changed])
def test_provider_tools_that_come_back_changed(
    change: Less, name: str | None, one_trace: bool, together: bool
) -> None:
    """A provider's tool is the same call, whatever of it is resent."""
    calls = [replace(one, input=tuple(map(change, one.input))) for one in as_calls(SEARCHES)]
    check(calls, SEARCHES, name, one_trace, together)
