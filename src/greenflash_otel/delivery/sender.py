"""One step of delivery: claim an entry, send it, judge the answer, act on the verdict. Without a thread.

Also knows what no single entry does: until when the server wants silence, whether everything is held, and how
many requests may be out at a time. Thread-safe; nothing is locked while a request is under way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from typing_extensions import assert_never

from greenflash_otel.delivery.concurrency_limit import Window
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.policy import Delivered, PauseDelivery, Rejected, RetryAfter, Split, judge
from greenflash_otel.delivery.schema import Entry
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.greenflash_api.splitting import split
from greenflash_otel.internal_errors import logger

TELL_FROM_ATTEMPT = 3
"""The first attempts may fail without a word: most such faults are over in a second."""


class Transport(Protocol):
    """What sends: `api.client.Client`."""

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Send a request once; never raises."""
        ...

    def close(self) -> None:
        """Close connections."""


class Sender:
    """Sends what is due: of one conversation one request at a time, of several conversations several."""

    def __init__(
        self, outbox: Outbox, transport: Transport, *, clock: Callable[[], float], rng: Callable[[], float]
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._closed_until_s = float("-inf")
        self._refusals = 0
        self._window = Window()
        self._told: set[str] = set()
        self.held: str | None = None
        """Why everything is held, until an attempt gets past it."""
        self.begin()

    def begin(self) -> None:
        """In a forked child: nothing is out here, and the lock may be held by a thread that is not here."""
        self._lock = threading.Lock()
        self._out: dict[int, float] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a request is out."""
        return bool(self._out)

    def pause_s(self) -> float | None:
        """How long nothing can be claimed; None if no time is known: nothing waits, or too much is out."""
        due_s = self._outbox.due_s()
        if due_s is None or not self._has_room():
            return None
        now_s = self._clock()
        return max(due_s, self._closed_until_s, now_s) - now_s

    def step(self, *, timeout_s: float | None = None) -> bool:
        """Send one entry, if one is due and the server may be asked; False if not."""
        if (entry := self.claim()) is None:
            return False
        self.send(entry, timeout_s=timeout_s)
        return True

    def claim(self) -> Entry | None:
        """The next entry to send, if one is due and the server may be asked. It must be sent."""
        with self._lock:
            now_s = self._clock()
            if now_s < self._closed_until_s or not self._has_room():
                return None
            if (entry := self._outbox.claim(now_s)) is not None:
                self._out[entry.id] = now_s
            return entry

    def send(self, entry: Entry, *, timeout_s: float | None = None) -> None:
        """Send what was claimed, and act on the answer.

        Args:
            timeout_s: A shorter limit for this attempt than the transport's own.
        """
        answer = self._transport.send(entry.request, timeout_s=timeout_s)
        with self._lock:
            try:
                self._act(entry, answer)
            finally:
                self._out.pop(entry.id, None)

    def _has_room(self) -> bool:
        """One at a time while everything is held: it is only a probe."""
        return len(self._out) < (self._window.size if self.held is None else 1)

    def _act(self, entry: Entry, answer: Answer) -> None:
        now_s = self._clock()
        verdict = judge(
            answer,
            attempt=entry.attempt,
            request_items=entry.request.items,
            rng_fraction=self._rng(),
            pauses=self._refusals,
        )
        match verdict:
            case Delivered(sampled_out):
                self._resume()
                self._window.widen()
                self._outbox.settle(entry, sampled_out=sampled_out)
            case RetryAfter(delay_s, gate_all, reason):
                self._window.narrow(sent_s=self._out.get(entry.id, now_s), now_s=now_s)
                self._postpone(entry, now_s + delay_s, gate_all, reason)
            case Split(reason):
                self._resume()
                self._split(entry, reason, now_s)
            case Rejected(reason):
                self._resume()
                self._reject(entry, reason, now_s)
            case PauseDelivery(reason, delay_s):
                self._hold(entry, reason, now_s, delay_s)
            case _:
                assert_never(verdict)

    def _postpone(self, entry: Entry, until_s: float, gate_all: bool, reason: str) -> None:
        if gate_all:
            self._closed_until_s = max(self._closed_until_s, until_s)
        self._outbox.postpone(entry, until_s)
        if entry.attempt >= TELL_FROM_ATTEMPT:
            self._tell(f"cannot deliver at present ({reason}); captured data waits in the outbox")

    def _split(self, entry: Entry, reason: str, now_s: float) -> None:
        try:
            halves = split(entry.request)
        except ValueError:
            self._reject(entry, reason, now_s)
        else:
            self._outbox.replace(entry, halves, now_s=now_s)

    def _reject(self, entry: Entry, reason: str, now_s: float) -> None:
        self._outbox.reject(entry, reason, now_s=now_s)
        status = reason.partition(":")[0]  # what follows can quote content
        self._tell(f"Greenflash refused what was captured ({status}); it is set aside in the outbox")

    def _hold(self, entry: Entry, reason: str, now_s: float, delay_s: float) -> None:
        """Stop everything. The entry comes back behind all that are ready, so that another one probes:
        a firewall may object to nothing but the text of this one."""
        if self.held is None or now_s >= self._closed_until_s:  # else one of a volley that all say the same
            self._refusals += 1
            self._closed_until_s = max(self._closed_until_s, now_s + delay_s)
        self.held = reason
        self._outbox.postpone(entry, self._closed_until_s)
        self._tell(f"delivery is paused: {reason}. Captured data waits in the outbox")

    def _resume(self) -> None:
        if self.held is not None:
            self._tell(f"delivery has resumed after a pause: {self.held}")
        self.held, self._refusals = None, 0

    def _tell(self, message: str) -> None:
        """Log a warning once."""
        if message not in self._told:
            self._told.add(message)
            logger.warning("%s", message)
