"""A captured conversation as a test reads it: what the user saw, the steps behind it, and what it led to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenflash_otel.emulator.stored import StoredConversation, StoredOutcome, StoredRating
from greenflash_otel.testing.tree import LEGEND, compare_trees, remember_text, write_tree
from greenflash_otel.testing.turns import (
    CapturedMessage,
    CapturedStep,
    CapturedTurn,
    list_branches,
    read_turns,
)


class CapturedConversation:
    """A conversation as it is at the moment of reading."""

    def __init__(self, raw: StoredConversation) -> None:
        self.raw = raw
        """Everything that was stored, with the JSON as it was sent."""
        self.id: str = raw.external_id or raw.id
        """The id that the application gave it, else Greenflash's."""
        self.user = raw.external_user_id
        self.organization = raw.external_organization_id
        self.properties: Mapping[str, Any] = raw.properties or {}
        turns = read_turns(raw)
        self.turns: tuple[CapturedTurn, ...] = tuple(turns.values())
        """From one message of the user to the next, in the order of their times."""
        self.branches: tuple[tuple[CapturedTurn, ...], ...] = tuple(list_branches(raw, turns))
        """Each way through the turns, from a first to a last one: several where the user asked again."""

    @property
    def messages(self) -> tuple[CapturedMessage, ...]:
        """What the user said and saw."""
        return tuple(message for turn in self.turns for message in turn.messages)

    @property
    def steps(self) -> tuple[CapturedStep, ...]:
        """What the user did not see; the result of a tool belongs to its call."""
        return tuple(step for turn in self.turns for step in turn.steps)

    @property
    def visible(self) -> list[str]:
        """What the user said and saw, as ``ada: …`` and ``answer: …``."""
        return [str(message) for message in self.messages]

    @property
    def tool_calls(self) -> list[str]:
        """Names of the tools that were called."""
        return [step.tool_name or "" for step in self.steps if step.type == "tool_call"]

    @property
    def outcomes(self) -> tuple[StoredOutcome, ...]:
        """In order of arrival."""
        return self.raw.outcomes

    @property
    def ratings(self) -> tuple[StoredRating, ...]:
        """Of the conversation and of its messages, in order of arrival."""
        return self.raw.ratings

    def outcome(self, event_type: str) -> StoredOutcome:
        """Return the only outcome of a type. Raises `AssertionError` if there is none, or another one."""
        found = [outcome for outcome in self.outcomes if outcome.event_type == event_type]
        if len(found) != 1:
            there = ", ".join(outcome.event_type for outcome in self.outcomes) or "none"
            raise AssertionError(f"{self.id} has {len(found)} outcomes {event_type!r}; its outcomes: {there}")
        return found[0]

    @property
    def text(self) -> str:
        """The tree, without ids and times."""
        return remember_text(write_tree(self.turns, self.ratings, self.outcomes), self.id)

    @property
    def summary(self) -> str:
        """Its id, and how much there is of it."""
        counts = (
            (len(self.messages), "message"),
            (len(self.steps), "step"),
            (len(self.outcomes), "outcome"),
            (len(self.ratings), "rating"),
        )
        said = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n]
        return f"{self.id}  {', '.join(said) or 'empty'}"

    def __repr__(self) -> str:
        return f"<{self.summary}>"


def assert_conversation(conversation: CapturedConversation, expected: str) -> None:
    """Assert that a conversation is as a tree says, and show the difference if not.

    Args:
        conversation: As `wait_for` returns it.
        expected: The tree, as ``conversation.text`` writes it. Spaces between words do not count, nor does
            the indentation of the whole. ``…`` matches any text,
            on a line of its own any lines. ``<any>`` matches one value.
    """
    __tracebackhide__ = True
    captured = write_tree(conversation.turns, conversation.ratings, conversation.outcomes)
    if lines := compare_trees(expected, captured):
        raise AssertionError("\n".join([f"{conversation.id} {LEGEND}", *(f"    {line}" for line in lines)]))
