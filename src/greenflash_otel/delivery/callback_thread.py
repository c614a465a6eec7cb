"""Call a function of the application on a thread of its own, so that nothing of ours waits for it."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from greenflash_otel import internal_errors
from greenflash_otel.delivery.threads import Ticket, start_thread

T = TypeVar("T")

MOST: Final = 10_000
"""Calls that wait. Beyond that, the newest are left out."""
LIMIT_S: Final = 5.0
"""How long one call may take before the next ones no longer wait for it."""


class CallbackThread(Generic[T]):
    """Calls a function with one value after the other, in their order.

    A call that takes too long keeps its thread; another thread continues with the values behind it.

    Args:
        name: The function, as log lines call it.
    """

    def __init__(
        self, function: Callable[[T], object], name: str, *, limit_s: float = LIMIT_S, most: int = MOST
    ) -> None:
        self._function = function
        self._name = name
        self._limit_s = limit_s
        self._most = most
        self.begin()

    def begin(self) -> None:
        """Begin anew, as a forked child must."""
        self._waiting: queue.SimpleQueue[tuple[T] | Ticket] = queue.SimpleQueue()
        self._thread: object | None = None
        """The thread that takes the next value; None if there is none yet."""
        self._began_s: float | None = None
        """When the running call began."""

    def submit(self, value: T) -> None:
        """Queue a call of the function with a value. Waits for nothing."""
        if self._waiting.qsize() >= self._most:
            internal_errors.warn_once(f"{self._name} is too slow: some of its calls are left out")
            return
        self._waiting.put((value,))
        self._provide_thread()

    def finish(self, timeout_s: float) -> bool:
        """Wait until every value submitted before was passed. Return whether that was in time."""
        if self._thread is None:
            return True
        ticket = Ticket()
        self._waiting.put(ticket)
        self._provide_thread()
        return ticket.wait(min(timeout_s, self._limit_s))

    def _provide_thread(self) -> None:
        began_s = self._began_s
        is_stuck = began_s is not None and time.monotonic() - began_s > self._limit_s
        if is_stuck:
            internal_errors.warn_once(
                f"{self._name} took more than {self._limit_s:g} s; the next calls do not wait for it"
            )
        if self._thread is None or is_stuck:
            self._began_s, self._thread = None, (mine := object())
            start_thread(self._name, lambda: self._run(mine), is_waited_for=False)

    def _run(self, mine: object) -> None:
        while self._thread is mine:
            item = self._waiting.get()
            if isinstance(item, Ticket):
                item.complete()
                continue
            self._began_s = time.monotonic()
            with internal_errors.guarded(f"call {self._name}"), contextlib.suppress(SystemExit):
                self._function(*item)
            if self._thread is mine:
                self._began_s = None
