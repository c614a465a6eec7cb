"""What a pipeline has of delivery: hand over, flush, close, and the counts.

Two kinds of threads work here and never wait for each other: the gatherer writes down, the crew sends. They
are daemons, start when there is something to do, and again in a forked child. Where no thread can be started
any more, at the end of the interpreter, the caller of `flush` or `close` does their work.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Final

from greenflash_otel.delivery import fork_hooks
from greenflash_otel.delivery.batcher import CAPACITY, Gatherer
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender, Transport
from greenflash_otel.delivery.sender_pool import PATROL_S, Crew
from greenflash_otel.delivery.stats import Pause, Stats

GRACE_S: Final = 0.1
"""What idle threads get to end, even when no time is left."""
_NAP_S: Final = 0.05


class Worker:
    """Gathers and delivers, from its construction if an earlier process left something to send.

    Args:
        client: Sends; None without an API key: then everything stays in the outbox, and `stats` says so.
        gather: As for `Gatherer`.
        patrol: Called every half minute or so.
        clock: Monotonic seconds.
        rng: 0 to 1, spreads retries.
        capacity: How many submitted items may wait; more are refused and counted as ``queue_full``.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: Transport | None,
        *,
        gather: Callable[[list[object]], None],
        patrol: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
        capacity: int = CAPACITY,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._closed = False
        self._progress = threading.Condition()
        self._patrol = patrol
        self._patrolled_s = clock()
        self._since = datetime.now(timezone.utc)
        self._gatherer = Gatherer(gather, self._gathered, capacity=capacity)
        self.submit = self._gatherer.submit
        self.gather_now = self._gatherer.gather_now
        self._sender: Sender | None = None
        self._crew: Crew | None = None
        if client is not None:
            self._sender = Sender(outbox, client, clock=clock, rng=rng)
            self._crew = Crew(self._sender, progress=self._moved, patrol=self._look_around, gone=client.close)
        fork_hooks.watch(self)
        if outbox.counts().pending:
            self.notify()

    def notify(self) -> None:
        """Say that there is something new in the outbox."""
        if self._crew is not None:
            self._crew.call()

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
        self._gatherer.close()
        self.flush(timeout_s)
        if self._crew is not None:
            self._crew.stop(max(until_s - self._clock(), GRACE_S))
        self.gather_now()
        self._outbox.close()

    def stats(self) -> Stats:
        """What became of everything so far, in messages and outcomes."""
        counts = self._outbox.counts()
        lost, more = dict(counts.lost), self._gatherer.lost()
        for reason, count in more.items():
            lost[reason] = lost.get(reason, 0) + count
        paused = None
        why: str | None = self._sender.held if self._sender is not None else "no API key"
        if why is not None:
            paused = Pause(why, self._since, "")
        return replace(counts, accepted=counts.accepted + sum(more.values()), lost=lost, paused=paused)

    # Forking: the child has neither the threads nor what the parent will gather.

    def before_fork(self) -> None:
        """Nothing: `submit` must never wait, so there is no lock that could hold it back."""

    def after_fork(self, *, in_child: bool) -> None:
        """Begin again in the child; the parent goes on."""
        if in_child:
            self._progress = threading.Condition()
            self._gatherer.begin()
            if self._crew is not None:
                self._crew.begin()

    # What the threads tell.

    def _gathered(self) -> None:
        self.notify()
        self._moved()

    def _moved(self) -> None:
        with self._progress:
            self._progress.notify_all()

    def _look_around(self) -> None:
        """Take over what was left by processes that ended meanwhile; do what else there is to do at times."""
        if self._clock() - self._patrolled_s >= PATROL_S:
            self._patrolled_s = self._clock()
            self._outbox.adopt()
            self._patrol()

    # Waiting for the crew, or doing its work where there is none.

    def _advance(self, mark: int, until_s: float) -> None:
        left_s = until_s - self._clock()
        if self._crew is not None and self._crew.call():
            with self._progress:
                self._progress.wait_for(
                    lambda: self._outbox.is_clear(mark) or self._is_vain(until_s), timeout=left_s
                )
        elif self._sender is not None and not self._sender.step(timeout_s=left_s):
            with self._progress:
                self._progress.wait(min(self._sender.pause_s() or _NAP_S, left_s))

    def _is_vain(self, until_s: float) -> bool:
        """Whether nothing can be delivered until then."""
        now_s = self._clock()
        if self._sender is None or now_s >= until_s:
            return True
        if self._sender.is_busy:
            return False
        pause_s = self._sender.pause_s() or 0.0
        return pause_s > 0 and (self._sender.held is not None or now_s + pause_s > until_s)
