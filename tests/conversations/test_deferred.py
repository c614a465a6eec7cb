"""Operations that came before what they belong to."""

from __future__ import annotations

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.deferred import KEYS
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import (
    EMBEDDINGS,
    EXECUTE_TOOL,
    Affiliation,
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
NESTED = Operation("chat", Affiliation(tool_call_id="call_1"), input=(ASKED,), output=(ASKED,))
EMBEDDING = Operation(EMBEDDINGS, input=(ASKED,))


def test_a_step_joins_the_conversation_of_its_trace() -> None:
    """What was embedded before anybody said anything stands under the user message of the same trace."""
    store = ConversationStore()
    assert assemble(store, span_of(number=1), EMBEDDING).messages == ()
    asked, embedding, _ = assemble(store, span_of(number=2), CHAT).messages
    assert (embedding.type, embedding.parent_id) == ("embedding", asked.id)


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
        said = Operation("chat", Affiliation(user, user_id=user), input=(ASKED,), output=(CALL,))
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
