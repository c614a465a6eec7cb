"""Decide whose turn it is. Pure and in memory: which conversation may send its oldest entry, and when.

The queue of one conversation sends one entry at a time. The schedule belongs to the process: after a restart
everything is due at once. It counts the entries of each queue, so that nobody has to ask the database whether
another one follows. Bounded by what the outbox can contain.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Final


class Schedule:
    """The queues that have entries: each is ready, waiting until its time, or claimed."""

    def __init__(self) -> None:
        self._attempts: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._ready: deque[str] = deque()
        self._waiting: list[tuple[float, int, str]] = []
        self._serial = itertools.count()
        self.entries = 0
        """How many entries all queues have."""

    def add(self, queue: str, entries: int = 1) -> None:
        """Count entries of a queue; it is ready if it had none before."""
        if queue not in self._attempts:
            self._attempts[queue] = 0
            self._counts[queue] = 0
            self._ready.append(queue)
        self._counts[queue] += entries
        self.entries += entries

    def count(self, queue: str) -> int:
        """Return how many entries a queue has."""
        return self._counts.get(queue, 0)

    def claim_next(self, now_s: float) -> str | None:
        """Claim the queue whose turn it is; None if none is due. A queue that waited comes last."""
        while self._waiting and self._waiting[0][0] <= now_s:
            self._ready.append(heapq.heappop(self._waiting)[2])
        return self._ready.popleft() if self._ready else None

    def return_claims(self, queues: list[str]) -> None:
        """Make claimed queues ready again, before all others and in this order: nothing was attempted."""
        self._ready.extendleft(reversed(queues))

    def was_attempted(self, queue: str) -> bool:
        """Return whether the queue's oldest entry was attempted."""
        return self._attempts.get(queue, 0) > 0

    def begin_attempt(self, queue: str) -> int:
        """Count an attempt of the queue's oldest entry; the first is 1."""
        self._attempts[queue] += 1
        return self._attempts[queue]

    def postpone(self, queue: str, until_s: float) -> None:
        """Let a claimed queue wait; its oldest entry stays the same."""
        heapq.heappush(self._waiting, (until_s, next(self._serial), queue))

    def drop(self, queue: str, entries: int) -> None:
        """Count entries of a claimed queue no more; it stays claimed."""
        self._counts[queue] -= entries
        self.entries -= entries

    def advance(self, queue: str) -> None:
        """Make a claimed queue ready with its next entry, behind those that are ready; forget it if it has none."""
        if self._counts[queue] > 0:
            self._attempts[queue] = 0
            self._ready.append(queue)
        else:
            self.remove(queue)

    def remove(self, queue: str) -> None:
        """Forget a claimed queue that has nothing more."""
        del self._attempts[queue]
        self.entries -= self._counts.pop(queue)

    def retry_now(self) -> None:
        """Let no queue wait any longer."""
        self._ready.extend(queue for _, _, queue in sorted(self._waiting))
        self._waiting.clear()

    def compute_due_s(self) -> float | None:
        """Return when the next queue is due; None if all are claimed."""
        if self._ready:
            return float("-inf")
        return self._waiting[0][0] if self._waiting else None


START: Final = 4
MOST: Final = 16


class ConcurrencyLimit:
    """How many requests may be under way: one more per success, half as many after a failure (AIMD).

    Only the first failure of a volley halves it.
    """

    def __init__(self) -> None:
        self._size = float(START)
        self._narrowed_s = float("-inf")

    @property
    def size(self) -> int:
        """How many may be under way now; at least one."""
        return int(self._size)

    def widen(self) -> None:
        """Count a success: as many as may be under way make room for one more."""
        self._size = min(self._size + 1 / self._size, MOST)

    def narrow(self, *, sent_s: float, now_s: float) -> None:
        """Count a failure. One that was sent before the last narrowing says nothing new."""
        if sent_s >= self._narrowed_s:
            self._size = max(self._size / 2, 1.0)
            self._narrowed_s = now_s
