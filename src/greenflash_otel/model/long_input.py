"""Describe the input of a call that is long: how it begins was often read before. Plain values.

A chat client resends the whole history with each call. The text of the attribute that has it is known by its digest up
to the newest question that an earlier call asked. So what follows is read, and the digest stands for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from greenflash_otel.values import value

if TYPE_CHECKING:
    from greenflash_otel.model.operation import Message, Operation


class Place(NamedTuple):
    """A place in a text, by what is before it."""

    at: int
    digest: bytes


@value
class Beginning:
    """What became of the beginning of an input. It has nothing of what was said."""

    conversation_id: str
    state_serial: int
    """Which `ConversationState` has its messages; one that was forgotten and read again is another."""
    head_id: str
    """Id of the link at its end, in the conversation."""
    history_namespace: str | None
    history_head_id: str | None
    """The same among the histories of conversations that nobody named."""
    part_count: int
    """Parts of its messages, without the system prompt."""
    prompt_end: int
    """Where the system prompt ends in the text."""


@dataclass(frozen=True, slots=True, eq=False)
class LongInput:
    """The input of a call, in the text of an attribute."""

    last_question: Place
    """Where its newest question begins: up to there it will be resent."""
    prompt_end: int
    entry_count: int
    """Messages from there on."""
    read_whole: Callable[[], tuple[Message, ...]]
    beginning: Beginning | None = None
    """What was left out of `Operation.input`, between the system prompt and the rest; None: nothing was."""


def with_whole_input(operation: Operation) -> Operation:
    """Return an operation with all of its input."""
    long_input = operation.long_input
    if long_input is None or long_input.beginning is None:
        return operation
    whole = replace(long_input, beginning=None)
    return replace(operation, input=long_input.read_whole(), long_input=whole)
