"""Answers that are recorded with less than the history that resends them has, or with more: each part arrives once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import pytest

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
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
    operations: Sequence[Operation],
    name: str | None,
    *,
    one_trace: bool = False,
    together: bool = False,
    backwards: bool = False,
) -> dict[str, list[MessageItem]]:
    """What arrives of model calls that somebody's instrumentation recorded, by conversation."""
    readings = []
    for number, operation in enumerate(operations, 1):
        placed = replace(operation, conversation_context=ConversationContext(name))
        span = span_of(attributes_of(placed), number=number, trace=1 if one_trace else number)
        readings.append(trace.read(replace(span, scope="somebody's")))
    if backwards:
        readings.reverse()
    store, recent = ConversationStore(), Recent()
    arrived: dict[str, list[MessageItem]] = {}
    updates: list[ConversationUpdate] = []
    for batch in [readings] if together else [[reading] for reading in readings]:
        for reading in recent.take(batch):
            if reading.operation is not None:
                updates += assemble(store, reading.span, reading.operation).list_in_order()
    for update in [*updates, *assemble_overdue(store, None)]:
        if update.messages:
            arrived.setdefault(update.conversation_id, []).extend(update.messages)
    return arrived


def lines_of(items: Sequence[MessageItem]) -> list[Line]:
    """What messages say; of a result also the call it hangs on, by its arguments."""
    by_id = {item.id: item for item in items}
    lines: list[Line] = []
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
AGAIN = (
    user("How is the weather in Paris?"),
    answer("Let me look.", call("call_0", "Paris")),
    result("call_0", "21"),
    answer("Let me look.", call("call_1", "Paris, Texas")),
    result("call_1", "22"),
    answer("Fine."),
    user("And how is it in Oslo?"),
    answer("Let me look.", call("call_0", "Oslo")),
    result("call_0", "9"),
    answer("Cold."),
    user("Thanks a lot."),
    answer("You are welcome."),
)
"""Each turn has the same call ids, and the same words before them."""
NUMBERED = (
    user("What is new in Paris?"),
    answer(
        search("tool_0", "a"), found("tool_0", "u1"), search("tool_1", "b"), found("tool_1", "u2"), "Much."
    ),
    user("What is new in Oslo?"),
    answer(search("tool_0", "c"), found("tool_0", "u3"), "Little is new."),
    user("And in Rome?"),
    answer(search("tool_0", "d"), found("tool_0", "u4"), "Nothing is new."),
    user("Bye"),
    answer("Good bye!"),
)
"""The provider numbers its tools in each answer."""
BARE = (
    user("What is new in Paris?"),
    answer(search("w1", "a"), found("w1", "u1")),
    user("Go on with it, please."),
    answer("I search.", search("w2", "b"), found("w2", "u2"), call("t1", "Paris")),
    result("t1", "21"),
    answer(search("w3", "c"), found("w3", "u3"), call("t2", "Oslo")),
    result("t2", "9"),
    answer("That is all of it."),
)
"""Searches without a word, and next to calls of the application's tools."""
HISTORIES = {
    "weather": WEATHER,
    "short": SHORT,
    "searches": SEARCHES,
    "again": AGAIN,
    "numbered": NUMBERED,
    "bare": BARE,
}

Less = Callable[[Message], Message]
"""What is left of an answer where it is recorded."""


def asks(message: Message) -> bool:
    """Whether an answer asks for tools."""
    return any(isinstance(part, ToolCall) for part in message.parts)


def without_text(message: Message) -> Message:
    """An answer that asks for tools, without its text."""
    parts = tuple(part for part in message.parts if not isinstance(part, Text))
    return replace(message, parts=parts) if asks(message) else message


def without_calls(message: Message) -> Message:
    """An answer that asks for tools, without what it asks for."""
    return replace(message, parts=tuple(part for part in message.parts if not isinstance(part, ToolCall)))


def without(place: int) -> Less:
    """An answer that asks for several tools, without one of the calls."""

    def change(message: Message) -> Message:
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        left_out = calls[place] if len(calls) > 1 else None
        return replace(message, parts=tuple(part for part in message.parts if part is not left_out))

    return change


def without_searches(message: Message) -> Message:
    """An answer without what the provider's tools did."""
    hidden = (ServerToolCall, ServerToolCallResponse)
    return replace(message, parts=tuple(part for part in message.parts if not isinstance(part, hidden)))


def without_findings(message: Message) -> Message:
    """An answer without the results of the provider's tools."""
    parts = tuple(part for part in message.parts if not isinstance(part, ServerToolCallResponse))
    return replace(message, parts=parts)


def with_other_fields(message: Message) -> Message:
    """An answer whose searches have one field more."""
    parts = tuple(
        replace(part, call={**part.call, "status": "completed"}) if isinstance(part, ServerToolCall) else part
        for part in message.parts
    )
    return replace(message, parts=parts)


LESS: dict[str, Less] = {
    "whole": lambda message: message,
    "without text": without_text,
    "without first call": without(0),
    "without last call": without(-1),
    "without text and first call": lambda message: without(0)(without_text(message)),
}
LESS_ANSWERED = {
    **LESS,
    "nothing": lambda message: replace(message, parts=()) if asks(message) else message,
    "without calls": without_calls,
    "without findings": without_findings,
}
LESS_RESENT = {
    **LESS,
    "without searches": without_searches,
    "without findings": without_findings,
    "with other fields": with_other_fields,
}
WAYS = list(product((None, "chat-1"), (False, True), (False, True)))
"""Named or not, in one trace or several, together or span by span."""


def change(messages: Sequence[Message], less: Less) -> tuple[Message, ...]:
    """The messages with less in the answers; an answer with nothing left is none."""
    changed = (less(message) if message.role == "assistant" else message for message in messages)
    return tuple(message for message in changed if message.parts)


def check(operations: Sequence[Operation], history: Sequence[Message]) -> None:
    """Expect one conversation with each line once, however the calls arrive."""
    for name, one_trace, together in WAYS:
        arrived = arrive(operations, name, one_trace=one_trace, together=together)
        (told,) = [lines_of(items) for items in arrived.values()]
        assert Counter(told) == Counter(wanted(history))
        questions = [line for line in told if line[0] == "user_message"]
        assert questions == [line for line in wanted(history) if line[0] == "user_message"]


@pytest.mark.parametrize("less", LESS_ANSWERED)
@pytest.mark.parametrize("history", HISTORIES)
def test_an_answer_with_less(history: str, less: str) -> None:
    """Everything arrives once where an answer says less than the history that resends it."""
    truth, left = HISTORIES[history], LESS_ANSWERED[less]
    check([replace(call, output=change(call.output, left)) for call in as_calls(truth)], truth)


@pytest.mark.parametrize("less", LESS_RESENT)
@pytest.mark.parametrize("history", HISTORIES)
def test_a_resend_with_less(history: str, less: str) -> None:
    """Likewise where the history that is resent says less than the answer did, or says it differently."""
    truth, left = HISTORIES[history], LESS_RESENT[less]
    check([replace(call, input=change(call.input, left)) for call in as_calls(truth)], truth)


def test_searches_that_only_the_resend_has() -> None:
    """The provider's tools arrive with the resend, also where each answer numbers them anew."""
    for truth in (NUMBERED, BARE):
        check(
            [replace(call, output=change(call.output, without_searches)) for call in as_calls(truth)], truth
        )


@pytest.mark.parametrize("side", ["answer", "resend"])
@pytest.mark.parametrize("history", [WEATHER, SHORT, SEARCHES])
def test_the_resend_before_the_answer(history: Sequence[Message], side: str) -> None:
    """In a conversation that has a name, the same holds for calls that arrive backwards."""
    calls = [
        replace(call, output=change(call.output, without_text))
        if side == "answer"
        else replace(call, input=change(call.input, without_text))
        for call in as_calls(history)
    ]
    (items,) = arrive(calls, "chat-1", backwards=True).values()
    assert Counter(lines_of(items)) == Counter(wanted(history))


def test_the_same_call_of_two_strangers() -> None:
    """No conversation gets the answers of two chats that nobody named, though question, call and id are the same."""
    one, other = as_calls(SHORT), as_calls((*SHORT[:3], answer("It is 21 degrees.")))
    for items in arrive([one[0], other[0], one[1], other[1]], None).values():
        assert not {"21.", "It is 21 degrees."} <= {item.content for item in items}
