"""How a conversation reads as text."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.emulator.stored import StoredConversation, StoredMessage, StoredOutcome, StoredRating
from greenflash_otel.emulator.tree import DEEPEST, WIDTH, render

EMPTY = StoredConversation(
    id="g1",
    external_id="chat-42",
    product_id="p",
    user_id="g2",
    external_user_id="ada",
    organization_id=None,
    external_organization_id=None,
    model=None,
    system_prompt=None,
    properties=None,
    voice_call=None,
    created_at="2026-01-31T09:30:00.000000Z",
    updated_at="2026-01-31T09:30:00.000000Z",
    messages=(),
    outcomes=(),
    ratings=(),
)


def message(external_id: str, type: str, content: str | None = None, **fields: Any) -> StoredMessage:
    """A message whose Greenflash id is the external one in capitals; ``parent`` names its parent."""
    optional: dict[str, Any] = dict.fromkeys(("role", "context", "input", "output", "tool_name", "parent_id"))
    optional |= {"parent_external_id": fields.pop("parent", None), **fields}
    return StoredMessage(
        id=f"id-{external_id}",
        external_id=external_id,
        type=type,
        content=content,
        created_at="2026-01-31T09:30:00.000000Z",
        model=None,
        properties=None,
        position=0,
        item={},
        **optional,
    )


def tree(*messages: StoredMessage) -> str:
    """The rendered messages without the heading, as far left as they go."""
    rendered = render(dataclasses.replace(EMPTY, messages=messages))
    return textwrap.dedent("\n".join(rendered.splitlines()[1:]))


def lines(text: str) -> str:
    """A block of expected text."""
    return textwrap.dedent(text).strip("\n")


AGENT = (
    message("u1", "user_message", "Which plan fits\n20 people?"),
    message("t1", "tool_call", tool_name="find_plans", input={"seats": 20}, parent="u1"),
    message("o1", "observation", tool_name="find_plans", output={"plans": ["team"]}, parent="t1"),
    message("f1", "final_response", "The Team plan does.", parent="o1"),
    message("u2", "user_message", "Then upgrade us.", parent="f1"),
    message("t2", "tool_call", tool_name="late", input={}, parent="u1"),
    message("r1", "retrieval", input={"q": "x"}, output={"documents": []}, parent_id="ID-U2"),
)

SHAPES = [
    pytest.param(
        AGENT,
        """
        user_message          Which plan fits 20 people?
          tool_call           find_plans {"seats": 20}
            observation       find_plans {"plans": ["team"]}
              final_response  The Team plan does.
          tool_call           late {}
        user_message          Then upgrade us.
          retrieval           {"q": "x"} → {"documents": []}
        """,
        id="a turn is closed before the next opens",
    ),
    pytest.param(
        (
            message("u1", "user_message", "hi"),
            message("a1", "assistant_message", "hello", parent="u1"),
            message("u2", "user_message", "one way", parent="a1"),
            message("a2", "assistant_message", "fine", parent="u2"),
            message("u3", "user_message", "on we go", parent="a2"),
            message("e2", "user_message", "the other way", parent="a1"),
        ),
        """
        user_message             hi
          assistant_message      hello
            user_message         one way
              assistant_message  fine
            user_message         on we go
            user_message         the other way
        """,
        id="an edited message is a branch",
    ),
    pytest.param(
        (message("t1", "thought", output={"text": "hm"}, parent="gone"), message("u1", "user_message", "hi")),
        """
        thought       {"text": "hm"}  [parent gone is not stored]
        user_message  hi
        """,
        id="a parent that is not stored",
    ),
    pytest.param(
        (
            message("a", "thought", "one", parent="b"),
            message("b", "thought", "two", parent="a"),
            message("c", "thought", "self", parent="c"),
        ),
        """
        thought    one
          thought  two
        thought    self
        """,
        id="parents in a circle",
    ),
]


@pytest.mark.parametrize(("messages", "expected"), SHAPES)
def test_a_message_stands_below_its_parent(messages: Sequence[StoredMessage], expected: str) -> None:
    """Steps move in, the next turn goes back, a branch moves in, nothing is lost."""
    assert tree(*messages) == lines(expected)


def test_the_whole_picture() -> None:
    """Heading, aligned messages, outcomes, ratings."""
    outcome = StoredOutcome(
        id="o",
        event_type="upgrade",
        value="149.00",
        value_type="currency",
        influence="positive",
        occurred_at="2026-01-31T09:30:00.000000Z",
        insert_id=None,
        external_user_id=None,
        external_organization_id=None,
        properties=None,
        body={},
    )
    rating = StoredRating(4, 1, 5, "helpful", "a1", "2026-01-31T09:30:00.000000Z", {})
    conversation = dataclasses.replace(
        EMPTY,
        external_organization_id="acme",
        model="gpt-5",
        messages=(
            message("u1", "user_message", "hi"),
            message("a1", "assistant_message", "hello", parent="u1"),
        ),
        outcomes=(outcome,),
        ratings=(rating, dataclasses.replace(rating, rating=4.5, message=None, feedback=None)),
    )
    assert render(conversation) == lines(
        """
        conversation chat-42 (user ada, organization acme, model gpt-5)
          user_message         hi
            assistant_message  hello
        outcomes
          upgrade 149.00 (currency, positive)
        ratings
          4 in 1 to 5 of a1: helpful
          4.5 in 1 to 5
        """
    )


def test_long_text_is_cut() -> None:
    """To one line of a bounded width, with an ellipsis."""
    (line,) = tree(message("u1", "user_message", "word " * 100)).splitlines()
    assert line.endswith("…")
    assert len(line) == len("user_message  ") + WIDTH


def test_a_long_chain_is_rendered() -> None:
    """Thousands of steps in one turn neither recurse nor drift out of sight."""
    chain = [message("0", "user_message")]
    chain += [message(str(n), "thought", str(n), parent=str(n - 1)) for n in range(1, 5_000)]
    rendered = tree(*chain).splitlines()
    assert len(rendered) == 5_000
    assert rendered[-1] == "  " * DEEPEST + "thought  4999"


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["user_message", "thought", "tool_call"])), max_size=10
    )
)
def test_every_message_is_shown_once(parents: Sequence[tuple[int, str]]) -> None:
    """Whatever the parents: known, unknown, later, or in a circle."""
    messages = [
        message(str(number), type, f"message-{number}", parent=str(parent))
        for number, (parent, type) in enumerate(parents)
    ]
    shown: Mapping[str, int] = {m.content or "": tree(*messages).count(m.content or "") for m in messages}
    assert shown == {m.content: 1 for m in messages}
