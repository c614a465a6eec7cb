"""Which conversation an operation belongs to, and where in it its input begins.

Asked in this order: what the application said; OpenAI's stored conversation; the response it continues
or fetches, and stored items it refers to; the tool call whose result it begins with; the history it
resends; the scope it ran in; the trace.
Conversations of two users, and two conversations that said exactly the same so far, are never joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from greenflash_otel.conversations.index import Place, claim
from greenflash_otel.conversations.state import Known
from greenflash_otel.conversations.store import Memory
from greenflash_otel.message_ids.chain import Position, follow
from greenflash_otel.message_ids.fragments import NOT_SAID, cut
from greenflash_otel.message_ids.ids import id_of
from greenflash_otel.model.operation import (
    FETCH,
    Affiliation,
    Message,
    Operation,
    Other,
    Part,
    ToolCallResponse,
)


@dataclass(frozen=True, slots=True)
class Stitch:
    """Where an operation's input begins."""

    conversation_id: str
    position: Position
    messages: Sequence[Message] = ()
    """What of the input follows on `position`."""
    history: str | None = None
    """Namespace in which this conversation's history is remembered; None if its id was given."""
    by_trace: bool = False
    """True where nothing but the trace tells which conversation it is, and the trace not yet either."""


def stitch(memory: Memory, trace_id: str, operation: Operation, messages: Sequence[Message]) -> Stitch:
    """Find the conversation of ``operation``, whose input without the system prompt is ``messages``."""
    given = operation.affiliation.conversation_id or operation.provider_conversation_id
    anchor, rest = _after_known_items(memory, given, messages)
    link = anchor or _continued(memory, operation) or _after_call(memory, given, operation, messages)
    if given is not None:
        if link is None or link[0] != given:
            link, rest = (given, _position(memory, given, operation)), messages
        return Stitch(*link, rest)
    if link is not None:
        return Stitch(*link, rest)
    if by_call := _by_call(memory, operation):
        return Stitch(by_call, Position(), messages)
    namespace = memory.namespace(f"history of {operation.affiliation.user_id or ''}")
    by_history = _by_history(memory, namespace, messages)
    id = by_history or fallback_id(memory, trace_id, operation.affiliation)
    return Stitch(
        id,
        _position(memory, id, operation),
        messages,
        history=None if operation.previous_response_id else namespace,
        by_trace=not (by_history or operation.affiliation.scope_id or memory.traces.knows(trace_id)),
    )


def fallback_id(memory: Memory, trace_id: str | None, affiliation: Affiliation) -> str:
    """The conversation of the running scope, else of the trace; empty if there is neither."""
    if scope_id := affiliation.scope_id:
        return memory.scopes.find(scope_id) or f"scope-{scope_id}"
    if trace_id:
        return memory.traces.find(trace_id) or f"trace-{trace_id}"
    return ""


def remember(
    memory: Memory, trace_id: str, operation: Operation, stitched: Stitch, asked: Position, after: Position
) -> None:
    """Note all by which a later operation may find the conversation again."""
    id = stitched.conversation_id
    memory.conversation(id).arrive(after)
    memory.traces.remember(trace_id, id)
    if operation.affiliation.scope_id:
        memory.scopes.remember(operation.affiliation.scope_id, id)
    if operation.response_id and not (
        operation.ending == "pending" and memory.told.knows(operation.response_id)
    ):
        memory.responses.remember(operation.response_id, (id, after))
    for item_id in operation.output_item_ids:
        memory.items.remember(item_id, (id, after))
    for message in operation.output:
        for part in message.parts:
            # What follows a compaction may be resent beside it: it stands for what was said before.
            for name in _names(part):
                memory.items.remember(name, (id, asked))


def remember_history(memory: Memory, stitched: Stitch, messages: Sequence[Message]) -> None:
    """Note all that was said so far, answer included, for the request that will resend it."""
    if stitched.history is None:
        return
    tip = follow(stitched.history, Position(), messages)[1].tip
    for sign in (tip, *_exchanges(stitched.history, messages)[-1:]):
        if sign is not None:
            claim(memory.histories, sign, stitched.conversation_id)


def _at_response(known: Known, role: Literal["fetched", "continued"], id: str, place: Position) -> Position:
    """The place of a response's answer that is fetched, or of what continues it.

    Its tip depends on nothing but the conversation and the response: whoever tells what comes there, in
    whatever process and order, gives it the same ids. What is known of the ``place`` adds parents.
    """
    tip = id_of(known.namespace, None, role, id)
    if place.tip is not None:
        known.bridges.remember(tip, place.tip)
    return replace(place, tip=tip)


def _continued(memory: Memory, operation: Operation) -> Place | None:
    """The place after the response that an operation continues, or at the one that it fetches."""
    previous = operation.previous_response_id
    if operation.name == FETCH and operation.response_id:
        if found := memory.responses.find(operation.response_id) or memory.responses.find(previous or ""):
            id, place = found
            return id, _at_response(memory.conversation(id), "fetched", operation.response_id, place)
    elif previous and (found := memory.responses.find(previous)):
        id, place = found
        return id, _at_response(memory.conversation(id), "continued", previous, place)
    return None


def _after_known_items(
    memory: Memory, conversation_id: str | None, messages: Sequence[Message]
) -> tuple[Place | None, Sequence[Message]]:
    """The place of the last stored item that the input refers to, and what of the input comes after it."""
    for at in range(len(messages) - 1, -1, -1):
        parts = messages[at].parts
        for index in range(len(parts) - 1, -1, -1):
            for name in _names(parts[index]):
                link = memory.items.find(name)
                if link and conversation_id in (None, link[0]):
                    return link, (replace(messages[at], parts=parts[index + 1 :]), *messages[at + 1 :])
    return None, messages


def _after_call(
    memory: Memory, conversation_id: str | None, operation: Operation, messages: Sequence[Message]
) -> Place | None:
    """The place after a tool call, where the input begins with its result: it continues what asked for it."""
    if operation.previous_response_id or any(message.role == "assistant" for message in messages):
        return None  # the first is named, the second a window that begins with a result
    first = messages[0].parts[:1] if messages else ()
    call_id = next((part.id for part in first if isinstance(part, ToolCallResponse)), None)
    id = memory.calls.find(call_id) if call_id else None
    if call_id is None or id is None or conversation_id not in (None, id):
        return None
    known, user_id = memory.conversation(id), operation.affiliation.user_id
    if user_id and known.user_id not in (None, user_id):
        return None
    if known.latest.call(call_id):
        return id, known.latest
    node = known.nodes.get(known.calls.get(call_id, ""))
    return (id, node.position) if node else None


def _names(part: Part) -> list[str]:
    """What names the stored item that a part stands for: its id, and what is sealed in it."""
    if not isinstance(part, Other) or part.type not in NOT_SAID:
        return []
    names = (part.fields.get("id"), part.fields.get("encrypted_content"))
    return [name for name in names if isinstance(name, str)]


def _by_call(memory: Memory, operation: Operation) -> str | None:
    """The conversation that asked for the tool which an operation runs, or runs in."""
    call_id = operation.tool.call_id if operation.tool else operation.affiliation.tool_call_id
    return memory.calls.find(call_id) if call_id else None


def _by_history(memory: Memory, namespace: str, messages: Sequence[Message]) -> str | None:
    """The conversation whose every word, up to its last answer, the request repeats; or its last exchange."""
    whole = [placed.id for placed in follow(namespace, Position(), messages)[0]]
    for sign in (*reversed(whole), *reversed(_exchanges(namespace, messages))):
        if memory.histories.knows(sign):
            return memory.histories.find(sign)
    return None


def _exchanges(namespace: str, messages: Sequence[Message]) -> list[str]:
    """What names a user message with the last answer to it, for those who resend no more than that."""
    found: dict[int, str] = {}
    said, number = None, 0
    for piece in (piece for message in messages for piece in cut(message)):
        if piece.kind == "user":
            said, number = piece, number + 1
        elif piece.kind == "answer" and said is not None:
            found[number] = id_of(namespace, None, "exchange", [said.canonical, piece.canonical])
    return list(found.values())


def _position(memory: Memory, conversation_id: str, operation: Operation) -> Position:
    known = memory.conversation(conversation_id)
    if parent := operation.input_parent_id:
        return known.positions.get(parent) or Position.after(parent)
    if operation.name == FETCH and operation.response_id:
        return _at_response(known, "fetched", operation.response_id, Position())
    if previous := operation.previous_response_id:
        return _at_response(known, "continued", previous, Position())
    if operation.provider_conversation_id:
        return known.latest
    return Position()
