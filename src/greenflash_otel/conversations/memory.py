"""What is remembered of conversations, with a bound on everything.

Forgetting is safe: a forgotten message is sent again under the id it had, and Greenflash skips it; a
forgotten link costs a parent or, for a conversation nobody named, begins a new one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from greenflash_otel.conversations.thread import Position
from greenflash_otel.operations import Operation
from greenflash_otel.spans import SpanRecord

K = TypeVar("K")
V = TypeVar("V")

CONVERSATIONS = 10_000
"""Conversations remembered at once; the one unused longest goes first."""
MESSAGES = 5_000
"""Message ids remembered per conversation."""
POSITIONS = 64
"""Branch ends remembered per conversation."""
LINKS = 50_000
"""Response ids, item ids, history ends, traces and scopes remembered, each."""
WAITING = 1_000
"""Trace ids and call ids for which operations wait; see `waiting`."""
CALLS = 1_000
"""Tool calls remembered per conversation."""


class Bounded(OrderedDict[K, V], Generic[K, V]):
    """A mapping that forgets what was used longest ago."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def remember(self, key: K, value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)


@dataclass(slots=True)
class Known:
    """What is known of one conversation."""

    sent: Bounded[str, None] = field(default_factory=lambda: Bounded(MESSAGES))
    """Ids of the messages that were handed on."""
    positions: Bounded[str, Position] = field(default_factory=lambda: Bounded(POSITIONS))
    """Where its branches stand, by the id of their last message."""
    aliases: Bounded[str, str] = field(default_factory=lambda: Bounded(MESSAGES))
    """Id of a message by the one it has when its history is resent; only where the two differ."""
    calls: Bounded[str, str] = field(default_factory=lambda: Bounded(CALLS))
    """Message id of the newest tool call with a call id."""
    latest: Position = field(default_factory=Position)
    last_ms: int = 0
    """Time of the newest message, Unix milliseconds."""
    user_id: str | None = None
    organization_id: str | None = None

    def arrive(self, position: Position) -> None:
        """Note where the conversation stands now."""
        self.latest = position
        if position.tip is not None:
            self.positions.remember(position.tip, position)

    def next_ms(self, at_ms: int) -> int:
        """``at_ms``, or a moment after the newest message where that is later."""
        self.last_ms = max(at_ms, self.last_ms + 1)
        return self.last_ms


class Memory:
    """Everything the conversation model remembers. Not thread-safe: its owner serialises access."""

    def __init__(self) -> None:
        self._conversations: Bounded[str, Known] = Bounded(CONVERSATIONS)
        self.responses: Bounded[str, tuple[str, Position]] = Bounded(LINKS)
        """Conversation and place in it by response id, for ``previous_response_id``."""
        self.told: Bounded[str, None] = Bounded(LINKS)
        """Response ids whose answer was told."""
        self.items: Bounded[str, tuple[str, Position]] = Bounded(LINKS)
        """Conversation and place in it by the id of a stored item, which an input may refer to."""
        self.histories: Bounded[str, str | None] = Bounded(LINKS)
        """Conversation by the hash of all that was said in it; None where two conversations share it."""
        self.traces: Bounded[str, str] = Bounded(LINKS)
        """Newest conversation of a trace."""
        self.scopes: Bounded[str, str] = Bounded(LINKS)
        """Newest conversation of an entry into `conversation()` without an id."""
        self.calls: Bounded[str, str | None] = Bounded(LINKS)
        """Conversation by the call id of a tool call; None where two conversations have it."""
        self.waiting: Bounded[str, list[tuple[SpanRecord, Operation]]] = Bounded(WAITING)
        """Operations by what they wait for, a trace id or a call id."""

    def call(self, call_id: str, conversation_id: str, message_id: str) -> None:
        """Note that a tool call was told."""
        self.conversation(conversation_id).calls.remember(call_id, message_id)
        shared = self.calls.get(call_id, conversation_id) != conversation_id
        self.calls.remember(call_id, None if shared else conversation_id)

    def conversation(self, id: str) -> Known:
        """What is known of a conversation; creates an empty record of a new one."""
        known = self._conversations.get(id) or Known()
        self._conversations.remember(id, known)
        return known
