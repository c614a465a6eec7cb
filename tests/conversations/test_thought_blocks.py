"""What a model thought in its text is a thought; a text that only speaks of such tags stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.model.operation import Message, Operation, Part, Reasoning, Text, ToolCall
from tests.conversations.chats import named, told

QUESTION = Message("user", (Text("How many?"),))


def record(*parts: Part, finish_reason: str | None = None) -> list[tuple[str, object]]:
    """Type and text of what arrives of an answer with these parts."""
    answer = Message("assistant", parts, finish_reason=finish_reason)
    items = told(named([Operation("chat", input=(QUESTION,), output=(answer,))]))
    return [(item.type, item.content or (item.output or {}).get("text")) for item in items[1:]]


THOUGHT, ANSWER = ("thought", "Let me count."), ("assistant_message", "Three.")


@pytest.mark.parametrize(
    "text",
    [
        "<think>Let me count.</think>\n\nThree.",
        "<think>\nLet me count.\n</think>\n\nThree.",
        "\n<think>Let me count.</think>Three.",
        "<thinking>\nLet me count.\n</thinking>\nThree.",
        "Let me count.\n</think>\n\nThree.",
    ],
)
def test_a_block_in_front_is_a_thought(text: str) -> None:
    """Also without its opening tag, which some servers count as the prompt's."""
    assert record(Text(text)) == [THOUGHT, ANSWER]


def test_a_block_in_several_parts() -> None:
    """A text may come in parts, the block in some of them."""
    assert record(Text("<think>"), Text("Let me count."), Text("</think>"), Text("Three.")) == [
        THOUGHT,
        ANSWER,
    ]


def test_two_blocks() -> None:
    """Both are thoughts."""
    assert record(Text("<think>One?</think>\n<think>Let me count.</think>\nThree.")) == [
        ("thought", "One?"),
        THOUGHT,
        ANSWER,
    ]


def test_an_empty_block() -> None:
    """A model that was asked not to think says so with an empty block."""
    assert record(Text("<think>\n\n</think>\n\nThree.")) == [ANSWER]


def test_a_block_before_a_call() -> None:
    """What led to a call is before it."""
    kinds = [type for type, _ in record(Text("<think>\nLet me look.\n</think>"), ToolCall("look", {}, "c"))]
    assert kinds == ["thought", "tool_call"]


@pytest.mark.parametrize(
    ("text", "finish_reason"), [("<think>\nLet me count.", None), ("<think>Let me count.", "length")]
)
def test_a_block_that_was_broken_off(text: str, finish_reason: str | None) -> None:
    """Nothing was said yet."""
    assert record(Text(text), finish_reason=finish_reason) == [THOUGHT]


@pytest.mark.parametrize(
    "text",
    [
        "Models write <think>…</think> around what they think.",
        "`<think>hm</think>` is how R1 thinks.",
        "<think>…</think> is a pair of tags.",
        "<think> is a tag of R1.",
        "The end is </think>, on a line of its own.",
        "An example:\n\n```\n<think>\nhm\n</think>\n```",
        "I <thinking> therefore I am.",
    ],
)
def test_a_text_that_speaks_of_tags_stays(text: str) -> None:
    """Only a block in front is a thought."""
    assert record(Text(text)) == [("assistant_message", text)]


def test_a_user_who_writes_tags_said_so() -> None:
    """Only models think."""
    text = "<think>Let me count.</think>\n\nThree."
    asked = Operation("chat", input=(Message("user", (Text(text),)),))
    assert told(named([asked]))[0].content == text


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_block_may_be_left_out_when_it_is_resent(thought: str, answer: str) -> None:
    """The answer is known, with its block, without it, and with the thought as such."""
    said = answer.strip() or "ok"
    more = Message("user", (Text("Sure?"),))
    whole = (Text(f"<think>\n{thought}\n</think>\n\n{said}"),)
    forms: list[tuple[Part, ...]] = [whole, (Text(said),), (Reasoning(thought), Text(said))]
    for form in forms:
        first = Operation("chat", input=(QUESTION,), output=(Message("assistant", whole),))
        then = Operation("chat", input=(QUESTION, Message("assistant", form), more))
        answers = [item for item in told(named([first, then])) if item.type == "assistant_message"]
        assert len(answers) == 1
