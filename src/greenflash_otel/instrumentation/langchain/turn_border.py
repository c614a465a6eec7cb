"""The border between what was said before a turn and what the turn added.

It follows from what the root was given, from the state of its graph when the first node began, and from which
messages the steps of the turn made. Roles say nothing about it: nodes write messages in any role.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from greenflash_otel.instrumentation.langchain.message_forms import (
    convert_messages,
    match_messages,
    restore_messages,
)
from greenflash_otel.instrumentation.langchain.messages import is_message, text_of
from greenflash_otel.instrumentation.langchain.root_input import find_messages
from greenflash_otel.instrumentation.langchain.run_registry import Turn
from greenflash_otel.semconv.formats.langchain import role_of, tool_calls_of


class TurnBorder:
    """The messages of a turn: those that it began with, and those that it added."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.state = self._read_state()
        """The messages that the root returned, if it returned more than one."""
        steps = [step.message for step in turn.steps if is_message(step.message)]
        self._made = {id(message) for message in steps}
        self._names = {name for message in steps if (name := getattr(message, "id", None))}
        self._calls = {step.run.tool_call_id for step in turn.steps if step.run.kind == "tool"} - {None}

    def read_begun(self, count_known: Callable[[Sequence[Any]], int]) -> list[Any]:
        """Return the messages that were there before any step of this turn said something.

        Those that had no id have the one that the graph gave them since: a resumed turn knows them by it.

        Args:
            count_known: Says how many of some messages earlier turns have recorded.
        """
        begun = self._find_begun(count_known)
        if all(getattr(message, "id", None) for message in begun):
            return begun
        matches = match_messages(self.state, begun)
        named = {at: message for at, message in zip(matches, self.state, strict=True) if at is not None}
        return [
            message if getattr(message, "id", None) else named.get(at, message)
            for at, message in enumerate(begun)
        ]

    def _find_begun(self, count_known: Callable[[Sequence[Any]], int]) -> list[Any]:
        turn, inputs = self._turn, restore_messages(self._turn.given.messages)
        if turn.state is not None:
            begun = restore_messages(turn.state)
            ends = (at for at in range(len(begun) - 1, -1, -1) if role_of(begun[at]) == "user")
            made_here = (at for at in range(next(ends, 0), len(begun)) if self._is_made_here(begun[at]))
            begun = begun[: next(made_here, len(begun))]  # the first step was seen late: a resumed graph
            if inputs and role_of(inputs[-1]) == "user" and match_messages(inputs[-1:], begun) == [None]:
                begun.append(inputs[-1])
            return begun
        if inputs:  # a graph in the root may have more than the root was given
            matches = match_messages(self.state, inputs)
            first = next((at for at, match in enumerate(matches) if match is not None), 0)
            return [*self.state[:first], *inputs]
        words = [text.strip() for _, text in turn.given.texts]
        questions = (at + 1 for at, message in enumerate(self.state) if _is_said(message, words))
        return self.state[: max(questions, default=count_known(self.state))]

    def read_new(self, begun: Sequence[Any]) -> list[Any]:
        """Return what of the messages at the end follows on those that were there before."""
        is_made_here = [self._is_made_here(message) for message in self.state]
        matches = match_messages(self.state, begun)
        border = max(
            (at + 1 for at, match in enumerate(matches) if match is not None and not is_made_here[at]),
            default=0,
        )
        return self.state[border:]

    def _read_state(self) -> list[Any]:
        """Return the messages that the root returned, if it returned more than one."""
        outputs = self._turn.outputs if self._turn.answered else None
        messages = (
            None if outputs is None or is_message(outputs) else find_messages(outputs, self._turn.given.key)
        )
        if messages is None or (len(messages) < 2 and isinstance(outputs, (list, tuple))):
            return []
        return convert_messages(messages)

    def _is_made_here(self, message: Any) -> bool:
        """Return whether a step of this turn made a message: it is the same, edited or not, or its tool's result."""
        if id(message) in self._made or getattr(message, "id", None) in self._names:
            return True
        return role_of(message) == "tool" and getattr(message, "tool_call_id", None) in self._calls


def _is_said(message: Any, words: Sequence[str]) -> bool:
    """Return whether it is a message of the user with one of these texts."""
    return role_of(message) == "user" and text_of(message).strip() in words


def remove_alternatives(messages: Sequence[Any]) -> list[Any]:
    """Return a history as it was recorded: of several answers to one message, the last."""
    retained = list[Any]()
    pending: Any = None
    for message in messages:
        if role_of(message) == "user" and pending is not None:
            retained.append(pending)
            pending = None
        if is_answer(message):
            pending = message
        else:
            retained.append(message)
    return [*retained, pending] if pending is not None else retained


def is_answer(message: Any) -> bool:
    """Return whether a message speaks and asks for no tool."""
    return role_of(message) == "assistant" and not tool_calls_of(message) and bool(text_of(message))
