"""The only thread: gathers what was submitted, then sends what is due.

`Worker.submit` is all that an application's thread ever does here, and it is safe anywhere: no lock, no disk,
no network, so it may run in ``__del__``, in a garbage collection or in a signal handler. The thread is a
daemon, starts when there is something to do, and again in a forked child. Where no thread can be started any
more, at the end of the interpreter, the caller of `flush` or `close` does its work.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from greenflash_otel import faults
from greenflash_otel.delivery import forking
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender, Transport
from greenflash_otel.delivery.stats import Stats

CAPACITY: Final = 10_000
"""How many submitted items may wait to be gathered."""
BATCH: Final = 256
"""How many are gathered, and so committed, at a time."""
LINGER_S: Final = 0.1
"""How long a first item waits for company: what ``kill -9`` can cost at most while nothing is being sent."""
RECOVERY_S: Final = 1.0
"""Pause after a failure of ours, so that it cannot spin."""

GRACE_S: Final = 0.1
"""What an idle thread gets to end, even when no time is left."""

_LONGEST_SLEEP_S: Final = 3600.0


class Worker:
    """Runs gathering and delivery, from its construction if an earlier process left something to send.

    Args:
        client: Sends; None without an API key: then everything stays in the outbox, and `stats` says so.
        gather: Converts submitted items and puts what they tell into the outbox. Called by one thread at a
            time, in the order of submission. If it raises, its batch is lost and counted.
        clock: Monotonic seconds.
        rng: 0 to 1, spreads retries.
        capacity: How many submitted items may wait; more are refused and counted as ``queue_full``.
    """

    _asleep: bool
    _running: bool
    _stopping: bool
    _ended: threading.Event

    def __init__(
        self,
        outbox: Outbox,
        client: Transport | None,
        *,
        gather: Callable[[list[object]], None],
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        capacity: int = CAPACITY,
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._sender = Sender(outbox, client, clock=clock, rng=rng) if client is not None else None
        self._gather = gather
        self._clock = clock
        self._capacity = capacity
        self._closed = False
        self._begin()
        forking.watch(self)
        if client is not None and outbox.counts().pending:
            self._start()

    def submit(self, item: object) -> bool:
        """Hand over an item to be gathered; False, and counted, if too many wait or the worker is closed."""
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

    def notify(self) -> None:
        """Say that there is something new in the outbox."""
        self._wake.put(None)
        self._start()

    def gather_now(self) -> None:
        """Gather on this thread all that was submitted before; it is in the outbox when this returns."""
        with self._gathering:
            left = len(self._items)
            while left > 0:
                left -= self._gather_batch()

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was submitted and put before this call is delivered or set aside.

        What was postponed after a failure gets one attempt at once; a wait that the server asked for is kept.
        Returns as soon as the answer is clear: False at once when everything is held, without an API key,
        or when the next attempt lies beyond the timeout.
        """
        until_s = self._clock() + timeout_s
        self.gather_now()
        mark = self._outbox.mark()
        self._outbox.hurry()
        self.notify()
        while not (clear := self._outbox.is_clear(mark)) and not self._is_vain(until_s):
            self._advance(mark, until_s)
        return clear

    def close(self, timeout_s: float) -> None:
        """Take nothing more, gather what was submitted, and try to deliver it in time.

        What is not delivered stays in the outbox, also what a request was sent for that is still unanswered.
        """
        if self._closed:
            return
        until_s = self._clock() + timeout_s
        self._closed = True
        self.flush(timeout_s)
        self._stopping = True
        self._wake.put(None)
        if self._running:
            self._ended.wait(max(until_s - self._clock(), GRACE_S))
        elif self._client is not None:
            self._client.close()
        self.gather_now()
        self._outbox.close()

    def stats(self) -> Stats:
        """What became of everything so far, in messages and outcomes."""
        counts = self._outbox.counts()
        lost = dict(counts.lost)
        for (reason, _), count in self._lost.copy().items():
            lost[reason] = lost.get(reason, 0) + count
        more = sum(lost.values()) - sum(counts.lost.values())
        held = self._sender.held if self._sender is not None else "no API key"
        return replace(counts, accepted=counts.accepted + more, lost=lost, held=held)

    # Forking: the child has neither the thread nor what the parent will gather.

    def before_fork(self) -> None:
        """Nothing: `submit` must never wait, so there is no lock that could hold it back."""

    def after_fork(self, *, in_child: bool) -> None:
        """Begin again in the child; the parent goes on."""
        if in_child:
            self._begin()

    def _begin(self) -> None:
        self._items: deque[object] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put is reentrant, unlike Queue's
        self._asleep = False
        self._running = False
        self._stopping = False
        self._starting = threading.Lock()
        self._gathering = threading.Lock()
        self._sending = threading.Lock()
        self._progress = threading.Condition()
        self._ended = threading.Event()
        self._lost: dict[tuple[str, int], int] = {}

    def _lose(self, reason: str) -> bool:
        key = reason, threading.get_ident()  # each thread adds to its own count, so no lock is needed
        self._lost[key] = self._lost.get(key, 0) + 1
        return False

    # The thread.

    def _start(self) -> bool:
        """Start the thread unless it runs; False if none can be started."""
        if not self._running and self._starting.acquire(blocking=False):
            try:
                if not self._running:
                    # Not threading.Thread: its start() takes a lock that the interrupted code may hold.
                    _thread.start_new_thread(self._run, ())
                    self._running = True
            except RuntimeError:  # the interpreter is about to end
                return False
            finally:
                self._starting.release()
        return True

    def _run(self) -> None:
        threading.current_thread().name = "greenflash-otel"
        try:
            while not self._stopping:
                healthy = False
                with faults.guarded("work on deliveries"):
                    self._sleep(self._pause_s())
                    self._turn()
                    healthy = True
                if not healthy:
                    self._sleep(RECOVERY_S)
        finally:
            if self._stopping and self._client is not None:
                self._client.close()
            self._ended.set()

    def _turn(self, timeout_s: float | None = None) -> None:
        """Gather one batch, send one request."""
        with self._gathering:
            self._gather_batch()
        if self._sender is not None:
            with self._sending:
                self._sender.step(timeout_s=timeout_s)
        with self._progress:
            self._progress.notify_all()

    def _gather_batch(self) -> int:
        """Gather some of what was submitted; how many. Only while holding the lock for it."""
        batch = [self._items.popleft() for _ in range(min(len(self._items), BATCH))]
        if batch:
            gathered = False
            with faults.guarded("gather what was submitted"):
                self._gather(batch)
                gathered = True
            if not gathered:
                for _ in batch:
                    self._lose("gather_failed")
        return len(batch)

    def _pause_s(self) -> float:
        pause_s = self._sender.pause_s() if self._sender is not None else None
        return _LONGEST_SLEEP_S if pause_s is None else min(pause_s, _LONGEST_SLEEP_S)

    def _sleep(self, pause_s: float) -> None:
        """Wait until there is something to do, at most so long. A first item waits a little for company."""
        if pause_s <= 0:
            return
        self._asleep = True
        if not self._items:  # asked with the flag up: who submits now either is seen here or sees the flag
            self._await_wake(pause_s)
        self._asleep = False
        if 0 < len(self._items) < BATCH:
            self._await_wake(min(pause_s, LINGER_S))

    def _await_wake(self, timeout_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=timeout_s)
            while True:
                self._wake.get_nowait()

    # Waiting for the thread, or doing its work where there is none.

    def _advance(self, mark: int, until_s: float) -> None:
        left_s = until_s - self._clock()
        if self._start():
            with self._progress:
                self._progress.wait_for(
                    lambda: self._outbox.is_clear(mark) or self._is_vain(until_s), timeout=left_s
                )
        else:
            self._sleep(min(self._pause_s(), left_s))
            self._turn(timeout_s=until_s - self._clock())

    def _is_vain(self, until_s: float) -> bool:
        """Whether nothing can be delivered until then."""
        now_s = self._clock()
        if self._sender is None or self._stopping or now_s >= until_s:
            return True
        if self._sending.locked():
            return False
        pause_s = self._sender.pause_s() or 0.0
        return pause_s > 0 and (self._sender.held is not None or now_s + pause_s > until_s)
