"""Histories that come back changed: what is known, what is inserted, what is a branch."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import (
    ConversationContext,
    Media,
    Message,
    Operation,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
)
from tests.conversations.chats import named, told
from tests.strategies import span_of

PRICE, SEAT = "what does the plan cost", "A seat costs twenty dollars each month."
TEAM, FIFTH = "and for teams of ten", "Teams of ten or more get a fifth off."
TRIAL, WEEKS = "is there a trial", "Yes, every plan has one of two weeks."


def user(*parts: str | Part) -> Message:
    """What a user says."""
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def answer(text: str) -> Message:
    """What a model says."""
    return Message("assistant", (Text(text),))


def call(*messages: Message, says: str = "") -> Operation:
    """A model call, with the conversation it has so far."""
    return Operation("chat", input=messages, output=(answer(says),) if says else ())


def content(operations: Sequence[Operation]) -> list[str | None]:
    """What arrives of calls in one conversation, in order."""
    return [item.content for item in told(named(operations))]


def conversations(operations: Sequence[Operation], user_id: str | None = None) -> list[str]:
    """The conversation of each call, if the application names none."""
    store, ids = ConversationStore(), []
    for number, operation in enumerate(operations, 1):
        context = ConversationContext(user_id=user_id)
        unnamed = Operation("chat", context, input=operation.input, output=operation.output)
        ids.append(assemble(store, span_of(number=number, trace=number), unnamed).conversation_id)
    return ids


PICTURE = Media("image", uri="https://cdn.example/x.png?sig=1")
AGAIN = Media("image", uri="https://cdn.example/x.png?sig=2")


@pytest.mark.parametrize(
    ("sent", "resent"),
    [
        (user(f"Context:\n- a fact\n\nQuestion: {PRICE}"), user(PRICE)),
        (user(f"{PRICE}\n\n[now 12:00]"), user(f"{PRICE}\n\n[now 12:05]")),
        (user(PRICE, PICTURE), user(PRICE)),
        (user(PRICE, PICTURE), user(PRICE, AGAIN)),
        (user(f"{PRICE} https://cdn.example/x?sig=1"), user(f"{PRICE} https://cdn.example/x?sig=2")),
        (user(f"{PRICE} for ada@example.org"), user(f"{PRICE} for <EMAIL>")),
        (user("这个计划每个月多少钱"), user("这个计划每个月多少钱 [10:00]")),
    ],
)
@pytest.mark.parametrize("kept", [SEAT, f"{SEAT}\n\n_Sources: [1]_", SEAT[:22] + "…"])
def test_a_question_in_another_form(sent: Message, resent: Message, kept: str) -> None:
    """It is known, also if its answer comes back in another form."""
    operations = [call(sent, says=SEAT), call(resent, answer(kept), user(TEAM), says=FIFTH)]
    assert len(content(operations)) == 4
    if kept == SEAT or sent.parts == resent.parts:
        assert len(set(conversations(operations))) == 1


def test_an_edit_of_a_few_words_is_a_branch() -> None:
    """What is asked now is what the user says now, however like it is to what they said before."""
    operations = [
        call(user(PRICE), says=SEAT),
        call(user(PRICE), answer(SEAT[:20]), user(TEAM), says=FIFTH),
        call(user(PRICE), answer(SEAT[:20]), user(f"{TEAM} people"), says="The same."),
    ]
    items = told(named(operations))
    assert [item.content for item in items] == [PRICE, SEAT, TEAM, FIFTH, f"{TEAM} people", "The same."]
    assert items[4].parent_id == items[1].id


@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_summary_before_a_window(role: str, is_pinned: bool) -> None:
    """It is no message, whatever its role, also after a first question that is always resent."""

    def window(number: int) -> list[Message]:
        summary = Message(role, (Text(f"So far, {number} things were discussed."),))
        return [
            *([user(PRICE)] if is_pinned else []),
            summary,
            user("ok?") if role == "assistant" else summary,
        ]

    operations = [
        call(user(PRICE), says=SEAT),
        call(user(PRICE), answer(SEAT), user(TEAM), says=FIFTH),
        call(*window(1), user(TEAM), answer(FIFTH), user(TRIAL), says=WEEKS),
        call(*window(2), user(TRIAL), answer(WEEKS), user("thanks")),
    ]
    assert content(operations) == [PRICE, SEAT, TEAM, FIFTH, TRIAL, WEEKS, "thanks"]


def test_where_no_message_is_known_a_head_is_history() -> None:
    """The first call after a deploy brings all that was said before."""
    items = content([call(user(PRICE), answer(SEAT), user(TEAM), says=FIFTH)])
    assert items == [PRICE, SEAT, TEAM, FIFTH]


@pytest.mark.parametrize("is_window", [True, False])
def test_call_ids_written_anew(is_window: bool) -> None:
    """The same name and arguments at the same place are the same call, and its result is known."""

    def look(id: str) -> tuple[Message, Message]:
        calls = Message("assistant", (ToolCall("look", {"x": 1}, id), ToolCall("look", {"x": 2}, f"{id}b")))
        results = (ToolCallResponse("attic", id), ToolCallResponse("cellar", f"{id}b"))
        return calls, Message("tool", results)

    first = [] if is_window else [user(PRICE), answer(SEAT)]
    asks = look("call_1")[0]
    operations = [
        call(user(PRICE), says=SEAT),
        Operation("chat", input=(user(PRICE), answer(SEAT), user(TEAM)), output=(asks,)),
        call(*first, user(TEAM), *look("abc123456"), says=FIFTH),
        call(*first, user(TEAM), *look("def123456"), answer(FIFTH), user(TRIAL), says=WEEKS),
    ]
    items = told(named(operations))
    assert [item.type for item in items].count("tool_call") == 2
    calls = [item.id for item in items if item.type == "tool_call"]
    assert [item.parent_id for item in items if item.type == "observation"] == calls
    assert [item.content for item in items if item.content] == [PRICE, SEAT, TEAM, FIFTH, TRIAL, WEEKS]


def test_an_unlike_answer_of_a_stranger_is_not_theirs() -> None:
    """Two strangers may ask the same: only of a known user is another answer another form."""
    operations = [call(user(PRICE), says=SEAT), call(user(PRICE), answer("Zwanzig."), user(TEAM), says=FIFTH)]
    assert len(set(conversations(operations))) == 2
    assert len(set(conversations(operations, "ada"))) == 1


def test_the_same_answer_to_another_question_is_another_conversation() -> None:
    """Many get the same answer."""
    greeting = "Hello, how can I help you today?"
    operations = [call(user("hi"), says=greeting), call(user("bonjour"), answer(greeting), user(TEAM))]
    assert len(set(conversations(operations))) == 2


def test_a_history_that_is_added_to_itself() -> None:
    """A checkpointer that gets messages without ids has them twice: they are known."""
    first = told(named([call(user(PRICE), says=SEAT)]))
    end_id = first[-1].id
    doubled = Operation("chat", input=(user(PRICE), answer(SEAT), user(TEAM)), input_parent_id=end_id)
    assert content([call(user(PRICE), says=SEAT), doubled]) == [PRICE, SEAT, TEAM]


def test_a_whole_history_that_is_added_to_itself() -> None:
    """A state that keeps all that it is handed has it twice, then three times: it was said once."""
    once = [user(PRICE), answer(SEAT)]
    twice = [*once, *once, user(TEAM), answer(FIFTH)]
    operations = [
        call(*once[:1], says=SEAT),
        call(*twice[:-1], says=FIFTH),
        call(*twice, *once, user(TEAM), answer(FIFTH), user(TRIAL), says=WEEKS),
    ]
    assert content(operations) == [PRICE, SEAT, TEAM, FIFTH, TRIAL, WEEKS]


def test_an_exchange_that_is_said_again_later_is_another_one() -> None:
    """A history that does not begin anew was not added to itself: what is unknown in it was said."""
    again = [user(PRICE), answer(SEAT), user(TEAM), answer(FIFTH), user(PRICE), answer(SEAT), user(TRIAL)]
    operations = [call(user(PRICE), says=SEAT), call(*again, says=WEEKS)]
    assert content(operations) == [PRICE, SEAT, TEAM, FIFTH, PRICE, SEAT, TRIAL, WEEKS]


@pytest.mark.parametrize("sent_again", [PRICE, f"{PRICE} [now 12:05]"])
@pytest.mark.parametrize("id", ["call_1", "x1call_1"])
def test_an_unnamed_conversation_that_begins_with_a_tool_call(sent_again: str, id: str) -> None:
    """Nothing is answered yet: the call tells which conversation it is, with its id or another."""

    def look(id: str, at: int = 1) -> Message:
        return Message("assistant", (ToolCall("look", {"x": at}, id),))

    result = Message("tool", (ToolCallResponse("attic", id),))
    operations = [
        Operation("chat", input=(user(f"{PRICE} [now 12:00]"),), output=(look("call_1"),)),
        call(user(f"{sent_again}"), look(id), result, says=SEAT),
    ]
    assert len(set(conversations(operations))) == 1
    stranger = call(user(TEAM), look(id), result, says=FIFTH)
    assert len(set(conversations([operations[0], stranger]))) == 2
