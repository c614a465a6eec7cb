"""Whatever an application does to its history, each message arrives once, under its first form."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from tests.conversations.records import Pad, restarted
from tests.laws.habits import HABITS, MARK, TURNS, Application, Habit, Turn, is_knowable
from tests.strategies import span_of


def mark_of(item: MessageItem) -> str:
    """The mark of what a message says, or else all of it."""
    text = item.content or str(item.output or item.input)
    found = MARK.search(text)
    return found[0] if found else text


def record(applications: Sequence[Application], restarts: Sequence[bool]) -> dict[str, list[MessageItem]]:
    """What arrives of applications whose calls take turns, by conversation; the process restarts in between."""
    pad = Pad()
    store = ConversationStore(reader=pad)
    arrived: dict[str, list[MessageItem]] = {}
    calls = [list(application.calls) for application in applications]
    number = 0
    while any(calls):
        for waiting in calls:
            if not waiting:
                continue
            number += 1
            if restarts[number % len(restarts)]:
                store = restarted(store, pad)
            update = assemble(store, span_of(number=number, trace=number), waiting.pop(0))
            arrived.setdefault(update.conversation_id, []).extend(update.messages)
    return arrived


def with_parents(items: Sequence[MessageItem]) -> list[tuple[str, str | None]]:
    """Each mark with that of its parent."""
    marks = {item.id: mark_of(item) for item in items}
    return [
        (mark_of(item), marks[item.parent_id] if item.parent_id else None)
        for item in items
        if item.type != "thought"
    ]


EXAMPLES = int(os.environ.get("GREENFLASH_OTEL_WILD_EXAMPLES", "300"))
"""20,000 in the long run."""


@pytest.mark.timeout(0)
@settings(max_examples=EXAMPLES)
@given(
    st.tuples(HABITS, HABITS),
    st.tuples(TURNS, TURNS),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_each_message_arrives_once_under_its_first_form(
    habits: tuple[Habit, Habit], talks: tuple[list[Turn], list[Turn]], restarts: list[bool]
) -> None:
    """Also across restarts, and while another conversation takes place."""
    assume(all(map(is_knowable, habits)))
    applications = [Application(habit, name) for habit, name in zip(habits, ("amber", "birch"), strict=True)]
    for application, turns in zip(applications, talks, strict=True):
        for turn in turns:
            application.play(turn)
    arrived = [with_parents(items) for items in record(applications, restarts).values() if items]
    assert sorted(arrived, key=str) == sorted((application.happened for application in applications), key=str)
