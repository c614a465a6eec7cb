"""Calls beside the main line that nobody marked are hidden steps, and nothing the user saw is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from tests.conversations.chats import told

MAIN = "You are the friendly assistant of a shop. Answer questions about orders."


def said(role: str, text: str) -> Message:
    """One message."""
    return Message(role, (Text(text),))


def call(prompt: str | None, *texts: str, answer: str, json: bool = False) -> Operation:
    """A call whose input is a system prompt, if there is one, and user and assistant in turn."""
    roles = ("user", "assistant")
    history = [said(roles[at % 2], text) for at, text in enumerate(texts)]
    system = [said("system", prompt)] if prompt else []
    return Operation(
        "chat",
        ConversationContext("chat-1"),
        input=(*system, *history),
        output=(said("assistant", answer),),
        output_type="json" if json else None,
    )


Q1, A1, Q2, A2 = (
    "Where is my order 17?",
    "It left yesterday and comes tomorrow.",
    "And 18?",
    "That one waits.",
)
FIRST, SECOND = call(MAIN, Q1, answer=A1), call(MAIN, Q1, A1, Q2, answer=A2)
TALK = [("user_message", Q1), ("assistant_message", A1), ("user_message", Q2), ("assistant_message", A2)]

GUARD = "Say SAFE or UNSAFE of the text of a visitor, nothing else."
ROUTER = "Which department is meant? Reply with JSON."
TITLE = "Write a title of five words for a talk."
DIGEST = f"User: {Q1}\nAssistant: {A1}"

BESIDE: dict[str, Sequence[Operation]] = {
    "a guard before every turn": [
        call(GUARD, Q1, answer="SAFE"),
        FIRST,
        call(GUARD, Q2, answer="SAFE"),
        SECOND,
    ],
    "a guard beside the first turn, done later": [FIRST, call(GUARD, Q1, answer="SAFE"), SECOND],
    "a router before every turn": [
        call(ROUTER, Q1, answer='{"to": "orders"}', json=True),
        FIRST,
        call(ROUTER, Q2, answer='{"to": "orders"}', json=True),
        SECOND,
    ],
    "a guard and a router": [
        call(GUARD, Q1, answer="SAFE"),
        call(ROUTER, Q1, answer='{"to": "orders"}', json=True),
        FIRST,
        SECOND,
    ],
    "a title after the first turn": [FIRST, call(TITLE, DIGEST, answer="Where order 17 is"), SECOND],
    "a summary between two turns": [
        FIRST,
        call("Sum up.", f"Sum this up:\n\n{DIGEST}", answer="Somebody asks for an order."),
        SECOND,
    ],
    "a rewriter that is given a digest": [
        FIRST,
        call("Write a question that stands alone.", f"{DIGEST}\nUser: {Q2}", answer="Where is order 18?"),
        SECOND,
    ],
    "an extractor after the last turn": [
        FIRST,
        SECOND,
        call("Find order numbers in the text.", Q2, answer='{"orders": [18]}', json=True),
    ],
}


@pytest.mark.parametrize("name", BESIDE)
def test_beside(name: str) -> None:
    """The talk is what the user lived; each call beside it is one hidden step below a message of theirs."""
    items = told(BESIDE[name])
    assert [(item.type, item.content) for item in items if item.content] == TALK
    hidden = [item for item in items if not item.content]
    assert [item.type for item in hidden] == ["llm"] * (len(BESIDE[name]) - 2)
    questions = {item.id for item in items if item.type == "user_message"}
    assert {item.parent_id for item in hidden} <= questions


SHOWN: dict[str, tuple[Sequence[Operation], Sequence[str]]] = {
    "JSON from the main line": (
        [
            call(MAIN, "a", answer='{"b": 1}', json=True),
            call(MAIN, "a", '{"b": 1}', "c", answer='{"d": 1}', json=True),
        ],
        ["a", '{"b": 1}', "c", '{"d": 1}'],
    ),
    "a single call that answers in JSON": (
        [call(ROUTER, "a", answer='{"b": 1}', json=True)],
        ["a", '{"b": 1}'],
    ),
    "one word": (
        [
            call(MAIN, "Is it here?", answer="Yes"),
            call(MAIN, "Is it here?", "Yes", "Where?", answer="There, see."),
        ],
        ["Is it here?", "Yes", "Where?", "There, see."],
    ),
    "an agent that takes over": (
        [FIRST, call("You sell insurance to people who wait.", Q1, A1, Q2, answer=A2)],
        [Q1, A1, Q2, A2],
    ),
    "JSON from an agent where all speak JSON": (
        [
            call(MAIN, "a", answer='{"b": 1}', json=True),
            call(MAIN, "a", '{"b": 1}', "c", answer='{"d": 1}', json=True),
            call("You sell insurance.", "a", '{"b": 1}', "c", '{"d": 1}', "e", answer='{"f": 1}', json=True),
        ],
        ["a", '{"b": 1}', "c", '{"d": 1}', "e", '{"f": 1}'],
    ),
    "a user who quotes the answer": (
        [FIRST, call(MAIN, Q1, A1, f"I asked: {Q1} You said: {A1} Really?", answer="Really.")],
        [Q1, A1, f"I asked: {Q1} You said: {A1} Really?", "Really."],
    ),
    "a system prompt that names the time": (
        [
            call(f"{MAIN} It is 10:01 on Monday.", Q1, answer='{"a": 1}', json=True),
            call(f"{MAIN} It is 10:02 on Monday.", Q1, '{"a": 1}', Q2, answer='{"b": 1}', json=True),
        ],
        [Q1, '{"a": 1}', Q2, '{"b": 1}'],
    ),
    "no system prompt at all": (
        [call(None, "Hi", answer="Hello"), call(None, "Hi", "Hello", "So?", answer='{"a": 1}', json=True)],
        ["Hi", "Hello", "So?", '{"a": 1}'],
    ),
    "the same question again, with the same prompt": (
        [call(MAIN, "Hi", answer="Hello"), call(MAIN, "Hi", answer="Howdy")],
        ["Hi", "Hello", "Howdy"],
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_shown(name: str) -> None:
    """What may be the main line is told as such."""
    operations, texts = SHOWN[name]
    items = told(operations)
    assert [item.content for item in items] == texts


def test_a_chain_of_responses_in_json() -> None:
    """What another call continues was the main line."""
    first = replace(call(ROUTER, "a", answer='{"b": 1}', json=True), response_id="resp_1")
    second = replace(call(None, "c", answer="d e"), previous_response_id="resp_1")
    items = told([first, second])
    assert [item.content for item in items] == ["a", '{"b": 1}', "c", "d e"]
    assert items[2].parent_id == items[1].id


def test_without_a_name_nothing_is_beside() -> None:
    """Where only words join calls to a conversation, another prompt is another conversation."""
    operations = [
        replace(operation, conversation_context=ConversationContext())
        for operation in BESIDE["a guard before every turn"]
    ]
    assert [item.content for item in told(operations) if item.content].count("SAFE") == 2
