"""Follow a conversation piece by piece and give each its id, its type and its parent. Pure.

`Position` is where in a conversation we stand; `step` takes one piece and gives what became of it and
the next position. A resent history is followed again and comes to the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from greenflash_otel.message_ids.fragments import Piece, cut
from greenflash_otel.message_ids.ids import id_of
from greenflash_otel.model.operation import Message

MessageType: TypeAlias = Literal[
    "user_message",
    "assistant_message",
    "system_message",
    "final_response",
    "thought",
    "tool_call",
    "observation",
    "tool_error",
    "llm",
    "embedding",
    "retrieval",
    "memory_read",
    "memory_write",
    "chain_start",
    "chain_end",
    "task",
    "workflow",
    "callback",
]
"""The types of Greenflash's 18 that are made so far."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a conversation we stand: all that the next piece's id, type and parent depend on."""

    tip: str | None = None
    """Id of the piece before; it goes into the next one's id."""
    visible: str | None = None
    """The last message the user said or saw."""
    asked: str | None = None
    """The user message that began the turn."""
    requested: str | None = None
    """The text that came with tool calls, within one assistant message."""
    agentic: bool = False
    """Whether the turn has used tools."""
    calls: tuple[tuple[str, str], ...] = ()
    """(call id, message id) of the turn's tool calls."""

    @classmethod
    def after(cls, message_id: str) -> Position:
        """All that can be said when only the message before is known."""
        return cls(tip=message_id, visible=message_id)

    def call(self, call_id: str | None) -> str | None:
        """Message id of the newest tool call with this call id."""
        return next((message for call, message in reversed(self.calls) if call == call_id), None)


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece with its place in the conversation."""

    piece: Piece
    id: str
    type: MessageType
    parent_id: str | None
    before: str | None
    """Id of the piece before."""
    after: Position
    """Where the conversation stands then."""


def follow(
    namespace: str, position: Position, messages: Iterable[Message]
) -> tuple[tuple[Placed, ...], Position]:
    """Place all pieces of ``messages``, beginning at ``position``."""
    placed: list[Placed] = []
    for message in messages:
        position = replace(position, requested=None)
        for piece in cut(message):
            done, position = step(namespace, position, piece)
            placed.append(done)
    return tuple(placed), position


def step(namespace: str, position: Position, piece: Piece) -> tuple[Placed, Position]:
    """Place one piece and move on."""
    if piece.aside is not None:
        return _step_aside(namespace, position, piece, piece.aside)
    answered = position.call(piece.call_id) if piece.kind == "tool_result" else None
    if answered is not None:  # its content, which may be large, does not count for its id
        id = result_id(namespace, answered)
    else:
        id = id_of(namespace, position.tip, piece.kind, piece.canonical)
    type: MessageType
    parent_id, after = position.asked or position.visible, position
    match piece.kind:
        case "user":
            type, parent_id = "user_message", position.visible
            after = Position(tip=id, visible=id, asked=id)
        case "answer":
            type = "final_response" if position.agentic and piece.ends_message else "assistant_message"
            after = replace(position, tip=id, visible=id, requested=id)
        case "tool_call":
            caller = position.call(piece.caller_id) if piece.caller_id else None
            type, parent_id = "tool_call", caller or position.requested or parent_id
            calls = (*position.calls, (piece.call_id, id)) if piece.call_id else position.calls
            after = replace(
                position, tip=position.tip if piece.by_provider else id, agentic=True, calls=calls
            )
        case "tool_result":
            type = "tool_error" if piece.failed else "observation"
            if answered is not None:
                parent_id = answered
            else:  # its call was never seen: a trimmed history
                id = id_of(namespace, position.tip, piece.kind, [piece.call_id, piece.canonical])
        case "thought":
            type = "thought"
        case "system":
            type, parent_id = "system_message", position.visible
    return Placed(piece, id, type, parent_id, position.tip, after), after


def _step_aside(namespace: str, position: Position, piece: Piece, name: str) -> tuple[Placed, Position]:
    """Place what was said beside the history: it is seen and answered, but the next id does not hash it."""
    id = id_of(namespace, position.tip, piece.kind, [name, piece.canonical])
    if piece.kind == "user":
        after = replace(position, visible=id, asked=id)
        return Placed(piece, id, "user_message", position.visible, position.tip, after), after
    after = replace(position, visible=id)
    parent_id = position.asked or position.visible
    return Placed(piece, id, "assistant_message", parent_id, position.tip, after), after


def result_id(namespace: str, call_message_id: str) -> str:
    """Id of what the tool answered: one per call, whether seen in a tool's span or in the next input."""
    return id_of(namespace, call_message_id, "tool_result", None)
