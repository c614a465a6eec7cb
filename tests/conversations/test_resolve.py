"""Which conversation a call belongs to where nobody said it; what is never joined."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from tests.conversations.chats import Chat, calls, chats, expected, told
from tests.strategies import span_of


def _conversations(store: ConversationStore, operations: list[Operation], *, first: int) -> list[str]:
    """The conversation of each call; every call has a trace of its own."""
    return [
        assemble(store, span_of(number=number, trace=number), operation).conversation_id
        for number, operation in enumerate(operations, first)
    ]


@given(chats())
def test_a_resent_history_finds_its_conversation(chat: Chat) -> None:
    """Calls of one chat are one conversation, by nothing but what they resend."""
    operations = calls(chat)
    assert len(set(_conversations(ConversationStore(), operations, first=1))) == 1
    assert [item.content for item in told(operations)] == [message.content for message in expected(chat)]


@pytest.mark.parametrize("chosen", [0, 1])
def test_any_of_several_answers_finds_its_conversation(chosen: int) -> None:
    """``n=2``, and the user goes on with either."""
    asked, why = (Message("user", (Text(text),)) for text in ("Weather?", "Why?"))
    answers = tuple(Message("assistant", (Text(text),)) for text in ("Mild.", "Cold."))
    first = Operation("chat", input=(asked,), output=answers, choice_count=2)
    then = Operation("chat", input=(asked, answers[chosen], why), output=(answers[0],))
    assert len(set(_conversations(ConversationStore(), [first, then], first=1))) == 1


@given(chats())
def test_two_users_are_never_joined(chat: Chat) -> None:
    """Two users who say the same, call by call at the same time, have two conversations."""
    store = ConversationStore()
    found: dict[str, set[str]] = {"ada": set(), "bob": set()}
    for number, operation in enumerate(calls(chat)):
        for place, user in enumerate(found):
            one = replace(operation, conversation_context=ConversationContext(user_id=user))
            found[user] |= set(_conversations(store, [one], first=2 * number + place))
    assert len(found["ada"]) == len(found["bob"]) == 1
    assert not found["ada"] & found["bob"]


@given(chats())
def test_two_anonymous_chats_are_never_joined(chat: Chat) -> None:
    """Where two said the same so far, a history tells nothing: each goes on for itself."""
    store = ConversationStore()
    one: set[str] = set()
    other: set[str] = set()
    for number, operation in enumerate(calls(chat)):
        one |= set(_conversations(store, [operation], first=2 * number + 1))
        other |= set(_conversations(store, [operation], first=2 * number + 2))
    assert not one & other


@given(chats(), chats())
def test_other_chats_are_other_conversations(one: Chat, other: Chat) -> None:
    """Two chats that begin differently are never joined."""
    assume(one.turns[0].user != other.turns[0].user)
    store = ConversationStore()
    first = _conversations(store, calls(one), first=1)
    second = _conversations(store, calls(other), first=1000)
    assert not set(first) & set(second)


ASKED = Message("user", (Text("Hi"),))
ANSWER = Message("assistant", (Text("Hello"),))
CALL = Operation("chat", input=(ASKED,), output=(ANSWER,))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        pytest.param(
            replace(
                CALL,
                conversation_context=ConversationContext("mine", scope_id="s"),
                provider_conversation_id="conv",
            ),
            "mine",
            id="what the application said",
        ),
        pytest.param(replace(CALL, provider_conversation_id="conv_1"), "conv_1", id="what OpenAI stores"),
        pytest.param(
            replace(CALL, conversation_context=ConversationContext(scope_id="s")), "scope-s", id="the scope"
        ),
        pytest.param(
            replace(
                CALL, conversation_context=ConversationContext(scope_id="s"), previous_response_id="unknown"
            ),
            "scope-s",
            id="a response nobody saw",
        ),
        pytest.param(CALL, "trace-" + f"{1:032x}", id="the trace"),
    ],
)
def test_what_counts(operation: Operation, expected: str) -> None:
    """The nearest word on the conversation counts."""
    assert assemble(ConversationStore(), span_of(), operation).conversation_id == expected


def test_one_scope_without_an_id() -> None:
    """What happens in one entry into a scope stays together, whatever is said and in whatever trace."""
    scoped = replace(CALL, conversation_context=ConversationContext(scope_id="s"))
    other = replace(scoped, input=(Message("user", (Text("Else"),)),))
    assert set(_conversations(ConversationStore(), [scoped, other, scoped], first=1)) == {"scope-s"}


def test_a_scope_that_continues_a_chat() -> None:
    """A web request per turn: the history names the chat, not the request's scope."""
    more = Operation(
        "chat", ConversationContext(scope_id="two"), input=(ASKED, ANSWER, ASKED), output=(ANSWER,)
    )
    first = replace(CALL, conversation_context=ConversationContext(scope_id="one"))
    assert _conversations(ConversationStore(), [first, more], first=1) == ["scope-one", "scope-one"]


def test_unrelated_calls_of_one_trace() -> None:
    """Calls of one trace that resend nothing are one conversation."""
    store = ConversationStore()
    other = replace(CALL, input=(Message("user", (Text("Else"),)),))
    ids = {
        assemble(store, span_of(number=number), operation).conversation_id
        for number, operation in enumerate([CALL, other])
    }
    assert len(ids) == 1


def test_a_response_of_another_conversation() -> None:
    """A call that continues elsewhere begins on its own there, alike in every process."""
    first = replace(CALL, conversation_context=ConversationContext("one"), response_id="r1")
    then = replace(CALL, conversation_context=ConversationContext("two"), previous_response_id="r1")
    items = told([first, then])
    assert [item.id for item in items[2:]] == [item.id for item in told([then])]
    assert items[2].parent_id is None


def test_what_is_remembered_is_bounded() -> None:
    """What was used longest ago is forgotten first."""
    known: LruDict[str, int] = LruDict(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        known.remember(key, value)
    assert dict(known) == {"a": 3, "c": 4}
