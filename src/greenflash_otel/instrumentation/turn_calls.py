"""Model calls of another instrumentation in a turn that a framework records.

A node of a graph may call a provider's SDK itself. The framework does not see that call. If nothing else marks
what the user said, the call does. Its instrumentation notes it here, and the framework reads it when its turn ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import MAIN_CALLS, Operation

TURNS = 10_000
"""Turns of which calls are remembered at once."""
CALLS = 8
"""Calls that are remembered of a turn: the first ones."""

_calls: LruDict[str, list[Operation]] = LruDict(TURNS)


def open_turn(turn_id: str) -> None:
    """Begin to remember the model calls of a turn."""
    _calls.remember(turn_id, [])


def may_be_noted(operation: Operation) -> bool:
    """Return whether a model call belongs to a turn, which wants to know at once what it said."""
    return operation.conversation_context.turn_id is not None


def note_call(operation: Operation) -> None:
    """Note a model call, if it belongs to an open turn and not to a tool in it."""
    context = operation.conversation_context
    calls = _calls.get(context.turn_id) if context.turn_id is not None else None
    if calls is None or context.tool_call_id is not None or operation.name not in MAIN_CALLS:
        return
    if len(calls) < CALLS:
        calls.append(operation)


def close_turn(turn_id: str | None) -> Sequence[Operation]:
    """Return the model calls of a turn, and forget them."""
    return () if turn_id is None else _calls.pop(turn_id, ())
