"""Calls of a provider's tools that a history resends in another form, and results that name only their tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import (
    ConversationContext,
    Json,
    Message,
    Operation,
    Part,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv.formats.openai_tools import read_server_call
from tests.strategies import span_of

Item = dict[str, Json]


def web(query: str, id: str) -> Item:
    """A search of the web, as Responses says it."""
    action: Json = {"type": "search", "query": query}
    return {"type": "web_search_call", "id": id, "status": "completed", "action": action}


def files(query: str, id: str) -> Item:
    """A search in files, with what it found."""
    results: Json = [{"text": f"found {query}"}]
    return {
        "type": "file_search_call",
        "id": id,
        "status": "completed",
        "queries": [query],
        "results": results,
    }


def parts_of(items: Sequence[Item | str]) -> tuple[Part, ...]:
    """What a model answers."""
    parts = list[Part]()
    for item in items:
        parts += [Text(item)] if isinstance(item, str) else read_server_call(item, str(item["type"]))
    return tuple(parts)


def without(*names: str) -> Callable[[Item], Item]:
    """Resend an item without some of its fields."""
    return lambda item: {name: value for name, value in item.items() if name not in names}


ANSWERS: Sequence[Sequence[Item | str]] = (
    [web("tides", "ws_1"), web("tides", "ws_2"), files("harbour", "fs_1"), "High water is at noon."],
    [web("wind", "ws_3"), "Let me look once more.", files("wind", "fs_2"), "The wind is light."],
    ["You are welcome."],
)
QUESTIONS = ("When is high water?", "And how is the wind?", "Thank you very much.")


def arrive(change: Callable[[Item], Item], conversation_id: str | None) -> list[MessageItem]:
    """What arrives of a chat whose history is resent, changed."""
    store, history, found = ConversationStore(), list[Message](), list[MessageItem]()
    context = ConversationContext(conversation_id=conversation_id)
    for number, (question, said) in enumerate(zip(QUESTIONS, ANSWERS, strict=True), 1):
        history.append(Message("user", (Text(question),)))
        output = (Message("assistant", parts_of(said)),)
        operation = Operation("chat", context, input=tuple(history), output=output)
        found += assemble(store, span_of(number=number, trace=number), operation).messages
        resent = [item if isinstance(item, str) else change(item) for item in said]
        history.append(Message("assistant", parts_of(resent)))
    return found


@pytest.mark.parametrize("conversation_id", ["harbour", None])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(without(), id="as it was"),
        pytest.param(without("id"), id="no id"),
        pytest.param(without("id", "status"), id="neither id nor status"),
        pytest.param(without("id", "results"), id="no result"),
        pytest.param(lambda item: {**item, "id": None}, id="null as id"),
        pytest.param(lambda item: {**item, "id": f"other_{item['id']}"}, id="another id"),
    ],
)
def test_a_call_that_is_resent_with_another_id(
    change: Callable[[Item], Item], conversation_id: str | None
) -> None:
    """Each call and each result arrives once, the result below its call."""
    items = arrive(change, conversation_id)
    calls = {item.id for item in items if item.type == "tool_call"}
    results = [item.parent_id for item in items if item.type == "observation"]
    assert (len(calls), len(results)) == (5, 2)
    assert set(results) <= calls
    shown = [
        item.content for item in items if item.type in ("user_message", "assistant_message", "final_response")
    ]
    assert shown == [
        QUESTIONS[0],
        "High water is at noon.",
        QUESTIONS[1],
        "Let me look once more.",
        "The wind is light.",
        QUESTIONS[2],
        "You are welcome.",
    ]


def test_another_search_is_another_call() -> None:
    """What was not asked before is new, though it comes without an id as well."""
    store = ConversationStore()
    context = ConversationContext(conversation_id="harbour")
    asked = Message("user", (Text("When is high water?"),))
    first, more = web("tides", "ws_1"), without("id")(web("tides at noon", ""))
    found = list[MessageItem]()
    turns: Sequence[Sequence[Item | str]] = ([first, "At noon."], [without("id")(first), more, "At noon."])
    for number, said in enumerate(turns, 1):
        output = (Message("assistant", parts_of(said)),)
        history = (asked,) if number == 1 else (asked, *output, Message("user", (Text("Thanks."),)))
        answer = output if number == 1 else (Message("assistant", (Text("Bye."),)),)
        operation = Operation("chat", context, input=history, output=answer)
        found += assemble(store, span_of(number=number, trace=number), operation).messages
    assert [item.type for item in found].count("tool_call") == 2


def test_a_result_without_an_id_is_below_the_call_before_it() -> None:
    """Also where neither was ever recorded with one."""
    parts = (
        ServerToolCall("web_search", {"query": "tides"}),
        ServerToolCallResponse({"found": "noon"}),
        ServerToolCall("web_search", {"query": "wind"}),
        ServerToolCallResponse({"found": "light"}),
        Text("High water is at noon."),
    )
    operation = Operation(
        "chat", input=(Message("user", (Text("When?"),)),), output=(Message("assistant", parts),)
    )
    items = assemble(ConversationStore(), span_of(number=1, trace=1), operation).messages
    calls = [item.id for item in items if item.type == "tool_call"]
    assert [item.parent_id for item in items if item.type == "observation"] == calls


def test_ids_that_each_turn_uses_again() -> None:
    """A new result hangs on the call of its own turn, not on the known one with the same id."""
    store, history, found = ConversationStore(), list[Message](), list[MessageItem]()
    context = ConversationContext(conversation_id="harbour")
    for number, place in enumerate(("Oslo", "Bergen"), 1):
        history += [
            Message("user", (Text(f"How is the weather in {place} today?"),)),
            Message("assistant", (ToolCall("look", {"place": place}, "call_0"),)),
            Message("tool", (ToolCallResponse(f"sunny in {place}", "call_0"),)),
        ]
        answer = Message("assistant", (Text(f"It is sunny in {place}, and warm."),))
        operation = Operation("chat", context, input=tuple(history), output=(answer,))
        found += assemble(store, span_of(number=number, trace=number), operation).messages
        history.append(answer)
    calls = [item.id for item in found if item.type == "tool_call"]
    assert [item.parent_id for item in found if item.type == "observation"] == calls
