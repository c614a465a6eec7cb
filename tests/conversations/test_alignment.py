"""What applications make of the history they resend: every message is still told once, and linked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.fragments import split_messages
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Part, Text, ToolCall
from tests.conversations.chats import Chat, Round, Turn, as_expected, calls, chats, expected, named, told
from tests.strategies import span_of

USER, ANSWER = "user", "assistant"


def distinct(chat: Chat) -> Chat:
    """The same chat, in which nobody says the same twice and call ids are unique."""
    number = count()

    def again(text: str) -> str:
        return f"{text} number {next(number)}"

    def one(turn: Turn) -> Turn:
        rounds = tuple(
            Round(
                round.thought,
                round.text and again(round.text),
                tuple((f"{id}_{next(number)}", tool, arg, result) for id, tool, arg, result in round.calls),
            )
            for round in turn.rounds
        )
        return replace(turn, user=again(turn.user), rounds=rounds, answer=again(turn.answer))

    return Chat(chat.prompt, tuple(one(turn) for turn in chat.turns))


def without_rounds(chat: Chat) -> Chat:
    """The same chat without tools."""
    return Chat(chat.prompt, tuple(replace(turn, rounds=()) for turn in chat.turns))


Change: TypeAlias = Callable[[tuple[Message, ...], tuple[Message, ...]], tuple[Message, ...]]
"""What an application makes of (history before the turn, the turn)."""


def shortened(operations: Sequence[Operation], change: Change) -> list[Operation]:
    """The same calls, with their inputs changed."""
    made = []
    for operation in operations:
        prompt = tuple(message for message in operation.input[:1] if message.role == "system")
        messages = operation.input[len(prompt) :]
        asked = max(at for at, message in enumerate(messages) if message.role == USER)
        made.append(replace(operation, input=(*prompt, *change(messages[:asked], messages[asked:]))))
    return made


def window(size: int) -> Change:
    """Only the last ``size`` messages before the turn."""
    return lambda history, turn: (*(history[-size:] if size else ()), *turn)


def without_tools(history: tuple[Message, ...], turn: tuple[Message, ...]) -> tuple[Message, ...]:
    """Of earlier turns only what was said."""
    kept = []
    for message in history:
        parts: tuple[Part, ...] = tuple(part for part in message.parts if isinstance(part, Text))
        calls_tools = any(isinstance(part, ToolCall) for part in message.parts)
        if message.role == USER or (message.role == ANSWER and not calls_tools):
            kept.append(replace(message, parts=parts))
    return (*kept, *turn)


def polished(history: tuple[Message, ...], turn: tuple[Message, ...]) -> tuple[Message, ...]:
    """Earlier answers with mark-up of the application's own."""

    def better(message: Message) -> Message:
        texts = tuple(
            Text(f"**{part.content}**!") if isinstance(part, Text) else part for part in message.parts
        )
        return replace(message, parts=texts) if message.role == ANSWER else message

    return (*map(better, history), *turn)


CHANGES = {
    "nothing is resent": window(0),
    "the last message": window(1),
    "the last two": window(2),
    "the last three": window(3),
    "the last five": window(5),
    "no tools": without_tools,
    "polished": polished,
}


@pytest.mark.parametrize("change", CHANGES)
@given(chat=chats(notes=False).map(distinct))
def test_history_that_was_changed(change: str, chat: Chat) -> None:
    """Whatever is left out or tidied up, what is resent is known."""
    assert as_expected(told(named(shortened(calls(chat), CHANGES[change])))) == expected(chat)


@given(chat=chats(notes=False).map(without_rounds).map(distinct), size=st.integers(2, 5))
def test_a_window_finds_its_conversation(chat: Chat, size: int) -> None:
    """Without an id, the last exchange that is resent tells which conversation it is; users stay apart."""
    store = ConversationStore()
    found: dict[str, set[str]] = {"ada": set(), "bob": set()}
    for number, operation in enumerate(shortened(calls(chat), window(size))):
        for place, user in enumerate(found):
            one = replace(operation, conversation_context=ConversationContext(user_id=user))
            span = span_of(number=2 * number + place, trace=2 * number + place)
            found[user].add(assemble(store, span, one).conversation_id)
    assert [len(ids) for ids in found.values()] == [1, 1]
    assert not found["ada"] & found["bob"]


def unlike_any_other(chat: Chat) -> Chat:
    """The same chat, begun with what is never said again."""
    first, *later = chat.turns
    return replace(chat, turns=(replace(first, user="Good morning"), *later))


@given(chat=chats(notes=False).map(unlike_any_other), size=st.integers(1, 5))
def test_nothing_is_lost_of_a_window(chat: Chat, size: int) -> None:
    """Where the same is said again and again, a window is never taken for less than it tells."""
    said = [item.content for item in told(named(shortened(calls(chat), window(size))))]
    for message in expected(chat):
        said.remove(message.content)


def said_for_certain(operations: Sequence[Operation]) -> list[str]:
    """What must be told of calls, each of which may be an earlier one's question, asked again."""
    answers: dict[str | None, list[Message]] = {}
    certain: list[str] = []
    for operation in operations:
        asked = find_head("", None, split_messages(operation.input))  # alike for inputs that say the same
        answered = answers.setdefault(asked, [])
        if not answered and operation.input[-1].role == USER:
            certain += texts(operation.input[-1])
        certain += [text for text in texts(*operation.output) if text not in texts(*answered)]
        answered += operation.output
    return certain


def texts(*messages: Message) -> list[str]:
    """What messages say."""
    return [part.content for message in messages for part in message.parts if isinstance(part, Text)]


def short(*turns: tuple[str, str]) -> Chat:
    """A chat of (question, answer)."""
    return Chat(None, tuple(Turn(None, user, (), None, answer) for user, answer in turns))


@given(chat=chats(notes=False), size=st.integers(1, 5))
@example(chat=short(("yes", "no"), ("yes", "no"), ("yes", "yes")), size=2)
@example(chat=short(("yes", "yes"), ("yes", "no"), ("yes", "yes"), ("yes", "no"), ("yes", "yes")), size=2)
def test_of_a_window_like_the_beginning_only_repetition_is_lost(chat: Chat, size: int) -> None:
    """A window may be word for word what an earlier call sent: then only what is said otherwise is news."""
    operations = named(shortened(calls(chat), window(size)))
    said = [item.content for item in told(operations)]
    for text in said_for_certain(operations):
        said.remove(text)


def test_a_window_that_is_how_the_conversation_began() -> None:
    """The same calls have another answer regenerated: nothing in them tells which it was, so it is that."""
    chat = short(("yes", "no"), ("yes", "no"), ("yes", "yes"))
    *_, asked, answer, other = told(named(shortened(calls(chat), window(2))))
    assert [asked.content, answer.content, other.content] == ["yes", "no", "yes"]
    assert answer.parent_id == other.parent_id == asked.id


@given(chat=chats(notes=False).map(distinct))
def test_a_summary_in_place_of_old_turns(chat: Chat) -> None:
    """A summary is no message; what follows it is known."""

    def summarised(history: tuple[Message, ...], turn: tuple[Message, ...]) -> tuple[Message, ...]:
        if len(history) < 4:
            return (*history, *turn)
        return (Message(USER, (Text("In short: we talked."),)), *history[-2:], *turn)

    items = told(named(shortened(calls(chat), summarised)))
    assert [item.content for item in items] == [message.content for message in expected(chat)]


def test_the_same_said_again_without_history() -> None:
    """An application that resends nothing says "yes" twice: two messages, each with its answer."""
    yes, ok = Message(USER, (Text("yes"),)), Message(ANSWER, (Text("ok"),))
    other = Message(USER, (Text("no"),))
    chat = [Operation("chat", input=(said,), output=(ok,)) for said in (other, yes, yes)]
    items = told(named(chat))
    assert [item.content for item in items] == ["no", "ok", "yes", "ok", "yes", "ok"]
    assert [items[at].parent_id for at in (2, 4)] == [items[1].id, items[3].id]


def test_an_edit_in_a_window() -> None:
    """A message that was edited in a window is a branch after the answer before it."""
    said = [Message(USER if at % 2 == 0 else ANSWER, (Text(f"said {at}"),)) for at in range(6)]
    edited = Message(USER, (Text("said otherwise"),))
    chat = [Operation("chat", input=tuple(said[:at]), output=(said[at],)) for at in (1, 3, 5)]
    store = ConversationStore()
    before = told(named(chat), store)
    branch = Operation("chat", input=(said[2], said[3], edited), output=(Message(ANSWER, (Text("so"),)),))
    asked, answer = told(named([branch]), store, first=10)
    assert (asked.content, asked.parent_id, answer.parent_id) == ("said otherwise", before[3].id, asked.id)


def spoken(*texts: str) -> tuple[Message, ...]:
    """Messages of user and assistant in turn."""
    return tuple(Message(USER if at % 2 == 0 else ANSWER, (Text(text),)) for at, text in enumerate(texts))


def test_the_only_answer_in_other_words() -> None:
    """Where an application resends one answer, nothing else can be at the place of the known one."""
    asked, ours = spoken("Where to?", "To the sea, and stay there.")
    translated = spoken("Where to?", "Ans Meer, und bleib da.", "Fine.")
    chat = [Operation("chat", input=(asked,), output=(ours,)), Operation("chat", input=translated)]
    items = told(named(chat))
    assert [item.content for item in items] == ["Where to?", "To the sea, and stay there.", "Fine."]
    assert items[2].parent_id == items[1].id


def test_an_answer_of_another_process() -> None:
    """Of an application that resends answers as they were, an answer unlike ours is one more: both arrive."""
    said = spoken("Hello", "Good morning.", "Where to?", "To the sea, and stay there.")
    theirs = spoken("Hello", "Good morning.", "Where to?", "Mountains would do you good now.", "Fine.")
    chat = [
        Operation("chat", input=said[:1], output=said[1:2]),
        Operation("chat", input=said[:3], output=said[3:]),
        Operation("chat", input=theirs),
    ]
    items = told(named(chat))
    assert [item.content for item in items[3:]] == [
        "To the sea, and stay there.",
        "Mountains would do you good now.",
        "Fine.",
    ]
    assert items[5].parent_id == items[4].id
