"""Which conversation an operation belongs to, and where in it its input begins.

Asked in this order: what the application said; OpenAI's stored conversation; the response it continues;
the history it resends; the scope it ran in; the trace. Conversations of two users, and two conversations
that said exactly the same so far, are never joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from greenflash_otel.conversations.identity import id_of
from greenflash_otel.conversations.memory import Memory
from greenflash_otel.conversations.thread import Position, follow
from greenflash_otel.operations import Affiliation, Message, Operation


@dataclass(frozen=True, slots=True)
class Stitch:
    """Where an operation's input begins."""

    conversation_id: str
    position: Position
    history: str | None = None
    """Namespace in which this conversation's history is remembered; None if its id was given."""


def stitch(memory: Memory, trace_id: str, operation: Operation, messages: Sequence[Message]) -> Stitch:
    """Find the conversation of ``operation``, whose input without the system prompt is ``messages``."""
    given = operation.affiliation.conversation_id or operation.provider_conversation_id
    if given is not None:
        return Stitch(given, _position(memory, given, operation))
    if (previous := operation.previous_response_id) and (found := memory.responses.get(previous)):
        return Stitch(*found)
    namespace = f"history of {operation.affiliation.user_id or ''}"
    id = _by_history(memory, namespace, messages) or fallback_id(memory, trace_id, operation.affiliation)
    return Stitch(id, _position(memory, id, operation), None if previous else namespace)


def fallback_id(memory: Memory, trace_id: str | None, affiliation: Affiliation) -> str:
    """The conversation of the running scope, else of the trace; empty if there is neither."""
    if scope_id := affiliation.scope_id:
        return memory.scopes.get(scope_id) or f"scope-{scope_id}"
    if trace_id:
        return memory.traces.get(trace_id) or f"trace-{trace_id}"
    return ""


def remember(memory: Memory, trace_id: str, operation: Operation, stitched: Stitch, after: Position) -> None:
    """Note all by which a later operation may find the conversation again."""
    id = stitched.conversation_id
    memory.conversation(id).arrive(after)
    memory.traces.remember(trace_id, id)
    if operation.affiliation.scope_id:
        memory.scopes.remember(operation.affiliation.scope_id, id)
    if operation.response_id:
        memory.responses.remember(operation.response_id, (id, after))


def remember_history(memory: Memory, stitched: Stitch, messages: Sequence[Message]) -> None:
    """Note all that was said so far, answer included, for the request that will resend it."""
    if stitched.history is None:
        return
    tip = follow(stitched.history, Position(), messages)[1].tip
    if tip is not None:
        shared = memory.histories.get(tip, stitched.conversation_id) != stitched.conversation_id
        memory.histories.remember(tip, None if shared else stitched.conversation_id)


def _by_history(memory: Memory, namespace: str, messages: Sequence[Message]) -> str | None:
    """The conversation whose every word, up to its last answer, the request repeats."""
    for placed in reversed(follow(namespace, Position(), messages)[0]):
        if placed.id in memory.histories:
            return memory.histories[placed.id]
    return None


def _position(memory: Memory, conversation_id: str, operation: Operation) -> Position:
    known = memory.conversation(conversation_id)
    if parent := operation.input_parent_id:
        return known.positions.get(parent) or Position.after(parent)
    if previous := operation.previous_response_id:
        conversation, position = memory.responses.get(previous, ("", Position()))
        if conversation == conversation_id:
            return position
        # Never seen, or another conversation's: a beginning of its own, alike in every process.
        return Position(tip=id_of(conversation_id, None, "response", previous))
    if operation.provider_conversation_id:
        return known.latest
    return Position()
