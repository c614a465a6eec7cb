"""Collect finished spans and outcomes, and ingest them in batches on a thread.

For a span, an application's thread only calls `Batcher.submit`. That uses no lock, no disk and no network, so it
may run in ``__del__``, in a garbage collection or in a signal handler. Only a span of hundreds of kilobytes
waits, for a limited time, while `MOST_BYTES` are on their way to the disk.

What waits is bounded in bytes. Beyond `SPILL_AT_BYTES` the writer's thread moves the oldest to the `Spill`, which
is on disk if that is allowed. So there are two parts, oldest first::

    Spill  ──▶  _items
    disk        memory, where the newest are added

The thread takes from the second only while the first is empty, and never while the writer moves something from
one to the other. So everything is ingested in the order it came.
"""

from __future__ import annotations

import _thread
import contextlib
import math
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery.log_thread import LOG_THREAD
from greenflash_otel.delivery.spill_protocol import Spill
from greenflash_otel.delivery.threads import Ticket, is_our_thread, start_thread, wait_unless_nested
from greenflash_otel.delivery.writer import FOREVER_S

BATCH: Final = 256
"""How many are ingested, and so committed, at a time."""
BATCH_BYTES: Final = 4 * 1024 * 1024
SPILL_BATCH: Final = 2048
"""How many are spilled at a time: each commit costs the same, and many may come meanwhile."""
LINGER_S: Final = 0.02
"""How long a first item waits for company: with the commit less than the 0.1 s that ``kill -9`` may cost."""
SPILL_AT_BYTES: Final = 6 * 1024 * 1024
"""More waiting than this is spilled."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""More than this waits nowhere in memory, in addition to what the spill keeps there."""
BIG_BYTES: Final = 256 * 1024
"""A span of so much waits a little for room, if there is a disk that makes room; any other never waits."""
ROOM_S: Final = 2.0
"""How long it waits at most. The disk may be stuck, so nothing more waits until it has stored something."""
ITEM_BYTES: Final = 2048
"""What a span takes in memory in addition to its texts."""
TURN_S: Final = 1.0
"""How long the thread waits for the writer, which moves something to the disk, before it looks again."""
SPILLING_S: Final = 10.0
"""How long it lets the writer move one thing after the other to the disk: what is there is safe."""
IDLE_S: Final = 30.0
RECOVERY_S: Final = 1.0
"""Pause after a failure, so that it cannot spin."""


class Work:
    """Something to be done by the ingest thread in its turn; its ticket is complete when it is committed."""

    __slots__ = ("_claimed", "act", "after_id", "result", "ticket")

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.result: Any = None
        self.ticket = Ticket()
        self.after_id = 0
        """Id of the last spilled span that came before it."""
        self._claimed = _thread.allocate_lock()

    def claim_first(self) -> bool:
        """Return whether the caller is the first, who does it: the ingest thread, or who waited too long for it."""
        return self._claimed.acquire(blocking=False)


class Batcher:
    """A bounded queue and the thread that empties it. Begin again in a forked child.

    Args:
        process: Ingests a batch of items and `Work`, in order, and completes the work's tickets; the id says
            up to which spilled span the batch goes. Called by one thread at a time.
        spill: Where spans wait for which there is no room.
        on_idle: Called by the thread every half minute or so.
        due_s: Returns in how many seconds `on_idle` has something to do; infinity if nothing waits.
    """

    def __init__(
        self,
        process: Callable[[list[Any], int], None],
        spill: Spill,
        *,
        on_idle: Callable[[], None] = lambda: None,
        due_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._process = process
        self._spill = spill
        self._on_idle = on_idle
        self._due_s = due_s
        self.is_closed = False
        self._items: deque[tuple[Any, int]] = deque()
        self._late: deque[Work] = deque()
        """Work that came behind spans which are in the spill now."""
        self.begin()

    def begin(self) -> None:
        """Start empty, without a thread."""
        waiting = [item for item, _ in self._items if isinstance(item, Work)]
        waiting += self._late
        self._pid = os.getpid()
        self._items = deque()
        self._late = deque()
        self._bytes = 0
        self._taking = _thread.allocate_lock()
        """Taken while something is taken out, until it is where it belongs. Adding takes no lock."""
        self._spill_ticket: Ticket | None = None
        self._is_stuck = False
        """Whether something has waited in vain for room, and nothing was stored since."""
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put is reentrant, unlike Queue's
        self._asleep = False
        self._running = False
        self._idled_s = time.monotonic()
        self._starting = _thread.allocate_lock()
        self._busy = _thread.allocate_lock()
        self._lost: dict[tuple[str, int], int] = {}
        for work in waiting:  # who waits in a forked child, waits for the parent
            with contextlib.suppress(RuntimeError):
                work.ticket.complete()

    def begin_in_child(self) -> None:
        """Start empty in a forked child: what waits is the parent's."""
        self._spill.begin_in_child()
        self.begin()

    def submit(self, item: Any, size_bytes: int = 0) -> bool:
        """Hand over an item; False, and counted, if there is no room or this is closed."""
        if self.is_closed:
            return self._lose("closed")
        size_bytes += ITEM_BYTES
        if not self.has_room(size_bytes) and not self._await_room(size_bytes):
            return self._lose(self._spill.reason)
        self._bytes += size_bytes
        self._items.append((item, size_bytes))
        if self._bytes > SPILL_AT_BYTES:
            self._spill_oldest()
        self.wake()
        return True

    def has_room(self, size_bytes: int) -> bool:
        """Return whether an item of this size may wait in memory."""
        return self._bytes + size_bytes <= MOST_BYTES or not self._bytes

    def run_behind(self, act: Callable[[], Any], *, size_bytes: int = 0) -> Work:
        """Let the ingest thread do something behind everything that was submitted before."""
        work = Work(act)
        self._bytes += size_bytes
        self._items.append((work, size_bytes))
        self._asleep = False
        self._wake.put(None)  # also where the thread waits for company: somebody waits for this
        if not self._running:
            self._start()
        return work

    def wait(self, work: Work, timeout_s: float = FOREVER_S) -> bool:
        """Wait for work; False if the time is over. Never waits on our threads or inside a wait."""
        if is_our_thread():
            return work.ticket.is_complete
        until_s = time.monotonic() + timeout_s
        with LOG_THREAD.show_lines():
            while not work.ticket.is_complete and not self._running:  # nobody else does it
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not self._busy.acquire(timeout=min(left_s, threading.TIMEOUT_MAX)):
                    break
                try:
                    self._run_batch()
                finally:
                    self._busy.release()
            return wait_unless_nested(work.ticket, until_s - time.monotonic())

    def wake(self) -> None:
        """Wake the thread, or start one, so that what waits is ingested."""
        if self._asleep:
            self._asleep = False
            self._wake.put(None)
        if not self._running:
            self._start()

    def has_work(self) -> bool:
        """Return whether anything waits to be ingested."""
        return bool(self._items or self._late or not self._spill.is_empty())

    def note_spilled(self) -> None:
        """Look into the spill, in which another process left something."""
        self.wake()

    def close(self) -> None:
        """Take nothing more; what was taken can still be ingested. The thread ends when it has no work."""
        self.is_closed = True
        self._wake.put(None)

    def spill_everything(self) -> Ticket | None:
        """Move everything that waits to the spill, at the end of the process; None if nothing waits."""
        if not self._items:
            return None
        return self._spill.run_later(self._store_everything)

    def count_refused(self) -> dict[str, int]:
        """Return how many items were refused, by reason."""
        lost: dict[str, int] = {}
        for (reason, _), count in self._lost.copy().items():
            lost[reason] = lost.get(reason, 0) + count
        return lost

    def can_spill_to_disk(self) -> bool:
        """Return whether what is not ingested in time stays on disk for the next process."""
        return self._spill.is_on_disk()

    def count_lost(self, reason: str, items: int) -> None:
        """Count items that were taken and could not be ingested."""
        key = reason, threading.get_ident()  # each thread adds to its own count, so no lock is needed
        self._lost[key] = self._lost.get(key, 0) + items

    def _await_room(self, size_bytes: int) -> bool:
        """Ask for room, and wait for it if the item is big enough. Return whether there is room now."""
        until_s = time.monotonic() + ROOM_S
        while True:
            self._spill_oldest()
            ticket, left_s = self._spill_ticket, until_s - time.monotonic()
            may_wait = size_bytes >= BIG_BYTES and not self._is_stuck and self._spill.is_on_disk()
            if ticket is None or left_s <= 0 or not may_wait or is_our_thread():
                return False
            if not ticket.wait(left_s):
                self._is_stuck = True
            if self.has_room(size_bytes):
                return True

    def _lose(self, reason: str) -> bool:
        self.count_lost(reason, 1)
        return False

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        if not self._running:
            self._running = start_thread("ingest", self._run)
        self._starting.release()

    def _run(self) -> None:
        while not self.is_closed or self.has_work():
            with internal_errors.guarded("ingest what was captured"):
                self._await_items()
                self._await_spill()
                with self._busy:
                    self._run_batch()
                self._be_idle()
        self._running = False
        if self.has_work():  # it came while this thread was about to end
            self._start()

    def _be_idle(self) -> None:
        is_time = self._due_s() <= 0 or time.monotonic() - self._idled_s >= IDLE_S
        if is_time and not self.is_closed:
            self._idled_s = time.monotonic()
            self._on_idle()

    def _await_items(self) -> None:
        """Sleep until there is something to ingest; a first item waits a little for company."""
        self._asleep = True
        if not self.has_work() and not self.is_closed:
            idle_s = min(IDLE_S, max(self._due_s(), 0.0))
            self._await_wake(idle_s)  # asked with the flag up: who submits now is seen here, or sees the flag
        self._asleep = False
        only_spans = 0 < len(self._items) < BATCH and not any(
            isinstance(i, Work) for i, _ in list(self._items)
        )
        if only_spans and not self.is_closed:
            self._await_wake(LINGER_S)

    def _await_spill(self) -> None:
        """Leave processor and disk to the writer while it makes room in memory, for a limited time."""
        until_s = time.monotonic() + SPILLING_S
        while self._bytes > SPILL_AT_BYTES and not self.is_closed:
            self._spill_oldest()
            ticket, left_s = self._spill_ticket, until_s - time.monotonic()
            if ticket is None or not ticket.wait(min(TURN_S, left_s)):
                return

    def _await_wake(self, timeout_s: float | None) -> None:
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=timeout_s)
            while True:
                self._wake.get_nowait()

    def _run_batch(self) -> None:
        """Ingest the oldest waiting items. The caller owns the lock for it."""
        self._run_late()
        items, up_to_id = self._spill.fetch()
        if items or up_to_id:
            self._ingest(items, up_to_id)
            self._run_late(up_to_id)
        elif batch := self._take_unless_spilled():
            self._ingest(batch, 0)

    def _take_unless_spilled(self) -> list[Any]:
        """Take the oldest from memory; nothing if older ones were moved to the spill meanwhile."""
        if not self._taking.acquire(timeout=TURN_S):
            return []
        try:
            return self._take(until_work=True) if self._spill.is_empty() and not self._late else []
        finally:
            self._taking.release()

    def _run_late(self, up_to_id: int | None = None) -> None:
        """Do the work whose turn it is now that the spans before it are ingested."""
        ready = []
        while self._late and (
            self._spill.is_empty() or (up_to_id is not None and self._late[0].after_id <= up_to_id)
        ):
            ready.append(self._late.popleft())
        if ready:
            self._ingest(list(ready), 0)

    def _take(self, most: int = BATCH, *, until_work: bool = False) -> list[Any]:
        """Take the oldest; what somebody waits for is the last of a batch, so that nothing behind it delays it."""
        batch: list[Any] = []
        size = 0
        while self._items and len(batch) < most and size < BATCH_BYTES:
            item, size_bytes = self._items.popleft()
            size += size_bytes
            batch.append(item)
            is_next_work = bool(self._items) and isinstance(self._items[0][0], Work)
            if until_work and isinstance(item, Work) and not is_next_work:
                break
        # Counted anew: several threads add to the number, and none of them locks.
        self._bytes = sum(size for _, size in list(self._items))
        return batch

    def _ingest(self, batch: list[Any], up_to_id: int) -> None:
        ingested = False
        with internal_errors.guarded("ingest what was captured"):
            self._process(batch, up_to_id)
            ingested = True
        if not ingested and up_to_id:  # it is still on disk and comes again
            self._await_wake(RECOVERY_S)
        elif not ingested:
            self.count_lost("ingest_failed", sum(not isinstance(item, Work) for item in batch))
        for item in batch:
            if isinstance(item, Work):
                item.ticket.complete()

    def _spill_oldest(self) -> None:
        if self._spill_ticket is None or self._spill_ticket.is_complete:
            self._spill_ticket = self._spill.run_later(self._store_oldest)

    # On the writer's thread.

    def _store_oldest(self) -> None:
        """Move the oldest to the spill, and then more if there are too many: others have their turn between."""
        with self._taking:
            self._store(self._take(SPILL_BATCH))
        self._is_stuck = False
        if self._items and self._bytes > SPILL_AT_BYTES // 2:
            self._spill_ticket = self._spill.run_later(self._store_oldest)

    def _store_everything(self) -> None:
        while self._items:
            with self._taking:
                self._store(self._take(SPILL_BATCH))

    def _store(self, batch: list[Any]) -> None:
        spans: list[Any] = []
        for item in batch:
            if not isinstance(item, Work):
                spans.append(item)
                continue
            self._store_spans(spans)
            spans = []
            item.after_id = self._spill.find_last_id()
            self._late.append(item)
        self._store_spans(spans)

    def _store_spans(self, spans: list[Any]) -> None:
        if spans and (refused := self._spill.store(spans)):
            self.count_lost(self._spill.reason, refused)
