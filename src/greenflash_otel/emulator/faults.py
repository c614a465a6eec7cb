"""Failures on order: what the emulator does to a request instead of, before or after handling it.

emulator.faults.next(Answer(429, headers={"retry-after": "2"}))       # then all is well again
emulator.faults.next(Answer(500, after_commit=True), path="/events")  # stored, but not acknowledged
hold = Hold()
emulator.faults.next(hold)                                            # until hold.release()
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

POLL_S = 0.005
"""How often a stopped request looks whether it was released."""


@dataclass(frozen=True, slots=True)
class FaultReply:
    """Answer this; ``after_commit`` says whether the request is handled first."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after_commit: bool = False

    async def happen(self) -> FaultReply:
        """Answer at once."""
        return self


class Hold:
    """Keep a request waiting until `release`, then answer it as usual."""

    def __init__(self, *, after_commit: bool = False) -> None:
        self.after_commit = after_commit
        self.arrived = threading.Event()
        """Set when the request is being stopped."""
        self._released = threading.Event()

    def release(self) -> None:
        """Let the request continue."""
        self._released.set()

    async def happen(self) -> None:
        """Wait."""
        self.arrived.set()
        while not self._released.is_set():
            await asyncio.sleep(POLL_S)


class Fault(Protocol):
    """One failure. `Answer` and `Hold` are two; more may be written."""

    @property
    def after_commit(self) -> bool:
        """False: before the request is even authorised. True: when the store has it."""
        ...

    async def happen(self) -> FaultReply | None:
        """Do it; an `Answer` is sent instead of the emulator's own."""
        ...


class Faults:
    """The failures to come, each for one request below ``/api/v1``. Subclass it for a policy of your own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[str | None, Fault]] = []
        self._stops: list[Hold] = []

    def next(self, *faults: Fault, path: str | None = None) -> None:
        """Let these happen to the next requests, one each; with ``path`` only to those that begin so."""
        with self._lock:
            self._waiting += [(path, fault) for fault in faults]
            self._stops += [fault for fault in faults if isinstance(fault, Hold)]

    def choose(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any; it is used up. ``method`` is for policies of your own."""
        with self._lock:
            for index, (prefix, fault) in enumerate(self._waiting):
                if prefix is None or path.startswith(prefix):
                    del self._waiting[index]
                    return fault
        return None

    def release(self) -> None:
        """Release every stopped request, so that the server can stop."""
        with self._lock:
            for stop in self._stops:
                stop.release()
            self._stops.clear()
