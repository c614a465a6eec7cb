"""Takes what applications hand over and has it written down, soon and in company.

`Gatherer.submit` is all that an application's thread ever does here, and it is safe anywhere: no lock, no
disk, no network, so it may run in ``__del__``, in a garbage collection or in a signal handler. A thread of
its own, which never waits for the network, gathers what was submitted; each batch shares one commit.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from greenflash_otel import internal_errors, sigterm

CAPACITY: Final = 10_000
"""How many submitted items may wait to be gathered."""
BATCH: Final = 256
"""How many are gathered, and so committed, at a time."""
LINGER_S: Final = 0.02
"""How long a first item waits for company: with the commit less than the 0.1 s that ``kill -9`` may cost."""


class Gatherer:
    """A bounded queue and the thread that empties it. Begin again in a forked child.

    Args:
        gather: Converts a batch and puts it into the outbox. Called by one thread at a time, in the order of
            submission. If it raises, its batch is lost and counted.
        gathered: Told after each batch.
        capacity: How many submitted items may wait; more are refused and counted as ``queue_full``.
    """

    def __init__(
        self, gather: Callable[[list[object]], None], gathered: Callable[[], None], *, capacity: int
    ) -> None:
        self._gather = gather
        self._gathered = gathered
        self._capacity = capacity
        self._closed = False
        self.begin()

    def begin(self) -> None:
        """Start empty, without a thread."""
        self._items: deque[object] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put is reentrant, unlike Queue's
        self._asleep = False
        self._running = False
        self._starting = threading.Lock()
        self._gathering = threading.Lock()
        self._lost: dict[tuple[str, int], int] = {}

    def submit(self, item: object) -> bool:
        """Hand over an item; False, and counted, if too many wait or this is closed."""
        if self._closed:
            return self._lose("closed")
        if len(self._items) >= self._capacity:
            return self._lose("queue_full")
        self._items.append(item)
        if self._asleep:
            self._asleep = False
            self._wake.put(None)
        if not self._running:
            self._start()
        return True

    def gather_now(self) -> None:
        """Gather on this thread all that was submitted before; it is in the outbox when this returns."""
        with self._gathering:
            left = len(self._items)
            while left > 0:
                left -= self._gather_batch()

    def close(self) -> None:
        """Take nothing more; what was taken can still be gathered. The thread ends when it has no work."""
        self._closed = True
        self._wake.put(None)

    def lost(self) -> dict[str, int]:
        """Items that were refused or could not be gathered, by reason."""
        lost: dict[str, int] = {}
        for (reason, _), count in self._lost.copy().items():
            lost[reason] = lost.get(reason, 0) + count
        return lost

    def _lose(self, reason: str) -> bool:
        key = reason, threading.get_ident()  # each thread adds to its own count, so no lock is needed
        self._lost[key] = self._lost.get(key, 0) + 1
        return False

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        with contextlib.suppress(RuntimeError):  # the interpreter is about to end: whoever closes us gathers
            if not self._running:
                # Not threading.Thread: its start() takes a lock that the interrupted code may hold.
                _thread.start_new_thread(self._run, ())
                self._running = True
        self._starting.release()

    def _run(self) -> None:
        sigterm.leave_to_others()
        threading.current_thread().name = "greenflash-otel gatherer"
        while not self._closed or self._items:
            with internal_errors.guarded("gather what was submitted"):
                self._await_items()
                with self._gathering:
                    self._gather_batch()
                self._gathered()

    def _await_items(self) -> None:
        """Sleep until there is something to gather; a first item waits a little for company."""
        self._asleep = True
        if not self._items:  # asked with the flag up: who submits now either is seen here or sees the flag
            self._await_wake(None)
        self._asleep = False
        if 0 < len(self._items) < BATCH and not self._closed:
            self._await_wake(LINGER_S)

    def _await_wake(self, timeout_s: float | None) -> None:
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=timeout_s)
            while True:
                self._wake.get_nowait()

    def _gather_batch(self) -> int:
        """Gather some of what was submitted; how many. Only while holding the lock for it."""
        batch = [self._items.popleft() for _ in range(min(len(self._items), BATCH))]
        if batch:
            gathered = False
            with internal_errors.guarded("gather what was submitted"):
                self._gather(batch)
                gathered = True
            if not gathered:
                for _ in batch:
                    self._lose("gather_failed")
        return len(batch)
