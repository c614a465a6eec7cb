"""What is known of one conversation, with a bound on everything.

The messages are nodes of a tree: an edit or a regenerated answer begins a branch. Nodes are found by their
id, by what they say, and by what they follow, because an application may resend any part of the tree in any
form.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from greenflash_otel.conversations.changes import ConversationFacts, MessageNode, StateChange
from greenflash_otel.conversations.deferred import measure
from greenflash_otel.lru import ChangeTrackingLruDict, LruDict
from greenflash_otel.message_ids.chain import Cursor
from greenflash_otel.model.operation import Json

MESSAGES = 5_000
"""Messages remembered of a conversation."""
BRANCHES = 64
"""Branch ends remembered of a conversation."""
ALTERNATIVES = 16
"""Messages remembered that follow the same one, or say the same; the oldest are forgotten first."""
CALLS = 1_000
"""Tool calls, and spans of model calls, remembered of a conversation."""
PROPERTIES = 100
"""Properties remembered of a conversation; those that were said longest ago are forgotten first."""

STATE_BYTES = 4_000
"""What a conversation takes in memory of which nothing is known."""
ENTRY_BYTES = 250
"""What an entry of one of its mappings takes."""
NODE_BYTES = 700
"""What a message that others follow takes, found by its id, by what it says and by what it follows."""

PAIRS = frozenset({"parent_overrides", "tool_call_message_ids", "properties", "branch_cursors"})
"""Fields of `StateChange` that have keys and values; of any other mapping one of both is enough."""

_serials = count()


class ConversationState:
    """What is known of one conversation. `apply` is the only method that changes it.

    Args:
        namespace: What the ids of its messages are hashed with; see `message_ids.ids`.
    """

    __slots__ = (
        "_persisted_facts",
        "_text_bytes",
        "branch_cursors",
        "children",
        "emitted_ids",
        "emitted_spans",
        "facts",
        "namespace",
        "nodes",
        "nodes_by_content",
        "parent_overrides",
        "properties",
        "serial",
        "tool_call_message_ids",
    )

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.serial = next(_serials)
        """No other state of this process has it, also not one of the same conversation."""
        self.facts = ConversationFacts()
        self.emitted_ids: ChangeTrackingLruDict[str, None] = ChangeTrackingLruDict(MESSAGES)
        """Ids of the messages that were emitted."""
        self.branch_cursors: ChangeTrackingLruDict[str, Cursor] = ChangeTrackingLruDict(BRANCHES)
        """Where its branches are, by the id of their last link."""
        self.nodes: ChangeTrackingLruDict[str, MessageNode] = ChangeTrackingLruDict(MESSAGES)
        """The messages that others follow, by id."""
        self.children: LruDict[str, tuple[str, ...]] = LruDict(MESSAGES)
        """Ids of the nodes that follow one, by its id; of those that begin the conversation, by ""."""
        self.nodes_by_content: LruDict[str, tuple[str, ...]] = LruDict(MESSAGES)
        """Ids of the nodes that say the same, by their content key, and by their loose key."""
        self.parent_overrides: ChangeTrackingLruDict[str, str] = ChangeTrackingLruDict(MESSAGES)
        """Id of a message by that of the head after it, where this does not follow from it; see `resolve`."""
        self.tool_call_message_ids: ChangeTrackingLruDict[str, str] = ChangeTrackingLruDict(CALLS)
        """Message id of the newest tool call with a call id."""
        self.emitted_spans: ChangeTrackingLruDict[str, None] = ChangeTrackingLruDict(CALLS)
        """The model calls that were emitted, by span and how much it said."""
        self.properties: ChangeTrackingLruDict[str, Json] = ChangeTrackingLruDict(PROPERTIES)
        """What was said of the conversation itself; Greenflash keeps the last object, so each has all."""
        self._persisted_facts = self.facts
        self._text_bytes = {"calls": 0, "properties": 0, "cursors": 0}

    @property
    def size_bytes(self) -> int:
        """Roughly how much memory it takes."""
        entries = len(self.emitted_ids) + len(self.parent_overrides) + len(self.branch_cursors)
        entries += len(self.tool_call_message_ids) + len(self.emitted_spans)
        size = STATE_BYTES + NODE_BYTES * len(self.nodes) + ENTRY_BYTES * entries
        return size + sum(self._text_bytes.values())

    @property
    def has_forgotten(self) -> bool:
        """Return whether some of its messages may be known no more."""
        return len(self.nodes) >= MESSAGES or len(self.emitted_ids) >= MESSAGES

    def parent_of(self, node: MessageNode) -> MessageNode | None:
        """Return the message that one follows."""
        id = node.previous_id or ""
        return self.nodes.get(self.parent_overrides.get(id, id))

    def list_children(self, node: MessageNode | None) -> list[MessageNode]:
        """Return the messages that follow one, or begin the conversation; the newest first."""
        return self._list_nodes(self.children.get(node.id if node else "", ()))

    def find_by_content(self, content_key: str) -> list[MessageNode]:
        """Return the messages that say this, in this form or another, wherever; the newest first."""
        return self._list_nodes(self.nodes_by_content.get(content_key, ()))

    def apply(self, change: StateChange) -> None:
        """Apply what an operation changed, or what was read of an earlier process."""
        for head_id, message_id in change.parent_overrides:
            self.parent_overrides.remember(head_id, message_id)
        for node in change.nodes:
            self._add_node(node)
        for call_id, message_id in change.tool_call_message_ids:
            self.tool_call_message_ids.remember(call_id, message_id)
        for id in change.emitted_ids:
            self.emitted_ids.remember(id, None)
        for name in change.emitted_spans:
            self.emitted_spans.remember(name, None)
        for name, content in change.properties:
            self.properties.remember(name, content)
        for head_id, cursor in change.branch_cursors:
            self.branch_cursors.remember(head_id, cursor)
        if change.facts is not None:
            self.facts = change.facts
        self._measure_texts(change)

    def take_pending_change(self) -> StateChange | None:
        """Return what became known since the last `mark_persisted`; None if nothing did."""
        is_same = self.facts is self._persisted_facts or self.facts == self._persisted_facts
        pending: dict[str, Any] = {
            name: mapping.list_pending_changes()
            for name, mapping in self._name_mappings()
            if mapping.pending_count
        }
        if is_same and not pending:
            return None
        for name in pending:
            changed = pending[name]
            pending[name] = tuple(changed if name in PAIRS else [entry[name == "nodes"] for entry in changed])
        return StateChange(**pending, facts=None if is_same else self.facts)

    def mark_persisted(self) -> None:
        """Count all that is known as persisted."""
        for _, mapping in self._name_mappings():
            mapping.pending_count = 0
        self._persisted_facts = self.facts

    def _name_mappings(self) -> Sequence[tuple[str, ChangeTrackingLruDict[str, Any]]]:
        """Return what is persisted, by the fields of `StateChange`."""
        return (
            ("parent_overrides", self.parent_overrides),
            ("tool_call_message_ids", self.tool_call_message_ids),
            ("nodes", self.nodes),
            ("emitted_ids", self.emitted_ids),
            ("emitted_spans", self.emitted_spans),
            ("properties", self.properties),
            ("branch_cursors", self.branch_cursors),
        )

    def _measure_texts(self, change: StateChange) -> None:
        if change.tool_call_message_ids:
            self._text_bytes["calls"] = sum(map(len, self.tool_call_message_ids))
        if change.properties:
            self._text_bytes["properties"] = measure(self.properties)

    def _add_node(self, node: MessageNode) -> None:
        if node.id in self.nodes:
            return
        self.nodes.remember(node.id, node)
        self._text_bytes["cursors"] += node.cursor.calls_bytes if node.cursor.calls else 0
        parent = self.parent_of(node)
        keys = [(self.children, parent.id if parent else ""), (self.nodes_by_content, node.content_key)]
        if node.loose_key is not None:
            keys.append((self.nodes_by_content, node.loose_key))
        for mapping, key in keys:
            mapping.remember(key, (*mapping.get(key, ()), node.id)[-ALTERNATIVES:])

    def _list_nodes(self, ids: Sequence[str]) -> list[MessageNode]:
        return [node for id in reversed(ids) if (node := self.nodes.get(id))]
