"""Pool of sender threads that grows with the number of deliverable requests.

There is none while nothing was ever to be sent, then one, more while more may be under way. Where answers come
quickly one thread sends everything, and another looks now and then whether that is still so. Of those without
work two stay awake for what comes next; the others end. They are daemons: an application never waits for
them longer than it says. Only threads of ours call in here, so a lock is no danger to the application.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery.sender import Sender
from greenflash_otel.delivery.threads import Ticket, start_thread

RECOVERY_S: Final = 1.0
"""Pause after a failure of ours, so that it cannot spin."""
REPORT_EVERY: Final = 16
"""Deliveries after which a flush is woken, as long as more is due; it looks now and then by itself."""
IDLE_MOST: Final = 2
"""Threads that wait for work."""
LOOK_S: Final = 0.02
"""How often a thread looks whether the one that sends is still enough."""
IDLE_S: Final = 30.0
"""How often to look for what other processes have left."""


class SenderPool:
    """Keeps a sender at work. Begin again in a forked child.

    Args:
        on_progress: Called after some requests, and when nothing more is due.
        on_idle: Called now and then by a thread that has nothing else to do; returns the seconds to the next
            time it should be called at the latest.
        on_end: Called when the last thread has ended after `stop`.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        on_progress: Callable[[], None],
        on_idle: Callable[[], float],
        on_end: Callable[[], None],
    ) -> None:
        self._sender = sender
        self._on_progress = on_progress
        self._on_idle = on_idle
        self._on_end = on_end
        self.begin()

    def begin(self) -> None:
        """Start without a thread."""
        self._lock = threading.Lock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._count = 0
        self.can_start = True
        """False once the interpreter starts no thread any more."""
        self._idle_threads = 0
        self._deliveries = 0
        self._stopping = False
        self._idle_s = IDLE_S
        self.ended = Ticket()
        self._sender.begin()

    @property
    def is_empty(self) -> bool:
        """Whether there is no thread."""
        return self._count == 0

    def wake(self) -> bool:
        """Wake or start a thread for what can be sent; False if there is no thread and none can be started."""
        with self._lock:
            if self._stopping:
                return self._count > 0
            if self._count > 0 and self._sender.pause_s() is None:
                return True
            if self._idle_threads == 0:
                return self._start()
            if not self._sender.is_enough():
                self._wake.put(None)
            return True

    def stop(self) -> None:
        """End all threads: `ended` is complete then. A request that is unanswered is left to itself."""
        with self._lock:
            self._stopping = True
            self._wake.put(None)
            idle = self._count == 0
        if idle:
            self._on_end()
            self.ended.complete()

    def _start(self) -> bool:
        if not start_thread("sender", self._run):
            self.can_start = False
            return self._count > 0
        self._count += 1
        return True

    def _run(self) -> None:
        while self._has_work():
            healthy = False
            with internal_errors.guarded("deliver what waits"):
                self._deliver_one()
                healthy = True
            if not healthy:
                self._sleep(RECOVERY_S)

    def _deliver_one(self) -> None:
        entry = self._sender.claim_next()
        if entry is None:
            self._on_progress()
            return
        self.wake()  # somebody else takes what is due at the same time, or becomes due meanwhile
        self._sender.send(entry)
        self._deliveries += 1
        if self._deliveries % REPORT_EVERY == 0 or self._sender.pause_s() != 0:
            self._on_progress()

    def _has_work(self) -> bool:
        """Wait until there may be something to do; False if this thread is not needed for it."""
        pause_s = self._sender.pause_s()
        if pause_s == 0 and self._sender.is_enough():
            pause_s = LOOK_S
        with self._lock:
            if not self._stopping and pause_s == 0:
                return True
            waits = not self._stopping and self._idle_threads < IDLE_MOST
            if waits:
                self._idle_threads += 1
            else:
                self._count -= 1
                self._wake.put(None)  # for an idle one: there may be something to do sooner than it knew
            last = self._stopping and self._count == 0
        if waits:
            self._wait(pause_s)
            return True
        if last:
            self._on_end()
            self.ended.complete()
        return False

    def _wait(self, pause_s: float | None) -> None:
        self._sleep(self._idle_s if pause_s is None else min(pause_s, self._idle_s))
        with self._lock:
            self._idle_threads -= 1
        with internal_errors.guarded("look for what other processes have left"):
            self._idle_s = self._on_idle()

    def _sleep(self, pause_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=pause_s)
            while not self._stopping:
                self._wake.get_nowait()
