"""What leads from names to conversations: of responses, items, histories, traces, scopes and tool calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from greenflash_otel.conversations.changes import IndexEntry, IndexName, Location
from greenflash_otel.lru import ByteBoundChangeTrackingLruDict

T = TypeVar("T")

NAMES = 50_000
"""Names remembered in each index."""
NAMES_BYTES = 2 * 1024 * 1024
"""Of the names remembered in each index, roughly."""
NAME_BYTES = 350
"""What a name takes besides the text of it and of its target."""

Recall = Callable[[IndexName, str], Sequence[Any]]
"""Returns the target that an earlier process stored for a name, in a list; an empty one if it stored none."""


class NameIndex(Generic[T]):
    """Leads from names of one kind to conversations, also from those that earlier processes knew."""

    __slots__ = ("_recall", "targets")

    def __init__(
        self, recall: Callable[[str], Sequence[T | None]], on_evict: Callable[[], None] = lambda: None
    ) -> None:
        self.targets: ByteBoundChangeTrackingLruDict[str, T | None] = ByteBoundChangeTrackingLruDict(
            NAMES, NAMES_BYTES, _measure, on_evict
        )
        self._recall = recall

    @property
    def size_bytes(self) -> int:
        """Roughly how much memory the names take."""
        return self.targets.size_bytes

    def get(self, name: str) -> T | None:
        """Return where a name leads; None if nowhere."""
        ids = self._find(name)
        return ids[-1] if ids else None

    def has(self, name: str) -> bool:
        """Return whether a name leads anywhere, or did before two conversations had it."""
        return bool(self._find(name))

    def set(self, name: str, target: T | None) -> None:
        """Let a name lead to a target from now on."""
        self.targets.remember(name, target)

    def assign_or_mark_ambiguous(self, name: str, target: T) -> None:
        """Let a name lead to a target; to none, if it has led to another."""
        is_shared = self.has(name) and self.get(name) != target
        self.set(name, None if is_shared else target)

    def list_pending_changes(self) -> list[tuple[str, T | None]]:
        """Return what changed since the last `mark_persisted`, oldest first."""
        return self.targets.list_pending_changes()

    def _find(self, name: str) -> Sequence[T | None]:
        """Return the target of a name, in a sequence; an empty one if it leads nowhere."""
        if name in self.targets:
            return (self.targets[name],)
        stored = self._recall(name)
        if stored:
            self.targets.remember_as_oldest(name, stored[-1])  # it is no change
        return stored


class ConversationIndex:
    """The indexes by which a conversation is found."""

    def __init__(
        self, recall: Recall = lambda index, name: (), on_evict: Callable[[], None] = lambda: None
    ) -> None:
        self._by_name: dict[IndexName, NameIndex[Any]] = {}

        def make(index: IndexName) -> NameIndex[Any]:
            self._by_name[index] = NameIndex(lambda name: recall(index, name), on_evict)
            return self._by_name[index]

        self.responses: NameIndex[Location] = make(IndexName.RESPONSE)
        """Place after a response by its id, for ``previous_response_id``."""
        self.emitted_responses: NameIndex[None] = make(IndexName.EMITTED_RESPONSE)
        """Ids of responses whose answer was emitted."""
        self.items: NameIndex[Location] = make(IndexName.ITEM)
        """Place after a stored item, which an input may refer to, by its id."""
        self.histories: NameIndex[str] = make(IndexName.HISTORY)
        """Conversation by the hash of all that was said in it; None where two conversations share it."""
        self.traces: NameIndex[str] = make(IndexName.TRACE)
        """Newest conversation of a trace."""
        self.scopes: NameIndex[str] = make(IndexName.SCOPE)
        """Newest conversation of an entry into `conversation()` without an id."""
        self.tool_calls: NameIndex[str] = make(IndexName.TOOL_CALL)
        """Conversation by the call id of a tool call; None where two conversations have it."""
        self.always_sampled: NameIndex[None] = make(IndexName.ALWAYS_KEPT)
        """Conversations that sampling does not drop."""

    def apply(self, entries: Sequence[IndexEntry]) -> None:
        """Let names lead where an operation says."""
        for index, name, target, is_shared in entries:
            if is_shared:
                self._by_name[index].assign_or_mark_ambiguous(name, target)
            else:
                self._by_name[index].set(name, target)

    def list_pending_changes(self) -> Iterator[tuple[IndexName, str, Location | str | None]]:
        """Return what changed since the last `mark_persisted`: the index, the name, and where it leads."""
        for index, names in self._by_name.items():
            if names.targets.pending_count:
                for name, target in names.targets.list_pending_changes():
                    yield index, name, target

    @property
    def size_bytes(self) -> int:
        """Roughly how much memory all names take."""
        return sum(names.size_bytes for names in self._by_name.values())

    def mark_persisted(self) -> None:
        """Count all that is known as persisted."""
        for names in self._by_name.values():
            names.targets.pending_count = 0


def _measure(name: str, target: object) -> int:
    size = NAME_BYTES + len(name)
    if isinstance(target, Location):
        return size + len(target.conversation_id) + target.cursor.calls_bytes
    return size + (len(target) if isinstance(target, str) else 0)
