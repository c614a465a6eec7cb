"""What is remembered of conversations, with a bound on everything.

Forgetting is safe: a forgotten message is sent again under the id it had, and Greenflash skips it; a
forgotten link costs a parent or, for a conversation nobody named, begins a new one. What there is to know
can be noted (`Memory.news`), for whoever comes after.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar

from greenflash_otel import faults
from greenflash_otel.conversations import notes
from greenflash_otel.conversations.identity import namespace_of
from greenflash_otel.conversations.notes import Blank, Note, Notebook
from greenflash_otel.conversations.thread import Position
from greenflash_otel.conversations.waiting import Waiting
from greenflash_otel.operations import Operation

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
ALTERNATIVES = 16
"""Messages remembered that follow on the same one, or say the same; the oldest are forgotten first."""
CALLS = 1_000
"""Tool calls, and spans of model calls, remembered per conversation."""
MAPPINGS = ("bridges", "nodes", "told", "positions", "calls", "spans")
"""What a note of a conversation says besides its state."""


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


class Noted(Bounded[K, V]):
    """One that also knows what is new since that was last noted."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._fresh = 0  # so many entries at the end hold all that is new

    def remember(self, key: K, value: V) -> None:
        if self._fresh or key not in self or self[key] != value:
            self._fresh += 1
        super().remember(key, value)

    def news(self) -> list[tuple[K, V]]:
        """What is new, oldest first."""
        return list(islice(reversed(self.items()), self._fresh))[::-1]

    def noted(self) -> None:
        """Nothing of it is new any more."""
        self._fresh = 0


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


Excerpt: TypeAlias = tuple[int, str]
"""The beginning of a text: how many characters, and their hash."""


@dataclass(slots=True)
class Known:
    """What is known of one conversation."""

    namespace: str
    """What the ids of its messages are hashed with; see `identity`."""
    sent: Noted[str, None] = field(default_factory=lambda: Noted(MESSAGES))
    """Ids of the messages that were handed on."""
    positions: Noted[str, Position] = field(default_factory=lambda: Noted(POSITIONS))
    """Where its branches stand, by the id of their last message."""
    nodes: Noted[str, Node] = field(default_factory=lambda: Noted(MESSAGES))
    """The messages that others follow on, by id."""
    resends: bool = False
    """Whether the application has ever told history: sent an answer back, or named what it continues."""
    turns: int = 0
    """User messages so far."""
    following: Bounded[str, tuple[str, ...]] = field(default_factory=lambda: Bounded(MESSAGES))
    """Ids of the nodes that follow on one, by its id; of those that begin the conversation, by ""."""
    saying: Bounded[str, tuple[str, ...]] = field(default_factory=lambda: Bounded(MESSAGES))
    """Ids of the nodes that say the same, by their key."""
    bridges: Noted[str, str] = field(default_factory=lambda: Noted(MESSAGES))
    """Id of a message by that of the place after it, where this does not follow from it; see `stitching`."""
    calls: Noted[str, str] = field(default_factory=lambda: Noted(CALLS))
    """Message id of the newest tool call with a call id."""
    spans: Noted[str, None] = field(default_factory=lambda: Noted(CALLS))
    """The model calls that were told, by span and how much it said."""
    latest: Position = field(default_factory=Position)
    last_ms: int = 0
    """Time of the newest message, Unix milliseconds."""
    user_id: str | None = None
    organization_id: str | None = None
    main_prompt: int | None = None
    """The words of the main line's system prompt, as a sketch; None while no main line is known."""
    main_is_for_programs: bool = False
    """Whether it answers in JSON or single words."""
    said_last: tuple[Excerpt, Excerpt] | None = None
    """How the newest user message and the answer to it begin; see `sidelines`."""
    _noted: list[object] = field(default_factory=list)
    """What was last noted of all but the mappings."""

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

    def news(self) -> dict[str, object] | None:
        """What is new since it was last noted; None if nothing is."""
        nodes = [
            [one.id, one.kind, one.key, one.before, notes.write_position(one.position), f"{one.sketch:x}"]
            for _, one in self.nodes.news()
        ]
        positions = [[tip, notes.write_position(position)] for tip, position in self.positions.news()]
        told = [id for id, _ in self.sent.news()]
        spans = [span for span, _ in self.spans.news()]
        found = {"bridges": self.bridges.news(), "nodes": nodes, "told": told, "positions": positions}
        found |= {"calls": self.calls.news(), "spans": spans, "state": self._state()}
        return found if any(found[name] for name in MAPPINGS) or found["state"] != self._noted else None

    def noted(self) -> None:
        """Nothing is new any more."""
        for mapping in (self.bridges, self.nodes, self.sent, self.positions, self.calls, self.spans):
            mapping.noted()
        self._noted = self._state()

    def learn(self, found: Mapping[str, Any]) -> None:
        """Know what was noted, after what was noted before."""
        for mapping, pairs in ((self.bridges, found["bridges"]), (self.calls, found["calls"])):
            for name, id in pairs:
                mapping.remember(name, id)
        for id, kind, key, before, position, sketch in found["nodes"]:
            self.place(Node(id, kind, key, before, notes.read_position(position), int(sketch, 16)))
        for known, names in ((self.sent, found["told"]), (self.spans, found["spans"])):
            for name in names:
                known.remember(name, None)
        for tip, position in found["positions"]:
            self.positions.remember(tip, notes.read_position(position))
        latest, said, *state = found["state"]
        self.latest = notes.read_position(latest)
        self.said_last = said and (tuple(said[0]), tuple(said[1]))
        self.resends, self.turns, self.last_ms, *state = state
        self.user_id, self.organization_id, self.main_prompt, self.main_is_for_programs = state

    def _state(self) -> list[object]:
        state = [self.resends, self.turns, self.last_ms, self.user_id, self.organization_id]
        said = self.said_last
        return [notes.write_position(self.latest), said, *state, self.main_prompt, self.main_is_for_programs]


Place: TypeAlias = tuple[str, Position]
"""A conversation and a place in it."""


class Links(Noted[str, V]):
    """Leads from names to conversations; also by what was noted before this process began.

    Args:
        recall: Gives the value that was noted of a name, in a list; an empty one if none was.
    """

    def __init__(self, recall: Callable[[str], Sequence[V]]) -> None:
        super().__init__(LINKS)
        self._recall = recall

    def find(self, name: str) -> V | None:
        """Where a name leads."""
        return self[name] if self.knows(name) else None

    def knows(self, name: str) -> bool:
        """Whether a name leads anywhere, or did."""
        if name not in self:
            for value in self._recall(name):
                self[name] = value
                self.move_to_end(name, last=False)  # it is not new
        return name in self


def claim(links: Links[str | None], name: str, conversation_id: str) -> None:
    """Let a name lead to a conversation; nowhere, if it has led to another."""
    shared = links.knows(name) and links.find(name) != conversation_id
    links.remember(name, None if shared else conversation_id)


class Memory:
    """Everything the conversation model remembers. Not thread-safe: its owner serialises access.

    Args:
        key: Makes ids that do not tell whether a text was guessed rightly, alike in all processes that share
            it; at most 64 bytes.
        notebook: Where earlier processes noted what they knew; None if nobody ever notes anything.
        owner: Of what is noted; nobody else finds it.
    """

    def __init__(self, key: bytes = b"", notebook: Notebook | None = None, owner: str = "") -> None:
        self._key = key
        self._notes = notebook is not None
        self._notebook = notebook or Blank()
        self._owner = hashlib.blake2b(
            owner.encode("utf-8", "surrogatepass"), key=key, digest_size=8
        ).hexdigest()
        self._conversations: Bounded[str, Known] = Bounded(CONVERSATIONS)
        self._touched: dict[str, Known] = {}  # since the last note; of nobody who notes nothing
        self._forgotten: dict[str, None] = {}
        self._links: dict[str, Links[Any]] = {}
        self.responses: Links[Place] = self._lead("response")
        """Conversation and place in it by response id, for ``previous_response_id``."""
        self.told: Links[None] = self._lead("told")
        """Response ids whose answer was told."""
        self.items: Links[Place] = self._lead("item")
        """Conversation and place in it by the id of a stored item, which an input may refer to."""
        self.histories: Links[str | None] = self._lead("history")
        """Conversation by the hash of all that was said in it; None where two conversations share it."""
        self.traces: Links[str] = self._lead("trace")
        """Newest conversation of a trace."""
        self.scopes: Links[str] = self._lead("scope")
        """Newest conversation of an entry into `conversation()` without an id."""
        self.calls: Links[str | None] = self._lead("call")
        """Conversation by the call id of a tool call; None where two conversations have it."""
        self.notable: Links[None] = self._lead("notable")
        """Conversations that are kept whatever sampling says."""
        self.waiting = Waiting()
        """Operations that wait for what they belong to."""
        self.recall_waiting()

    def call(self, call_id: str, conversation_id: str, message_id: str) -> None:
        """Note that a tool call was told."""
        self.conversation(conversation_id).calls.remember(call_id, message_id)
        claim(self.calls, call_id, conversation_id)

    def namespace(self, name: str) -> str:
        """What the ids of something are hashed with."""
        return namespace_of(name, self._key)

    def conversation(self, id: str) -> Known:
        """What is known of a conversation; creates an empty record of a new one."""
        known = self._conversations.get(id) or self._recalled(id)
        self._conversations.remember(id, known)
        if self._notes:
            self._touched[id] = known
        return known

    def forget(self, id: str) -> None:
        """Know nothing of a conversation: what is told of it again is news, under the ids it had."""
        self._conversations.pop(id, None)
        self._touched.pop(id, None)
        if self._notes:
            self._forgotten[id] = None

    def recall_waiting(self) -> None:
        """Let wait on what waited when an earlier process ended."""
        for text in self._notebook.recall_found(self._topic("waiting")):
            with faults.guarded("recall what was noted"):
                key, held = notes.read(text)
                self.waiting.hold(key, *notes.read_held(held), noted=True)

    def news(
        self,
        clean: Callable[[Operation], Operation] = lambda operation: operation,
        kept: Callable[[str], bool] = lambda conversation_id: True,
    ) -> list[Note]:
        """What there is to be noted, in this order. It stays news until `noted`.

        Args:
            clean: Redacts an operation that waits.
            kept: Whether to note what is known of a conversation. If not, it stays news.
        """
        if not self._notes:
            return []
        self._touched = {id: known for id, known in self._touched.items() if kept(id)}
        found = [Note(self._topic("conversation", id), None) for id in self._forgotten]
        for kind, links in self._links.items():
            found += [Note(self._topic(kind, name), _write_link(value)) for name, value in links.news()]
        for id, known in self._touched.items():
            if (news := known.news()) is not None:
                found.append(Note(self._topic("conversation", id), notes.write(news), adds=True))
        found += [Note(self._topic("waiting", key), None) for key in self.waiting.left]
        for key, waits in self.waiting.arrived.items():
            for span, operation in waits:
                text = notes.write([key, notes.write_held(span, clean(operation))])
                found.append(Note(self._topic("waiting", key), text, adds=True))
        return found

    def noted(self) -> None:
        """What `news` gave is noted."""
        for links in self._links.values():
            links.noted()
        for known in self._touched.values():
            known.noted()
        self.waiting.noted()
        self._touched.clear()
        self._forgotten.clear()

    def _recalled(self, id: str) -> Known:
        known = Known(self.namespace(id))
        for text in () if id in self._forgotten else self._notebook.recall(self._topic("conversation", id)):
            with faults.guarded("recall what was noted"):
                known.learn(notes.read(text))
        known.noted()
        return known

    def _topic(self, kind: str, name: str | None = None) -> str:
        """What a note is filed under; it tells nobody the name."""
        start = f"{kind} {self._owner} "
        if name is None:
            return start
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16)
        return start + digest.hexdigest()

    def _lead(self, kind: str) -> Links[Any]:  # each says what it leads to
        def recall(name: str) -> Sequence[object]:
            with faults.guarded("recall what was noted"):
                return [_read_link(text) for text in self._notebook.recall(self._topic(kind, name))]
            return ()

        self._links[kind] = Links(recall)
        return self._links[kind]


def _write_link(value: str | Place | None) -> str:
    return notes.write([value[0], notes.write_position(value[1])] if isinstance(value, tuple) else value)


def _read_link(text: str) -> str | Place | None:
    match notes.read(text):
        case [str(id), position]:
            return id, notes.read_position(position)
        case None | str() as id:
            return id
        case other:
            raise ValueError(f"no link: {type(other).__name__}")
