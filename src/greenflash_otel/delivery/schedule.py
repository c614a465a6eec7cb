"""Whose turn it is. Pure and in memory: which conversation may send its oldest entry, and when.

A lane is the queue of one conversation. Of each lane at most one entry is out at a time. The schedule
belongs to the process: after a restart everything is due at once. Bounded by what the outbox can hold.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque


class Lanes:
    """Lanes that have entries: each is ready, waiting until its time, or out."""

    def __init__(self) -> None:
        self._attempts: dict[str, int] = {}
        self._ready: deque[str] = deque()
        self._waiting: list[tuple[float, int, str]] = []
        self._serial = itertools.count()

    def add(self, lane: str) -> None:
        """A lane has an entry; nothing changes if it had others before."""
        if lane not in self._attempts:
            self._attempts[lane] = 0
            self._ready.append(lane)

    def take(self, now_s: float) -> str | None:
        """Send out the lane whose turn it is; None if none is due. A lane that waited comes last."""
        while self._waiting and self._waiting[0][0] <= now_s:
            self._ready.append(heapq.heappop(self._waiting)[2])
        return self._ready.popleft() if self._ready else None

    def begin_attempt(self, lane: str) -> int:
        """Count an attempt of the lane's oldest entry; the first is 1."""
        self._attempts[lane] += 1
        return self._attempts[lane]

    def wait(self, lane: str, until_s: float) -> None:
        """A lane that was out comes back and waits; its oldest entry stays the same."""
        heapq.heappush(self._waiting, (until_s, next(self._serial), lane))

    def move_on(self, lane: str) -> None:
        """A lane that was out comes back with its next entry, behind those that are ready."""
        self._attempts[lane] = 0
        self._ready.append(lane)

    def leave(self, lane: str) -> None:
        """A lane that was out has nothing more."""
        del self._attempts[lane]

    def hurry(self) -> None:
        """Nobody waits any longer."""
        self._ready.extend(lane for _, _, lane in sorted(self._waiting))
        self._waiting.clear()

    def due_s(self) -> float | None:
        """When the next lane is due; None if all are out."""
        if self._ready:
            return float("-inf")
        return self._waiting[0][0] if self._waiting else None
