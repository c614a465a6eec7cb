"""Bound mappings: they forget what was used longest ago, and one knows what changed in it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruDict(OrderedDict[K, V], Generic[K, V]):
    """A mapping that forgets what was used longest ago.

    Only `remember` counts as use: reading is as cheap as in any dictionary.
    """

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest one."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self._evict_oldest()

    def _evict_oldest(self) -> None:
        self.popitem(last=False)


class ChangeTrackingLruDict(LruDict[K, V], Generic[K, V]):
    """A mapping that also knows what changed since that was last persisted.

    What changed is at the end, because `remember` moves it there. So a number says which entries changed.
    """

    __slots__ = ("pending_count",)

    def __init__(self, limit: int) -> None:
        OrderedDict.__init__(self)
        self._limit = limit
        self.pending_count = 0
        """How many entries, at the end, changed since that was persisted."""

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest one; count it as a change unless the mapping had it."""
        if self.pending_count or key not in self or self[key] != value:
            self.pending_count += 1
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._limit:
            self._evict_oldest()

    def list_pending_changes(self) -> list[tuple[K, V]]:
        """Return what changed since the last `mark_persisted`, oldest first."""
        return list(islice(reversed(self.items()), self.pending_count))[::-1]

    def mark_persisted(self) -> None:
        """Count every entry as persisted."""
        self.pending_count = 0


class ByteBoundLruDict(LruDict[K, V], Generic[K, V]):
    """A mapping that also has a bound in bytes. If entries are too large for it, the newest stays.

    Args:
        limit_bytes: Roughly what the mapping may take.
        measure: Returns roughly the bytes that an entry takes, whenever it is remembered.
        on_evict: Called when something is pushed out.
    """

    def __init__(
        self,
        limit: int,
        limit_bytes: int,
        measure: Callable[[K, V], int],
        on_evict: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(limit)
        self._limit_bytes = limit_bytes
        self._measure = measure
        self._on_evict = on_evict
        self._sizes: dict[K, int] = {}
        self.size_bytes = 0
        """Roughly how much the entries take."""

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest one, and measure it anew."""
        self[key] = value
        self.move_to_end(key)
        size_bytes = self._measure(key, value)
        self.size_bytes += size_bytes - self._sizes.get(key, 0)
        self._sizes[key] = size_bytes
        if len(self) > self._limit:
            self._evict_oldest()
        while self.size_bytes > self._limit_bytes and len(self) > 1:
            self._evict_oldest()

    def remember_as_oldest(self, key: K, value: V) -> None:
        """Set a value as the first to be forgotten, if there is room for it."""
        size_bytes = self._measure(key, value)
        if len(self) < self._limit and self.size_bytes + size_bytes <= self._limit_bytes:
            self[key] = value
            self.move_to_end(key, last=False)
            self.size_bytes += size_bytes - self._sizes.get(key, 0)
            self._sizes[key] = size_bytes

    def forget(self, key: K) -> None:
        """Forget an entry, if there is one."""
        self.pop(key, None)
        self.size_bytes -= self._sizes.pop(key, 0)

    def _evict_oldest(self) -> None:
        key, _ = self.popitem(last=False)
        self.size_bytes -= self._sizes.pop(key, 0)
        self._on_evict()


class ByteBoundChangeTrackingLruDict(ChangeTrackingLruDict[K, V], ByteBoundLruDict[K, V], Generic[K, V]):
    """A mapping with a bound in bytes that knows what changed in it."""

    def __init__(
        self,
        limit: int,
        limit_bytes: int,
        measure: Callable[[K, V], int],
        on_evict: Callable[[], None] = lambda: None,
    ) -> None:
        ByteBoundLruDict.__init__(self, limit, limit_bytes, measure, on_evict)
        self.pending_count = 0

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest one, and measure it anew; count it as a change unless the mapping had it."""
        if self.pending_count or key not in self or self[key] != value:
            self.pending_count += 1
        ByteBoundLruDict.remember(self, key, value)
