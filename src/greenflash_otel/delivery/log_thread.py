"""Log what our threads have to say on a thread that nobody waits for.

A logging handler of the application may be slow. It may call this library, and wait for the thread that logs
while it owns the handler's lock. So no thread that a public function waits for calls a handler.
"""

from __future__ import annotations

import _thread
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery.threads import Ticket, is_our_thread, start_thread

SHOW_S: Final = 0.25
"""How long a public function waits for the lines that were logged while it waited for its own work."""


class LogThread:
    """Calls the logging handlers for our other threads, in their order. One for the process: `LOG_THREAD`."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin anew, as a forked child must."""
        self._lines: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # its put is reentrant
        self._starting = _thread.allocate_lock()
        self._running = False
        self._ident: int | None = None
        self.handed_over = 0

    def hand_over(self, emit: Callable[[], None]) -> bool:
        """Take over a log call of a thread of ours; False if the running thread may make it itself."""
        if not is_our_thread() or not self._is_running():
            return False
        self.handed_over += 1
        self._lines.put(emit)
        return True

    @contextmanager
    def show_lines(self) -> Iterator[None]:
        """Wait a moment, at the end, for the lines that were logged meanwhile."""
        since = self.handed_over
        try:
            yield
        finally:
            self.wait_for_lines(since)

    def wait_for_lines(self, since: int) -> None:
        """Wait a moment for the lines that were handed over after the first `since`."""
        if self.handed_over == since or self._ident == _thread.get_ident():
            return
        shown = Ticket()
        self._lines.put(shown.complete)
        shown.wait(SHOW_S)

    def _is_running(self) -> bool:
        if not self._running and self._starting.acquire(blocking=False):
            self._running = self._running or start_thread("log", self._run, is_waited_for=False)
            self._starting.release()
        return self._running

    def _run(self) -> None:
        self._ident = _thread.get_ident()
        while True:
            self._lines.get()()


LOG_THREAD: Final = LogThread()
"""The log thread of this process."""

internal_errors.log_through(LOG_THREAD.hand_over)
