"""Mappings with a bound: they forget what was used longest ago, and one knows what changed in it."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruDict(OrderedDict[K, V], Generic[K, V]):
    """A mapping that forgets what was used longest ago.

    Only `remember` counts as use: reading is as cheap as in any dictionary.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest one."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)


class ChangeTrackingLruDict(LruDict[K, V], Generic[K, V]):
    """A mapping that also knows what changed since that was last persisted.

    What changed is at the end, because `remember` moves it there. So a number says which entries changed.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._unpersisted = 0

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest one; count it as a change unless the mapping had it."""
        if self._unpersisted or key not in self or self[key] != value:
            self._unpersisted += 1
        super().remember(key, value)

    def list_pending_changes(self) -> list[tuple[K, V]]:
        """Return what changed since the last `mark_persisted`, oldest first."""
        return list(islice(reversed(self.items()), self._unpersisted))[::-1]

    def mark_persisted(self) -> None:
        """Count all that is here as persisted."""
        self._unpersisted = 0
