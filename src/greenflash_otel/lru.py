"""Mappings that forget, and that know what is new in them."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


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
