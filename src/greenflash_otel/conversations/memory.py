"""What is remembered of conversations, with a bound on everything.

Forgetting is safe: a forgotten message is sent again under the id it had, and Greenflash skips it; a
forgotten link costs a parent or, for a conversation nobody named, begins a new one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from greenflash_otel.conversations.identity import namespace_of
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
ALTERNATIVES = 16
"""Messages remembered that follow on the same one, or say the same; the oldest are forgotten first."""
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


@dataclass(frozen=True, slots=True)
class Node:
    """A message that others follow on, as it is found again in a resent history."""

    id: str
    kind: str
    key: str
    """A hash of what it says."""
    before: str | None
    """Id of the message it follows on."""
    position: Position
    """Where the conversation stands after it."""
    sketch: int
    """Its words as bits, if it is an answer: two answers that are much alike share most of them."""


@dataclass(slots=True)
class Known:
    """What is known of one conversation."""

    namespace: str
    """What the ids of its messages are hashed with; see `identity`."""
    sent: Bounded[str, None] = field(default_factory=lambda: Bounded(MESSAGES))
    """Ids of the messages that were handed on."""
    positions: Bounded[str, Position] = field(default_factory=lambda: Bounded(POSITIONS))
    """Where its branches stand, by the id of their last message."""
    nodes: Bounded[str, Node] = field(default_factory=lambda: Bounded(MESSAGES))
    """The messages that others follow on, by id."""
    resends: bool = False
    """Whether the application has ever told history: sent an answer back, or named what it continues."""
    turns: int = 0
    """User messages so far."""
    following: Bounded[str, tuple[str, ...]] = field(default_factory=lambda: Bounded(MESSAGES))
    """Ids of the nodes that follow on one, by its id; of those that begin the conversation, by ""."""
    saying: Bounded[str, tuple[str, ...]] = field(default_factory=lambda: Bounded(MESSAGES))
    """Ids of the nodes that say the same, by their key."""
    bridges: Bounded[str, str] = field(default_factory=lambda: Bounded(MESSAGES))
    """Id of a message by that of the place after it, where this does not follow from it; see `stitching`."""
    calls: Bounded[str, str] = field(default_factory=lambda: Bounded(CALLS))
    """Message id of the newest tool call with a call id."""
    latest: Position = field(default_factory=Position)
    last_ms: int = 0
    """Time of the newest message, Unix milliseconds."""
    user_id: str | None = None
    organization_id: str | None = None
    main_prompt: int | None = None
    """The words of the main line's system prompt, as a sketch; None while no main line is known."""
    main_is_for_programs: bool = False
    """Whether it answers in JSON or single words."""
    said_last: tuple[str, str] = ("", "")
    """How the newest user message and the answer to it begin; see `sidelines`."""

    def arrive(self, position: Position) -> None:
        """Note where the conversation stands now."""
        self.latest = position
        if position.tip is not None:
            self.positions.remember(position.tip, position)

    def place(self, node: Node) -> None:
        """Note a message that others follow on."""
        if node.id in self.nodes:
            return
        self.turns += node.kind == "user"
        self.nodes.remember(node.id, node)
        before = self.before(node)
        for index, key in ((self.following, before.id if before else ""), (self.saying, node.key)):
            index.remember(key, (*index.get(key, ()), node.id)[-ALTERNATIVES:])

    def before(self, node: Node) -> Node | None:
        """The message that one follows on."""
        id = node.before or ""
        return self.nodes.get(self.bridges.get(id, id))

    def after(self, node: Node | None) -> list[Node]:
        """The messages that follow on one, or begin the conversation; the newest first."""
        return self._nodes(self.following.get(node.id if node else "", ()))

    def that_say(self, key: str) -> list[Node]:
        """The messages that say this, wherever they stand; the newest first."""
        return self._nodes(self.saying.get(key, ()))

    def _nodes(self, ids: Sequence[str]) -> list[Node]:
        return [node for id in reversed(ids) if (node := self.nodes.get(id))]

    def next_ms(self, at_ms: int) -> int:
        """``at_ms``, or a moment after the newest message where that is later."""
        self.last_ms = max(at_ms, self.last_ms + 1)
        return self.last_ms


class Memory:
    """Everything the conversation model remembers. Not thread-safe: its owner serialises access.

    Args:
        key: Makes ids that do not tell whether a text was guessed rightly, alike in all processes that share
            it; at most 64 bytes.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
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
        known = self._conversations.get(id) or Known(namespace_of(id, self._key))
        self._conversations.remember(id, known)
        return known

    def forget(self, id: str) -> None:
        """Know nothing of a conversation: what is told of it again is news, under the ids it had."""
        self._conversations.pop(id, None)
