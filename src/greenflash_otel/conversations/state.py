"""What is known of one conversation, with a bound on everything, and how that is noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps
from typing import Any, TypeAlias

from greenflash_otel.arguments import merge_properties
from greenflash_otel.conversations import persistence
from greenflash_otel.lru import Bounded, Noted
from greenflash_otel.message_ids.chain import Position
from greenflash_otel.model.operation import Json

MESSAGES = 5_000
"""Message ids remembered per conversation."""
POSITIONS = 64
"""Branch ends remembered per conversation."""
ALTERNATIVES = 16
"""Messages remembered that follow on the same one, or say the same; the oldest are forgotten first."""
CALLS = 1_000
"""Tool calls, and spans of model calls, remembered per conversation."""
PROPERTIES = 100
"""Properties remembered per conversation; those that were said longest ago are forgotten first."""
PROPERTY_CHARACTERS = 4_096
"""Of the JSON text of a property that is remembered; a longer one is sent, but not added to later ones."""
MAPPINGS = ("bridges", "nodes", "told", "positions", "calls", "spans", "properties")
"""What a note of a conversation says besides its state."""


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
    properties: Noted[str, Json] = field(default_factory=lambda: Noted(PROPERTIES))
    """What was said of the conversation itself. Greenflash keeps the last object, so each has to have all."""
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

    def add_properties(self, properties: Mapping[str, Json]) -> Mapping[str, Json]:
        """Remember what is said of the conversation; return all that was said of it."""
        added = merge_properties(self.properties, properties)
        for name in properties:
            if len(name) + len(dumps(added[name], default=str)) <= PROPERTY_CHARACTERS:
                self.properties.remember(name, added[name])
        return added

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

    def news(
        self, clean: Callable[[Mapping[str, Json]], Mapping[str, Json]] = lambda properties: properties
    ) -> dict[str, object] | None:
        """What is new since it was last noted; None if nothing is.

        Args:
            clean: Redacts properties.
        """
        nodes = [
            [
                one.id,
                one.kind,
                one.key,
                one.before,
                persistence.write_position(one.position),
                f"{one.sketch:x}",
            ]
            for _, one in self.nodes.news()
        ]
        positions = [[tip, persistence.write_position(position)] for tip, position in self.positions.news()]
        told = [id for id, _ in self.sent.news()]
        spans = [span for span, _ in self.spans.news()]
        found = {"bridges": self.bridges.news(), "nodes": nodes, "told": told, "positions": positions}
        found |= {"calls": self.calls.news(), "spans": spans, "state": self._state()}
        said = dict(self.properties.news())
        found["properties"] = list(clean(said).items()) if said else []
        return found if any(found[name] for name in MAPPINGS) or found["state"] != self._noted else None

    def noted(self) -> None:
        """Nothing is new any more."""
        for mapping in (
            self.bridges,
            self.nodes,
            self.sent,
            self.positions,
            self.calls,
            self.spans,
            self.properties,
        ):
            mapping.noted()
        self._noted = self._state()

    def learn(self, found: Mapping[str, Any]) -> None:
        """Know what was noted, after what was noted before."""
        for mapping, pairs in ((self.bridges, found["bridges"]), (self.calls, found["calls"])):
            for name, id in pairs:
                mapping.remember(name, id)
        for id, kind, key, before, position, sketch in found["nodes"]:
            self.place(Node(id, kind, key, before, persistence.read_position(position), int(sketch, 16)))
        for known, names in ((self.sent, found["told"]), (self.spans, found["spans"])):
            for name in names:
                known.remember(name, None)
        for name, value in found["properties"]:
            self.properties.remember(name, value)
        for tip, position in found["positions"]:
            self.positions.remember(tip, persistence.read_position(position))
        latest, said, *state = found["state"]
        self.latest = persistence.read_position(latest)
        self.said_last = said and (tuple(said[0]), tuple(said[1]))
        self.resends, self.turns, self.last_ms, *state = state
        self.user_id, self.organization_id, self.main_prompt, self.main_is_for_programs = state

    def _state(self) -> list[object]:
        state = [self.resends, self.turns, self.last_ms, self.user_id, self.organization_id]
        said = self.said_last
        return [
            persistence.write_position(self.latest),
            said,
            *state,
            self.main_prompt,
            self.main_is_for_programs,
        ]
