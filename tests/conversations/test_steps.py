"""The steps of the model: each is a pure function, and what it decides has a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenflash_otel.conversations.align import align
from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.auxiliary import classify_call
from greenflash_otel.conversations.build import build
from greenflash_otel.conversations.changes import (
    CallRole,
    Changes,
    DeferralKey,
    DeferralKind,
    Evidence,
    StateChange,
)
from greenflash_otel.conversations.prepare import prepare
from greenflash_otel.conversations.resolve import resolve_conversation
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    TURN,
    ConversationContext,
    Message,
    Operation,
    Other,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
)
from greenflash_otel.model.telemetry import SpanRecord
from tests.conversations.chats import Chat, calls, chats, named
from tests.conversations.records import Pad
from tests.strategies import operations, span_of

ASKED = Message("user", (Text("Is it dry?"),))
CALL = Message("assistant", (ToolCall("look", {}, "call_1"),))
LOOKED = Message("tool", (ToolCallResponse("rain", "call_1"),))
ANSWER = Message("assistant", (Text("It rains all day."),))
REFERENCE = Message("assistant", (Other("item_reference", {"id": "item_1"}),))
FIRST = Operation("chat", input=(ASKED,), output=(CALL,), response_id="resp_1", output_item_ids=("item_1",))
"""In a trace of its own, 1."""


def changes_of(store: ConversationStore, span: SpanRecord, operation: Operation) -> Changes:
    """What an operation would change; it changes nothing."""
    prepared = prepare(operation)
    found = resolve_conversation(store, span, prepared)
    state = store.get_state(found.conversation_id)
    role = classify_call(state, prepared)
    aligned = align(state, found, prepared) if role.is_shown else None
    return build(store, store.deferred, span, prepared, found, role, aligned)


@settings(max_examples=50)
@given(st.lists(operations(), min_size=1, max_size=3))
def test_the_steps_change_nothing(given: Sequence[Operation]) -> None:
    """Whatever they are given: asked twice they say the same, and nothing is to be stored."""
    store = ConversationStore(reader=Pad())
    for number, operation in enumerate(given):
        assemble(store, span_of(number=number), operation)
        store.mark_persisted()
    for number, operation in enumerate(given, len(given)):
        span = span_of(number=number)
        assert changes_of(store, span, operation) == changes_of(store, span, operation)
        assert store.list_pending_records() == []


@given(chats())
def test_what_was_stored_is_what_was_applied(chat: Chat) -> None:
    """The same value, applied to nothing, gives the same state."""
    store, other = ConversationStore(), ConversationState("chat-1")
    for number, operation in enumerate(named(calls(chat))):
        changes = changes_of(store, span_of(number=number), operation)
        store.apply(changes)
        other.apply(changes.state)
    assert other.take_pending_change() == store.get_state("chat-1").take_pending_change() != StateChange()


@pytest.mark.parametrize(
    ("operation", "evidence"),
    [
        pytest.param(Operation("chat", ConversationContext("mine")), Evidence.GIVEN, id="given"),
        pytest.param(Operation("chat", provider_conversation_id="conv_1"), Evidence.PROVIDER, id="provider"),
        pytest.param(Operation("chat", input=(REFERENCE,)), Evidence.ITEM, id="item"),
        pytest.param(Operation("chat", previous_response_id="resp_1"), Evidence.RESPONSE, id="response"),
        pytest.param(Operation("chat", input=(LOOKED,)), Evidence.TOOL_CALL, id="result of a tool"),
        pytest.param(
            Operation(EXECUTE_TOOL, tool=ToolExecution("look", "call_1")), Evidence.TOOL_CALL, id="tool"
        ),
        pytest.param(Operation("chat", input=(ASKED, CALL, LOOKED)), Evidence.HISTORY, id="history"),
        pytest.param(Operation("chat", ConversationContext(scope_id="s")), Evidence.SCOPE, id="scope"),
        pytest.param(Operation("chat"), Evidence.TRACE, id="trace"),
    ],
)
def test_how_a_conversation_was_found(operation: Operation, evidence: Evidence) -> None:
    """Every kind of evidence has an operation that is found by it."""
    store = ConversationStore()
    assemble(store, span_of(number=1, trace=1), FIRST)
    assert store.evidence_counts == {Evidence.TRACE: 1}
    answered = replace(operation, output=(ANSWER,))
    span = span_of(number=2, trace=2)
    assert resolve_conversation(store, span, prepare(answered)).evidence is evidence
    assemble(store, span, answered)
    assert store.evidence_counts[evidence] == (2 if evidence is Evidence.TRACE else 1)


PRIMARY = Operation(
    "chat",
    ConversationContext("chat"),
    system_instructions=(Text("You sell umbrellas and nothing else to anybody."),),
    input=(ASKED,),
    output=(ANSWER,),
)
ROUTER = replace(
    PRIMARY,
    system_instructions=(Text("Reply with the topic in one word."),),
    output=(Message("assistant", (Text("weather"),)),),
)
EARLY = replace(ROUTER, input=(Message("user", (Text("And tomorrow?"),)),))


@pytest.mark.parametrize(
    ("before", "operation", "role"),
    [
        pytest.param((), PRIMARY, CallRole.PRIMARY, id="a call that speaks"),
        pytest.param((PRIMARY,), ROUTER, CallRole.AUXILIARY, id="a router after its question"),
        pytest.param((PRIMARY,), EARLY, CallRole.AUXILIARY_EARLY, id="a router before its question"),
        pytest.param((), ROUTER, CallRole.UNDECIDED, id="a router, or an agent of few words"),
        pytest.param(
            (),
            replace(PRIMARY, conversation_context=ConversationContext("chat", internal=True)),
            CallRole.AUXILIARY,
            id="marked",
        ),
    ],
)
def test_which_role_a_call_plays(before: Sequence[Operation], operation: Operation, role: CallRole) -> None:
    """Every role has a call that plays it; those that are emitted are counted."""
    store = ConversationStore()
    for number, earlier in enumerate(before, 1):
        assemble(store, span_of(number=number), earlier)
    assert classify_call(store.get_state("chat"), prepare(operation)) is role
    assemble(store, span_of(number=9), operation)
    is_emitted = role is CallRole.PRIMARY  # a step may be for a question that nobody has asked yet
    assert store.role_counts.total() == len(before) + is_emitted
    assert store.deferred.peek(DeferralKey(DeferralKind.NEXT_CALL, "chat")) == () or not is_emitted


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        (Operation("embeddings", input=(ASKED,)), DeferralKey(DeferralKind.TRACE, f"{7:032x}")),
        (
            Operation(EXECUTE_TOOL, tool=ToolExecution("look", "call_9")),
            DeferralKey(DeferralKind.TOOL_CALL, "call_9"),
        ),
        (
            replace(PRIMARY, conversation_context=ConversationContext(turn_id="t")),
            DeferralKey(DeferralKind.TURN, "t"),
        ),
        (ROUTER, DeferralKey(DeferralKind.NEXT_CALL, "chat")),
    ],
)
def test_what_an_operation_waits_for(operation: Operation, key: DeferralKey) -> None:
    """It is named by a kind and an id, so that an id of one kind is never taken for one of another."""
    store = ConversationStore()
    assert assemble(store, span_of(number=1, trace=7), operation).messages == ()
    assert [waiting.operation for waiting in store.deferred.peek(key)] == [operation]


def test_a_call_id_that_is_the_id_of_a_turn() -> None:
    """A tool that waits for its call is not released by a turn of the same name."""
    store = ConversationStore()
    assemble(store, span_of(number=1, trace=1), Operation(EXECUTE_TOOL, tool=ToolExecution("look", "x")))
    turn = Operation(TURN, ConversationContext("chat", turn_id="x"), input=(ASKED,), output=(ANSWER,))
    assert len(assemble(store, span_of(number=2, trace=2), turn).messages) == 2
    assert len(store.deferred) == 1


def test_what_is_found_elsewhere_changes_nothing_there() -> None:
    """A call that continues a response of another conversation begins here, and leaves that one as it is."""
    store = ConversationStore(reader=Pad())
    first = Operation(
        "chat", ConversationContext("one"), input=(ASKED,), output=(ANSWER,), response_id="resp_2"
    )
    assemble(store, span_of(number=1, trace=1), first)
    store.mark_persisted()
    then = replace(
        first,
        conversation_context=ConversationContext("two"),
        response_id=None,
        previous_response_id="resp_2",
    )
    assemble(store, span_of(number=2, trace=2), then)
    assert store.get_state("one").take_pending_change() is None
