"""Follow a conversation piece by piece and give each its id, its type and its parent. Pure.

`Position` is where in a conversation we stand; `step` takes one piece and gives what became of it and
the next position. A resent history is followed again and comes to the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from greenflash_otel.conversations.identity import id_of
from greenflash_otel.conversations.messages import MessageType
from greenflash_otel.conversations.pieces import Piece, cut
from greenflash_otel.operations import Message


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
    resent: Position | None = None
    """This place as a resent history reaches it; None where that makes no difference."""
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


def follow(
    conversation_id: str, position: Position, messages: Iterable[Message]
) -> tuple[tuple[Placed, ...], Position]:
    """Place all pieces of ``messages``, beginning at ``position``."""
    placed: list[Placed] = []
    for message in messages:
        position = replace(position, requested=None)
        for piece in cut(message):
            done, position = step(conversation_id, position, piece)
            placed.append(done)
    return tuple(placed), position


def step(conversation_id: str, position: Position, piece: Piece) -> tuple[Placed, Position]:
    """Place one piece and move on."""
    id = id_of(conversation_id, position.tip, piece.kind, piece.canonical)
    match piece.kind:
        case "user":
            placed = Placed(piece, id, "user_message", position.visible)
            return placed, Position(tip=id, visible=id, asked=id)
        case "answer":
            final = position.agentic and piece.ends_message
            placed = Placed(
                piece,
                id,
                "final_response" if final else "assistant_message",
                position.asked or position.visible,
            )
            return placed, replace(position, tip=id, visible=id, requested=id)
        case "tool_call":
            parent = position.requested or position.asked or position.visible
            calls = (*position.calls, (piece.call_id, id)) if piece.call_id else position.calls
            tip = position.tip if piece.by_provider else id
            return Placed(piece, id, "tool_call", parent), replace(
                position, tip=tip, agentic=True, calls=calls
            )
        case "tool_result":
            return _place_result(conversation_id, position, piece), position
        case "thought":
            return Placed(piece, id, "thought", position.asked or position.visible), position
        case "system":
            return Placed(piece, id, "system_message", position.visible), position


def result_id(conversation_id: str, call_message_id: str) -> str:
    """Id of what the tool answered: one per call, whether seen in a tool's span or in the next input."""
    return id_of(conversation_id, call_message_id, "tool_result", None)


def _place_result(conversation_id: str, position: Position, piece: Piece) -> Placed:
    type: MessageType = "tool_error" if piece.failed else "observation"
    call = position.call(piece.call_id)
    if call is None:  # its call was never seen: a trimmed history
        id = id_of(conversation_id, position.tip, piece.kind, [piece.call_id, piece.canonical])
        return Placed(piece, id, type, position.asked or position.visible)
    return Placed(piece, result_id(conversation_id, call), type, call)
