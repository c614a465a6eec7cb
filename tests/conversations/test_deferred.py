"""Operations that came before what they belong to."""

from __future__ import annotations

import pytest

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.deferred import ENTRIES_PER_KEY, KEYS, DeferredQueue, measure
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import (
    EMBEDDINGS,
    EXECUTE_TOOL,
    ConversationContext,
    Message,
    Operation,
    Text,
    ToolCall,
    ToolExecution,
)
from tests.strategies import span_of

ASKED = Message("user", (Text("Weather?"),))
CALL = Message("assistant", (ToolCall("get_weather", {}, "call_1"),))
CHAT = Operation("chat", input=(ASKED,), output=(CALL,))
TOOL = Operation(EXECUTE_TOOL, tool=ToolExecution("get_weather", "call_1", {}, "mild"))
NESTED = Operation("chat", ConversationContext(tool_call_id="call_1"), input=(ASKED,), output=(ASKED,))
EMBEDDING = Operation(EMBEDDINGS, input=(ASKED,))


def test_a_step_joins_the_conversation_of_its_trace() -> None:
    """What was embedded before anybody said anything stands under the user message of the same trace."""
    store = ConversationStore()
    assert assemble(store, span_of(number=1), EMBEDDING).messages == ()
    asked, embedding, _ = assemble(store, span_of(number=2), CHAT).messages
    assert (embedding.type, embedding.parent_id) == ("embedding", asked.id)
    assert len(store.deferred) == 0


def test_a_step_alone_is_no_conversation() -> None:
    """Embedding documents where nobody talks tells nothing, however long one waits."""
    store = ConversationStore()
    assert assemble(store, span_of(), EMBEDDING).messages == ()
    assert assemble_overdue(store, None) == []
    assert not store.deferred


def test_a_tool_finds_its_conversation_by_its_call() -> None:
    """In a trace of its own, a tool and the model calls it makes belong to the call that asked for it."""
    store = ConversationStore()
    said = assemble(store, span_of(number=1, trace=1), CHAT)
    ran = assemble(store, span_of(number=2, trace=2), TOOL)
    nested = assemble(store, span_of(number=3, trace=3), NESTED)
    call = said.messages[1]
    assert said.conversation_id == ran.conversation_id == nested.conversation_id
    assert [item.parent_id for item in (*ran.messages, *nested.messages)] == [call.id, call.id]
    assert [item.type for item in (*ran.messages, *nested.messages)] == ["observation", "llm"]


def test_a_tool_that_ended_before_the_call_was_told() -> None:
    """A tool that runs while the model still streams comes after its call."""
    store = ConversationStore()
    for number, operation in enumerate((NESTED, TOOL), 1):
        assert assemble(store, span_of(number=number, trace=number), operation).messages == ()
    said = assemble(store, span_of(number=3, trace=3), CHAT)
    assert [item.type for item in said.messages] == ["user_message", "tool_call", "llm", "observation"]
    call = said.messages[1]
    assert [item.parent_id for item in said.messages[2:]] == [call.id, call.id]


def test_a_call_id_that_two_conversations_have() -> None:
    """A tool whose call id names two calls is never joined to one of them by it."""
    store = ConversationStore()
    for user in ("ada", "bob"):
        said = Operation("chat", ConversationContext(user, user_id=user), input=(ASKED,), output=(CALL,))
        assemble(store, span_of(number=1, trace=1 if user == "ada" else 2), said)
    ran = assemble(store, span_of(number=3, trace=3), TOOL)
    assert (ran.messages, ran.conversation_id) == ((), f"trace-{3:032x}")


def test_room_for_those_who_wait() -> None:
    """Where too many wait, the oldest are told without what they waited for."""
    store = ConversationStore()
    for number in range(KEYS):
        tool = Operation(EXECUTE_TOOL, tool=ToolExecution("get_weather", f"call_{number}"))
        assemble(store, span_of(number=number, trace=number), tool)
    (update,) = assemble_overdue(store, 0)
    assert [item.type for item in update.messages] == ["tool_call", "observation"]
    assert len(store.deferred) == KEYS - 1


def key(number: int) -> DeferralKey:
    """What something waits for."""
    return DeferralKey(DeferralKind.TRACE, str(number))


def test_room_in_bytes_for_what_waits() -> None:
    """What there is no room for comes back, the oldest first; how much waits is counted exactly."""
    text = "x" * 10_000
    queue: DeferredQueue[str] = DeferredQueue(max_bytes=25_000)
    for number in range(4):
        queue.defer(key(number), f"{number}{text}", 10**9)
        assert queue.size_bytes == sum(measure(f"{entry}{text}") for entry in range(number + 1))
    assert [key_and_entry[0] for key_and_entry in queue.expire(0)] == ["0", "1"]
    assert queue.size_bytes == sum(measure(f"{entry}{text}") for entry in (2, 3))
    assert [key_and_entry[0] for key_and_entry in queue.expire(None)] == ["2", "3"]
    assert (queue.size_bytes, len(queue)) == (0, 0)


def test_one_that_is_larger_than_all_the_room() -> None:
    """It does not wait, and it is not lost."""
    queue: DeferredQueue[str] = DeferredQueue(max_bytes=100)
    queue.defer(key(1), "x" * 1_000, 10**9)
    assert queue.expire(0) == ["x" * 1_000]


def test_measure_counts_all_text() -> None:
    """Wherever in an operation it is."""
    text = "x" * 1_000
    small, large = (
        Operation("chat", input=(Message("user", (Text(entry),)),), properties={"a": [entry, {entry: 1}]})
        for entry in ("", text)
    )
    assert measure(large) - measure(small) == 3 * len(text)


def test_no_step_is_dropped_silently_where_many_wait_for_one_trace() -> None:
    """The oldest is emitted without what it waited for, at once."""
    store = ConversationStore()
    tools = [
        Operation(EXECUTE_TOOL, tool=ToolExecution("get_weather", None, {"number": number}, "mild"))
        for number in range(ENTRIES_PER_KEY + 1)
    ]
    for number, tool in enumerate(tools):
        assert assemble(store, span_of(number=number, trace=1), tool).messages == ()
    (update,) = assemble_overdue(store, 0)
    assert update.messages[0].input == {"number": 0}


@pytest.mark.parametrize("most", [1, 3])
def test_what_was_released_and_not_kept_waits_again(most: int) -> None:
    """In its order, with what was pushed out, and as what still has to be stored."""
    queue: DeferredQueue[str] = DeferredQueue()
    for text in ("a", "b", "c"):
        queue.defer(key(1), text, 10, max_entries=most)
    size_bytes, before = queue.size_bytes, queue.list_pending_changes()
    for _ in range(2):
        assert queue.expire(10) == ["a", "b", "c"]
        assert queue.expire(10) == []
        queue.rollback()
        assert (queue.size_bytes, queue.list_pending_changes()) == (size_bytes, before)
    queue.expire(10)
    queue.mark_persisted()
    queue.rollback()
    assert queue.expire(None) == []


TURN_STEP = ConversationContext("chat-1", turn_id="turn-1")


def test_a_step_of_a_turn_that_never_came() -> None:
    """Its conversation is known, so it is emitted there; one of no conversation is counted."""
    store = ConversationStore()
    step = Operation(EMBEDDINGS, TURN_STEP, input=(ASKED,))
    for number, operation in enumerate((step, EMBEDDING), 1):
        assert assemble(store, span_of(number=number, trace=number), operation).messages == ()
    (update,) = assemble_overdue(store, None)
    assert (update.conversation_id, [item.type for item in update.messages]) == ("chat-1", ["embedding"])
    assert store.dropped_steps == 1
