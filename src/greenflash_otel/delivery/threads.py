"""Start our threads, know them, and wait for them without a lock.

A thread of the application never takes a lock of ours. A signal handler, a garbage collection or a logging
handler may interrupt it and call this library again; the thread would then wait for itself. It appends to a
queue and waits for a `Ticket`, for a limited time. A thread of ours never waits for a ticket of a public
function, because it may itself be the thread that has to complete it.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable
from typing import Final

from greenflash_otel import sigterm

NESTED_S: Final = 1.0
"""How long a call waits for what signal handlers handed over while it waited for its own work."""

_ours: set[int] = set()


def start_thread(name: str, run: Callable[[], None], *, is_waited_for: bool = True) -> bool:
    """Start a daemon thread of ours; False where the interpreter starts none any more.

    Not `threading.Thread`: its `start` takes a lock that the interrupted code may own.

    Args:
        is_waited_for: Whether public functions wait for what it does. If not, it may call them itself.
    """

    def run_as_ours() -> None:
        ident = _thread.get_ident()
        if is_waited_for:
            _ours.add(ident)
        sigterm.leave_to_others()
        try:
            threading.current_thread().name = f"greenflash-otel {name}"
            run()
        finally:
            _ours.discard(ident)

    try:
        _thread.start_new_thread(run_as_ours, ())
    except RuntimeError:  # the interpreter is about to end
        return False
    return True


def is_our_thread() -> bool:
    """Return whether the running thread is ours, so that it must not wait for a public function."""
    return _thread.get_ident() in _ours


def forget_threads() -> None:
    """Forget the parent's threads in a forked child."""
    _ours.clear()


_waiting: dict[int, list[Ticket]] = {}
"""By thread that waits in a public function: what was handed over on it meanwhile, by a signal handler."""


def wait_unless_nested(ticket: Ticket, timeout_s: float) -> bool:
    """Wait for a ticket; not where the thread waits already, and was interrupted to come here.

    A signal handler that records faster than the disk works would otherwise nest without end. The outer call
    waits for what was handed over inside it.
    """
    ident = _thread.get_ident()
    if ident in _waiting:
        _waiting[ident].append(ticket)
        return ticket.is_complete
    nested = _waiting.setdefault(ident, [])
    until_s = time.monotonic() + timeout_s
    try:
        done = ticket.wait(timeout_s)
        until_s = min(until_s, time.monotonic() + NESTED_S)
        _wait_for_all(nested, until_s)
    finally:
        _waiting.pop(ident, None)
    _wait_for_all(nested, until_s)  # a signal may have come between the last wait and here
    return done


def _wait_for_all(tickets: list[Ticket], until_s: float) -> None:
    while tickets and time.monotonic() < until_s:
        tickets.pop(0).wait(until_s - time.monotonic())


def is_waiting() -> bool:
    """Return whether the running thread waits in a public function already, and was interrupted to come here."""
    return _thread.get_ident() in _waiting


class Ticket:
    """Something to wait for, once. A bare lock: nothing of it can be interrupted half way."""

    __slots__ = ("_lock", "is_complete")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self.is_complete = False

    def complete(self) -> None:
        """Wake who waits. Calling it again does nothing."""
        if not self.is_complete:
            self.is_complete = True
            self._lock.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is complete or the time is over. Return whether it is complete."""
        if self.is_complete or timeout_s <= 0:
            return self.is_complete
        if self._lock.acquire(timeout=min(timeout_s, threading.TIMEOUT_MAX)):
            self._lock.release()  # for the next caller
        return self.is_complete
