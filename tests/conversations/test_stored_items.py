"""What the provider keeps: background responses, stored items, compactions, stored conversations."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import (
    ADD_ITEMS,
    COMPACT,
    DELETE_ITEMS,
    FETCH,
    ConversationContext,
    Message,
    Operation,
    Other,
    Text,
    ToolCall,
    ToolCallResponse,
)
from tests.conversations.chats import told
from tests.strategies import span_of

ASKED = Message("user", (Text("Write a poem."),))
PART = Message("assistant", (Text("Roses"),))
ANSWER = Message("assistant", (Text("Roses are red."),))
AGAIN = Message("user", (Text("Another."),))
SECOND = Message("assistant", (Text("Violets."),))

QUEUED = Operation(
    "chat", ConversationContext("chat-1"), input=(ASKED,), response_id="resp_1", ending="pending"
)
POLLED = Operation(FETCH, response_id="resp_1", ending="pending", output=(PART,))
FETCHED = Operation(FETCH, response_id="resp_1", output=(ANSWER,), finish_reasons=("completed",))


def test_a_background_answer_is_one_turn() -> None:
    """Asked for in the background, polled, fetched twice: one user message and one answer to it."""
    asked, answer = told([QUEUED, POLLED, POLLED, FETCHED, FETCHED])
    assert (asked.type, asked.content) == ("user_message", "Write a poem.")
    assert (answer.type, answer.content, answer.parent_id) == (
        "assistant_message",
        "Roses are red.",
        asked.id,
    )


def test_the_part_of_a_background_answer_that_was_streamed_first() -> None:
    """A background stream that is left gives a hidden step; the whole answer comes with who resumes it."""
    streamed = replace(QUEUED, output=(PART,), streamed=True)
    asked, step, answer = told([streamed, FETCHED])
    assert (step.type, step.content, step.parent_id) == ("llm", None, asked.id)
    assert answer.content == "Roses are red."


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_ids_of_a_background_answer_in_any_order(order: tuple[int, ...]) -> None:
    """Whichever process sees what first, every message has the ids it always has."""
    known = Operation(
        FETCH,
        ConversationContext("chat-1"),
        response_id="resp_1",
        output=(ANSWER,),
        finish_reasons=("completed",),
    )
    then = Operation(
        "chat", ConversationContext("chat-1"), input=(AGAIN,), output=(SECOND,), previous_response_id="resp_1"
    )
    operations = [QUEUED, known, then]
    expected = {(item.id, item.content) for item in told(operations)}
    ids = {(item.id, item.content) for item in told([operations[index] for index in order])}
    assert ids == expected


def test_a_history_that_holds_a_background_answer() -> None:
    """Resent, a background answer is known, and what follows it is linked to it."""
    resent = Operation("chat", ConversationContext("chat-1"), input=(ASKED, ANSWER, AGAIN), output=(SECOND,))
    items = told([QUEUED, FETCHED, resent])
    assert [item.content for item in items] == ["Write a poem.", "Roses are red.", "Another.", "Violets."]
    assert items[2].parent_id == items[1].id


def test_an_answer_that_failed_in_the_background() -> None:
    """However often it is asked for, it is one hidden step under the message that asked."""
    failed = replace(FETCHED, output=(), finish_reasons=("failed",), ending="failed")
    asked, step = told([QUEUED, failed, failed])
    assert (step.type, step.parent_id) == ("llm", asked.id)


def test_fetching_what_was_answered_at_once() -> None:
    """Reading a stored response again adds nothing."""
    answered = replace(QUEUED, ending="completed", output=(ANSWER,))
    assert len(told([answered, FETCHED])) == 2


def test_references_to_stored_items() -> None:
    """Items that are referred to are known history; the result of a tool finds its call behind one."""
    call = Message("assistant", (ToolCall("get_weather", {}, "call_1"),))
    asking = Operation(
        "chat",
        ConversationContext("chat-1"),
        input=(ASKED,),
        output=(call,),
        output_item_ids=("rs_1", "fc_1"),
    )
    references = tuple(Other("item_reference", {"id": id}) for id in ("rs_1", "fc_1"))
    result = Message("tool", (ToolCallResponse("mild", "call_1"),))
    answering = Operation(
        "chat",
        ConversationContext("chat-1"),
        input=(ASKED, Message("assistant", references), result),
        output=(ANSWER,),
    )
    items = told([asking, answering])
    assert [item.type for item in items] == ["user_message", "tool_call", "observation", "final_response"]
    assert items[2].parent_id == items[1].id


@pytest.mark.parametrize("conversation_id", ["chat-1", None])
def test_a_compacted_history_is_known(conversation_id: str | None) -> None:
    """What stands before a compaction item was told; what follows it goes on in the same conversation."""
    conversation_context = ConversationContext(conversation_id)
    compaction = Message("assistant", (Other("compaction", {"id": "cmp_1", "encrypted_content": "…"}),))
    first = Operation("chat", conversation_context, input=(ASKED,), output=(ANSWER,))
    compact = Operation(COMPACT, conversation_context, input=(ASKED, ANSWER), output=(compaction,))
    then = Operation("chat", conversation_context, input=(ASKED, compaction, AGAIN), output=(SECOND,))
    store = ConversationStore()
    updates = [
        assemble(store, span_of(number=number, trace=number), operation)
        for number, operation in enumerate((first, compact, then), 1)
    ]
    assert len({update.conversation_id for update in updates}) == 1
    items = [item for update in updates for item in update.messages]
    assert [item.content for item in items] == [
        "Write a poem.",
        "Roses are red.",
        None,
        "Another.",
        "Violets.",
    ]
    assert (items[2].type, items[3].parent_id) == ("llm", items[1].id)


def test_an_answer_that_compacted_on_the_way() -> None:
    """A compaction item in an answer says nothing; resent with the answer it changes no id."""
    compaction = Other("compaction", {"id": "cmp_1"})
    first = Operation(
        "chat",
        ConversationContext("chat-1"),
        input=(ASKED,),
        output=(Message("assistant", (compaction, Text("Roses."))),),
    )
    then = Operation(
        "chat",
        ConversationContext("chat-1"),
        input=(Message("assistant", (compaction, Text("Roses."))), AGAIN),
        output=(SECOND,),
    )
    items = told([first, then])
    assert [item.content for item in items] == ["Write a poem.", "Roses.", "Another.", "Violets."]


def test_items_added_to_a_stored_conversation() -> None:
    """Seeded messages stand in the conversation before the response that answers them; deleting is told."""
    kept = {"provider_conversation_id": "conv_1"}
    seeded = Operation(ADD_ITEMS, input=(ASKED, ANSWER), **kept)  # type: ignore[arg-type]  # fields of Operation
    asked = Operation("chat", input=(AGAIN,), output=(SECOND,), **kept)  # type: ignore[arg-type]
    deleted = Operation(
        DELETE_ITEMS,
        input=(Message("user", (Other("item_reference", {"id": "msg_1"}),)),),
        **kept,  # type: ignore[arg-type]
    )
    failed = replace(seeded, ending="failed")
    items = told([seeded, failed, asked, deleted])
    assert [item.type for item in items] == ["user_message", "assistant_message"] * 2 + ["callback"]
    assert items[2].parent_id == items[1].id
