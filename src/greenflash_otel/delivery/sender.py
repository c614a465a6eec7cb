"""One step of delivery: claim an entry, send it, judge the answer, act on the verdict. Without a thread.

Also knows what no single entry does: until when the server wants silence, why everything pauses, whether
refusals are about their items at all, and how many requests may be under way. Nothing is locked while a
request is under way or the outbox works; only threads of ours come here.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final, Protocol

from typing_extensions import assert_never

from greenflash_otel import internal_errors
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.policy import (
    Delivered,
    PauseDelivery,
    Rejected,
    RetryAfter,
    Split,
    judge,
    pause_delay_s,
)
from greenflash_otel.delivery.refusals import RefusalStreak
from greenflash_otel.delivery.schedule import ConcurrencyLimit
from greenflash_otel.delivery.schema import Entry
from greenflash_otel.delivery.stats import Pause
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.greenflash_api.splitting import split

QUICK_S: Final = 0.002
"""A server that answers sooner is served by one thread: more of them would only wait for each other."""
OVERDUE_S: Final = 0.01
"""An answer that takes longer than this is not quick any more, whatever those before it were."""
LOG_FROM_ATTEMPT: Final = 3
"""The first attempts may fail without a word: most such failures are over in a second."""


class Transport(Protocol):
    """What sends: `greenflash_api.client.Client`."""

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Send a request once; never raises."""
        ...

    def close(self) -> None:
        """Close connections."""


class Sender:
    """Sends what is due: of one conversation one request at a time, of several conversations several.

    Args:
        destination: What logs and `Pause` call the server.
        has_accepted: Whether the destination ever accepted anything.
        on_accepted: Called when it does so for the first time.
        on_answered: Called with each request that was accepted, and the answer.
    """

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        *,
        clock: Callable[[], float],
        rng: Callable[[], float],
        destination: str = "",
        has_accepted: bool = False,
        on_accepted: Callable[[], None] = lambda: None,
        on_answered: Callable[[ApiRequest, Answer], None] = lambda request, answer: None,
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._destination = destination
        self._on_accepted = on_accepted
        self._on_answered = on_answered
        self._closed_until_s = float("-inf")
        self._pauses = 0
        self._limit = ConcurrencyLimit()
        self._streak: RefusalStreak[int] = RefusalStreak(has_accepted=has_accepted)
        self.paused: Pause | None = None
        """Why everything waits, until an attempt gets past it."""
        self._logged_reason = ""
        self.begin()

    def begin(self) -> None:
        """Begin in a forked child: nothing is under way here; a thread that is gone may own the lock."""
        self._lock = threading.Lock()
        self._under_way: dict[int, float] = {}
        self._claiming = 0
        self._sent: dict[int, float] = {}
        self._answer_s = math.inf
        """How long the last answer took."""

    def is_enough(self) -> bool:
        """Return whether the thread that sends at this moment is enough, because answers come quickly."""
        if self._answer_s > QUICK_S or not self._sent:
            return False
        sent_s = list(self._sent.values())
        return time.perf_counter() - min(sent_s, default=0.0) < OVERDUE_S

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._under_way or self._claiming)

    def pause_s(self) -> float | None:
        """Return for how many seconds nothing can be claimed; None if that is unknown.

        It is unknown while nothing waits, or while too much is under way.
        """
        due_s = self._outbox.compute_due_s()
        if due_s is None or not self._has_room():
            return None
        now_s = self._clock()
        return max(due_s, self._closed_until_s, now_s) - now_s

    def send_next(self, *, timeout_s: float | None = None) -> bool:
        """Send one entry, if one is due and the server may be asked; False if not."""
        if (entry := self.claim_next()) is None:
            return False
        self.send(entry, timeout_s=timeout_s)
        return True

    def claim_next(self) -> Entry | None:
        """Claim the next entry to send, if one is due and the server may be asked. It must be sent."""
        with self._lock:
            now_s = self._clock()
            if now_s < self._closed_until_s or not self._has_room():
                return None
            self._claiming += 1
        entry = None
        try:
            entry = self._outbox.claim_next(now_s)
        finally:
            with self._lock:
                self._claiming -= 1
                if entry is not None:
                    self._under_way[entry.id] = now_s
        return entry

    def send(self, entry: Entry, *, timeout_s: float | None = None) -> None:
        """Send what was claimed, and act on the answer.

        Args:
            timeout_s: A shorter limit for this attempt than the transport's own.
        """
        self._sent[entry.id] = began_s = time.perf_counter()
        answer = self._transport.send(entry.request, timeout_s=timeout_s)
        self._sent.pop(entry.id, None)
        self._answer_s = time.perf_counter() - began_s
        try:
            self._act(entry, answer)
        finally:
            with self._lock:
                self._under_way.pop(entry.id, None)

    def _has_room(self) -> bool:
        """Return whether one more may be under way; while delivery pauses, one at a time: it is only a probe."""
        return len(self._under_way) + self._claiming < (self._limit.size if self.paused is None else 1)

    def _act(self, entry: Entry, answer: Answer) -> None:
        now_s = self._clock()
        verdict = judge(
            answer,
            attempt=entry.attempt,
            request_items=entry.request.items,
            rng_fraction=self._rng(),
            pauses=self._pauses,
        )
        match verdict:
            case Delivered(sampled_out):
                self._note_accepted()
                self._outbox.acknowledge(entry, sampled_out=sampled_out)
                self._on_answered(entry.request, answer)
            case RetryAfter(delay_s, gate_all, reason):
                with self._lock:
                    self._limit.narrow(sent_s=self._under_way.get(entry.id, now_s), now_s=now_s)
                self._postpone(entry, now_s + delay_s, gate_all, reason)
            case Split(reason):
                self._split(entry, reason, now_s)
            case Rejected(reason, is_certain):
                self._reject(entry, reason, now_s, is_certain=is_certain)
            case PauseDelivery(reason, delay_s):
                until_s = self._pause(reason, now_s, delay_s)
                self._outbox.postpone(entry, until_s)
            case _:
                assert_never(verdict)

    def _note_accepted(self) -> None:
        with self._lock:
            first = not self._streak.has_accepted
            self._streak.note_accepted()
            self._limit.widen()
        self._resume()
        if first:
            with internal_errors.guarded("note that the destination accepts"):
                self._on_accepted()

    def _resume(self) -> None:
        with self._lock:
            resumed, self.paused, self._pauses = self.paused, None, 0
            logged, self._logged_reason = self._logged_reason, ""
        if resumed is not None:
            internal_errors.inform_once(
                f"delivery to {self._destination} goes on after a pause ({logged})",
                key=f"resumed {self._destination} {resumed.since}",
            )

    def _postpone(self, entry: Entry, until_s: float, gate_all: bool, reason: str) -> None:
        if gate_all:
            self._closed_until_s = max(self._closed_until_s, until_s)
        self._outbox.postpone(entry, until_s)
        if entry.attempt >= LOG_FROM_ATTEMPT:
            self._warn(f"cannot be delivered at present ({reason}); it waits in the outbox", "retry")

    def _split(self, entry: Entry, reason: str, now_s: float) -> None:
        try:
            halves = split(entry.request)
        except ValueError:
            self._reject(entry, reason, now_s, is_certain=True)
        else:
            self._outbox.replace(entry, halves, now_s=now_s)

    def _reject(self, entry: Entry, reason: str, now_s: float, *, is_certain: bool) -> None:
        """Reject an entry; if the refusal turns out not to be about the items, restore them all and pause."""
        if (id := self._outbox.reject(entry, reason, now_s=now_s)) is None:
            return
        suspect = None
        if not is_certain:
            with self._lock:
                waiting = self._outbox.get_stats().pending
                suspect = self._streak.note_rejected(
                    entry.request.conversation_id, id, reason, waiting=waiting
                )
        if suspect is not None:
            self._pause(suspect.reason, now_s, pause_delay_s(self._pauses), log_as=suspect.summary)
            self._outbox.restore(suspect.entries)
            return
        self._resume()
        status = reason.partition(":")[0]  # what follows can quote content
        self._warn(
            f"was refused by Greenflash for good ({status}); see 'greenflash-otel outbox list'",
            f"rejected {status}",
        )

    def _pause(self, reason: str, now_s: float, delay_s: float, log_as: str | None = None) -> float:
        """Pause all delivery, and return until when.

        The entry goes behind every entry that is ready, so that another one probes: a firewall may object to
        nothing but the text of this one.

        Args:
            log_as: What to log instead of a reason that can quote content.
        """
        with self._lock:
            if (
                self.paused is None or now_s >= self._closed_until_s
            ):  # else one of a volley that all say the same
                self._pauses += 1
                self._closed_until_s = max(self._closed_until_s, now_s + delay_s)
            since = self.paused.since if self.paused is not None else datetime.now(timezone.utc)
            self.paused = Pause(reason, since, self._destination)
            self._logged_reason = log_as or reason
            until_s = self._closed_until_s
        internal_errors.warn_once(
            f"delivery to {self._destination} pauses: {log_as or reason}. Captured data waits in the outbox",
            key=f"paused {self._destination} {reason.partition(':')[0]}",
            page="paused",
        )
        return until_s

    def _warn(self, what: str, kind: str) -> None:
        internal_errors.warn_once(
            f"captured data for {self._destination} {what}", key=f"{kind} {self._destination}", page="paused"
        )
