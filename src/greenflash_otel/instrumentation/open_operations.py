"""Operations that nobody ended: dropped streams, streams open at exit or across a fork.

A dropped stream is found by the garbage collector, which interrupts any code at all, also code that
holds a lock which ending a span needs. So an operation dropped there waits until the next one starts or
ends. Whatever still runs when the interpreter exits is ended then, as abandoned, with what it had got.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections import deque
from types import FrameType
from typing import Protocol
from weakref import WeakSet

from greenflash_otel.internal_errors import guarded
from greenflash_otel.platform_support import register_at_fork

TAKES_LOCKS = (
    "opentelemetry.sdk.",
    "greenflash_otel.delivery.",
    "greenflash_otel.exporter",
    "greenflash_otel.ingest.ingest",
    "greenflash_otel.instrumentation.history",
    "greenflash_otel.instrumentation.langchain.",
)
"""Modules that may hold a lock which ending a span would wait for, in the same thread: for ever."""


class Unfinished(Protocol):
    """An operation that runs."""

    def abandon(self) -> None:
        """End it as left early. Safe to call at any time and more than once."""

    def discard(self) -> None:
        """Forget it without a trace."""


_running: WeakSet[Unfinished] = WeakSet()
_waiting: deque[Unfinished] = deque()
_hooks_lock = threading.Lock()
_hooked = False


def watch(operation: Unfinished) -> None:
    """See to it that ``operation`` is ended at exit if nothing has ended it before."""
    _hook_into_exit_and_fork()
    _running.add(operation)


def abandon_when_safe(operation: Unfinished) -> None:
    """Abandon ``operation`` now, or soon where this moment's locks forbid it."""
    if _locks_may_be_held(sys._getframe(1)):
        _waiting.append(operation)
    else:
        operation.abandon()


def abandon_waiting() -> None:
    """Abandon what was dropped at a moment that forbade it."""
    while _waiting:
        try:
            operation = _waiting.popleft()
        except IndexError:  # another thread was quicker
            return
        operation.abandon()


def abandon_running() -> None:
    """Abandon everything that runs. For the end of the process."""
    with guarded("end what is open at exit"):
        for operation in list(_running):
            operation.abandon()
    abandon_waiting()


def _discard_running() -> None:
    """A forked child has copies of its parent's operations; the parent goes on with them and ends them."""
    for operation in [*_running, *_waiting]:
        operation.discard()
    _running.clear()
    _waiting.clear()


def _locks_may_be_held(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(TAKES_LOCKS):
            return True
        frame = frame.f_back
    return False


def _hook_into_exit_and_fork() -> None:
    """Not before the first operation: exit hooks run last in first out, the tracer provider's after ours."""
    global _hooked
    if _hooked:
        return
    with _hooks_lock:
        if not _hooked:
            atexit.register(abandon_running)
            register_at_fork(after_in_child=_discard_running)
            _hooked = True
