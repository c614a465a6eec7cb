"""What came before what it belongs to, and waits for it. Pure, and bounded.

A tool can end before the stream that asked for it has ended; a query is embedded before anybody has said
anything in its trace; what another service tells of a trace arrives before what it is about. Each waits under
a name of what it waits for. What waits in vain is given back by `Waiting.overdue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

KEYS = 1_000
"""Names under which something waits; what waits under the oldest is overdue then."""
EACH = 100
"""How many wait under the same name; the oldest goes first."""


class Waiting(Generic[T]):
    """What waits, by what it waits for."""

    def __init__(self, keys: int = KEYS) -> None:
        self._keys = keys
        self._held: dict[str, list[T]] = {}
        self._until_ns: dict[str, int] = {}
        self._next_ns = 0
        """Before this nothing is overdue."""
        self._released: list[tuple[str, int, list[T], list[T]]] = []
        """Since the last note: the name, until when, all that waited, and what of it was not noted."""
        self.arrived: dict[str, list[T]] = {}
        """Of what waits, that which is not noted yet."""
        self.left: dict[str, None] = {}
        """Where nothing waits any more, though it is noted that something does."""

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, key: str, one: T, until_ns: int, *, most: int = EACH, noted: bool = False) -> None:
        """Let one wait for ``key``, if it does not yet.

        Args:
            until_ns: When it, and what waits beside it, is overdue.
            most: How many may wait beside it.
            noted: Whether a note told of it.
        """
        if one in self._held.get(key, ()):
            return
        for waiting in (self._held,) if noted else (self._held, self.arrived):
            waiting[key] = [*waiting.pop(key, ()), one][-most:]
        self._until_ns[key] = max(until_ns, self._until_ns.get(key, 0))
        self._next_ns = min(until_ns, self._next_ns)

    def held(self, key: str) -> Sequence[T]:
        """What waits for ``key``, and goes on waiting."""
        return self._held.get(key, ())

    def release(self, keys: Iterable[str]) -> list[T]:
        """What waited for any of ``keys``."""
        return [one for key in keys if key in self._held for one in self._leave(key)]

    def overdue(self, now_ns: int | None) -> list[T]:
        """What has waited too long, or takes up the room; None: everything."""
        found: list[T] = []
        if now_ns is None or now_ns >= self._next_ns:
            late = [key for key, end_ns in self._until_ns.items() if now_ns is None or end_ns <= now_ns]
            found = self.release(late)
            self._next_ns = min(self._until_ns.values(), default=now_ns or 0)
        while len(self._held) >= self._keys:
            found += self._leave(next(iter(self._held)))
        return found

    def noted(self) -> None:
        """All that changed is noted."""
        self.arrived.clear()
        self.left.clear()
        self._released.clear()

    def take_back(self) -> None:
        """Hold again what was released since the last note: what was told of it is not kept."""
        for key, until_ns, released, unnoted in reversed(self._released):
            self.left.pop(key, None)
            for waiting, ones in ((self._held, released), (self.arrived, unnoted)):
                if ones:
                    waiting[key] = [*ones, *waiting.pop(key, ())]
            self._until_ns[key] = max(until_ns, self._until_ns.get(key, 0))
            self._next_ns = min(until_ns, self._next_ns)
        self._released.clear()

    def _leave(self, key: str) -> list[T]:
        held, unnoted = self._held.pop(key), self.arrived.pop(key, [])
        if len(unnoted) < len(held):
            self.left[key] = None
        self._released.append((key, self._until_ns.pop(key), held, unnoted))
        return held
