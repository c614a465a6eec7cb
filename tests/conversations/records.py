"""A notebook in store, and processes that begin where another one ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.state_record import StateRecord


class Pad:
    """Keeps notes as the outbox does."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def write(self, notes: Iterable[StateRecord]) -> None:
        """Keep them."""
        for note in notes:
            if not note.appends:
                self.notes = [entry for entry in self.notes if entry[0] != note.key]
            if note.value is not None:
                self.notes.append((note.key, note.value))

    def recall(self, topic: str) -> Sequence[str]:
        """All on a topic."""
        return [value for name, value in self.notes if name == topic]

    def expect_recalls(self) -> None:
        """It finds everything anyway."""

    def recall_inherited(self, beginning: str) -> Sequence[str]:
        """All on topics that begin so; a store asks once."""
        return [value for name, value in self.notes if name.startswith(beginning)]


def restarted(store: ConversationStore, pad: Pad, key: bytes = b"") -> ConversationStore:
    """What the next process knows, whose predecessor noted all that it knew."""
    pad.write(store.list_pending_records())
    store.mark_persisted()
    store = ConversationStore(key, pad)
    store.restore_deferred(0)
    return store
