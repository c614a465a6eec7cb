"""Combine the parts of delivery for a pipeline: hand over, flush, close, and the counts.

Three kinds of threads work here and never wait for the application: the ingest thread converts, the writer
keeps, the senders send. They are daemons, start when there is something to do, and again in a forked child.
Where no thread can be started any more, at the end of the interpreter, the caller of `flush` or `close` does
their work.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Final

from greenflash_otel.delivery import fork_hooks
from greenflash_otel.delivery.batcher import Batcher, Work
from greenflash_otel.delivery.log_thread import LOG_THREAD
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.sender import Sender, Transport
from greenflash_otel.delivery.sender_pool import IDLE_S, SenderPool
from greenflash_otel.delivery.spill_protocol import Spill
from greenflash_otel.delivery.stats import Pause, Stats
from greenflash_otel.delivery.threads import Ticket, is_our_thread
from greenflash_otel.delivery.watches import Watch
from greenflash_otel.delivery.writer import WRITER, Job
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest

GRACE_S: Final = 0.25
"""What the end gets to put things in order, even when no time is left."""
INGEST_GRACE_S: Final = 2.0
"""What the ingest thread gets at the end, even when no time is left, where what waits may not go to disk."""
RETRY_DISK_S: Final = 1.0
"""How often an outbox in memory looks whether its folder can be used by now."""
NAP_S: Final = 0.25
"""How long a flush waits at most before it looks again."""


class Delivery:
    """Ingests and delivers, from its construction if an earlier process left something to send.

    Args:
        client: Sends; None without an API key: then everything stays in the outbox, and `stats` says so.
        process: As for `Batcher`.
        spill: As for `Batcher`.
        on_idle: As for `Batcher`.
        due_s: As for `Batcher`.
        destination: What `stats` calls the place that nothing is sent to.
        offline_reason: Why nothing is sent where there is no client.
        on_answered: As for `Sender`.
        clock: Monotonic seconds.
        rng: 0 to 1, spreads retries.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: Transport | None,
        *,
        process: Callable[[list[Any], int], None],
        spill: Spill,
        on_idle: Callable[[], None] = lambda: None,
        due_s: Callable[[], float] = lambda: math.inf,
        destination: str = "",
        offline_reason: str = "no API key",
        on_answered: Callable[[ApiRequest, Answer], None] = lambda request, answer: None,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._closed = False
        self._waiters: deque[Ticket] = deque()
        self._idled_s = clock()
        self._destination = destination
        self._offline_reason = offline_reason
        self._began = datetime.now(timezone.utc)
        self.batcher = Batcher(process, spill, on_idle=on_idle, due_s=due_s)
        self.submit = self.batcher.submit
        self._sender: Sender | None = None
        self._pool: SenderPool | None = None
        if client is not None:
            self._sender = Sender(
                outbox, client, clock=clock, rng=rng, destination=destination, on_answered=on_answered
            )
            self._pool = SenderPool(
                self._sender, on_progress=self._report_progress, on_idle=self._be_idle, on_end=client.close
            )
        outbox.reads_ahead = client is not None
        outbox.on_change = self._note_change
        fork_hooks.watch(self)
        if outbox.get_stats().pending:
            WRITER.submit(outbox, Job(lambda _: self._note_change()))

    def run_behind(self, act: Callable[[], Any], *, size_bytes: int = 0) -> Work:
        """Let the ingest thread do something behind everything that was submitted before."""
        return self.batcher.run_behind(act, size_bytes=size_bytes)

    def ingest_now(self, timeout_s: float) -> bool:
        """Ingest everything that was submitted before. Return whether it is in the outbox now."""
        return self.batcher.wait(self.batcher.run_behind(lambda: None), timeout_s)

    def flush(self, timeout_s: float, *, settle: Callable[[], object] = lambda: None) -> bool:
        """Return whether everything that was submitted and put before this call is accepted.

        What was postponed after a failure gets one attempt at once; a wait that the server asked for is respected.
        Returns as soon as the answer is clear: False at once when delivery is paused, without an API key,
        or when the next attempt is due beyond the timeout. On a thread of ours it is always False.

        Args:
            settle: Done by the ingest thread first.
        """
        if is_our_thread():
            return False
        with LOG_THREAD.show_lines():
            return self._flush(timeout_s, settle)

    def _flush(self, timeout_s: float, settle: Callable[[], object]) -> bool:
        until_s = self._clock() + timeout_s
        lost = sum(self.batcher.count_refused().values())
        grace_s = 0.0 if self.batcher.has_work() else GRACE_S  # nothing waits: that takes no time to say
        if not self.batcher.wait(self.batcher.run_behind(settle), max(timeout_s, grace_s)):
            return False
        watch = self._outbox.watch(max(until_s - self._clock(), GRACE_S))
        if watch is None:
            return False
        try:
            while watch.left > 0 and not self._is_vain(until_s):
                self._advance(watch, until_s)
            return (
                watch.left <= 0
                and not watch.has_failed
                and sum(self.batcher.count_refused().values()) == lost
            )
        finally:
            self._outbox.unwatch(watch, GRACE_S)

    def close(self, timeout_s: float, *, settle: Callable[[], object] = lambda: None) -> None:
        """Take nothing more, ingest what was submitted, and try to deliver it in time.

        What is not delivered stays in the outbox, also what a request was sent for that is still unanswered.
        What could not be ingested in time is moved to the spill.
        """
        if self._closed:
            return
        until_s = self._clock() + timeout_s
        self._closed = True
        self.flush(timeout_s, settle=settle)
        self.batcher.close()
        if self._pool is not None:
            stopping = Job(lambda _: self._stop_pool())
            WRITER.wait(WRITER.submit(self._outbox, stopping), max(until_s - self._clock(), GRACE_S))
            self._pool.ended.wait(max(until_s - self._clock(), GRACE_S))
        grace_s = GRACE_S if self.batcher.can_spill_to_disk() else INGEST_GRACE_S
        ingested = is_our_thread() or self.ingest_now(max(until_s - self._clock(), grace_s))
        if not ingested and (ticket := self.batcher.spill_everything()) is not None:
            ticket.wait(max(until_s - self._clock(), GRACE_S))
        self._outbox.close(max(until_s - self._clock(), 10 * GRACE_S))

    def stats(self) -> Stats:
        """Return what became of everything so far, in messages and outcomes. Waits for nothing."""
        counts = self._outbox.get_stats()
        lost, more = dict(counts.lost), self.batcher.count_refused()
        for reason, count in more.items():
            lost[reason] = lost.get(reason, 0) + count
        if self._sender is None:
            paused: Pause | None = Pause(self._offline_reason, self._began, self._destination)
        else:
            paused = self._sender.paused
        return replace(counts, accepted=counts.accepted + sum(more.values()), lost=lost, paused=paused)

    # Forking: the child has neither the threads nor what the parent will ingest.

    def prepare_fork(self) -> None:
        """Do nothing: `submit` must never wait, so there is no lock that could delay it."""

    def resume_after_fork(self, *, in_child: bool) -> None:
        """Begin again in the child; the parent continues."""
        if in_child:
            self._waiters = deque()
            self.batcher.begin_in_child()
            if self._pool is not None:
                self._pool.begin()

    # What our threads say.

    def _note_change(self) -> None:
        if self._pool is not None:
            self._pool.wake()
        if self._outbox.captured and not self._closed:
            self.batcher.note_spilled()
        self._report_progress()

    def _stop_pool(self) -> None:
        if self._pool is not None:
            self._pool.stop()

    def _report_progress(self) -> None:
        while self._waiters:
            with contextlib.suppress(IndexError):  # another thread was quicker
                self._waiters.popleft().complete()

    def _be_idle(self) -> float:
        """Take over what was left by processes that ended meanwhile."""
        if not self._outbox.is_durable():
            self._outbox.make_durable(IDLE_S)
        if self._clock() - self._idled_s >= IDLE_S:
            self._idled_s = self._clock()
            self._outbox.adopt()
        return IDLE_S if self._outbox.is_durable() else RETRY_DISK_S

    # Waiting for the senders, or doing their work where there are none.

    def _advance(self, watch: Watch, until_s: float) -> None:
        ticket = Ticket()
        self._waiters.append(ticket)
        if watch.left <= 0 or self._is_vain(until_s):  # asked after the ticket can be completed
            return
        left_s = until_s - self._clock()
        if self._sender is not None and self._has_no_threads():
            if not self._sender.send_next(timeout_s=left_s):
                ticket.wait(min(self._sender.pause_s() or GRACE_S, left_s))
            return
        ticket.wait(min(NAP_S, left_s))

    def _has_no_threads(self) -> bool:
        return self._pool is not None and self._pool.is_empty and not self._pool.can_start

    def _is_vain(self, until_s: float) -> bool:
        """Return whether nothing can be delivered until then."""
        now_s = self._clock()
        if self._sender is None or now_s >= until_s:
            return True
        if self._sender.is_busy:
            return False
        pause_s = self._sender.pause_s() or 0.0
        return pause_s > 0 and (self._sender.paused is not None or now_s + pause_s > until_s)
