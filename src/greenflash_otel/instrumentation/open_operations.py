"""End operations that the application never ended: dropped streams, and streams open at exit or across a fork.

The garbage collector finds a dropped stream. It interrupts any code at all, also code that owns a lock which
ending a span needs. So an operation dropped there waits until the next one starts or ends. `abandon_running`
ends whatever still runs, with what has arrived: at `shutdown()`, at `uninstrument()` and when the interpreter
exits. Signal handlers call it too, so it takes no lock of the code they interrupt.
"""

from __future__ import annotations

import _thread
import atexit
import sys
import threading
from collections import deque
from types import FrameType
from typing import Protocol

from greenflash_otel.context import note_begun_here
from greenflash_otel.internal_errors import guarded
from greenflash_otel.open_set import OpenSet
from greenflash_otel.platform_support import register_at_fork

TAKES_LOCKS = (
    "opentelemetry.sdk.",
    "greenflash_otel.delivery.",
    "greenflash_otel.exporter",
    "greenflash_otel.ingest.ingest",
    "greenflash_otel.instrumentation.history",
    "greenflash_otel.instrumentation.langchain.",
)
"""Modules that may own a lock which ending a span would wait for, in the same thread: for ever."""

BUSY = (
    *TAKES_LOCKS,
    "greenflash_otel.installation",
    "greenflash_otel.instrumentation.invocation",
    "greenflash_otel.instrumentation.open_operations",
    "greenflash_otel.instrumentation.openai.agent_call",
    "greenflash_otel.instrumentation.openai.agent_sessions",
    "greenflash_otel.instrumentation.openai.agents",
    "greenflash_otel.instrumentation.openai.body",
    "greenflash_otel.instrumentation.openai.call",
    "greenflash_otel.instrumentation.openai.websocket.session",
    "greenflash_otel.pipeline",
    "greenflash_otel.runtime",
)
"""Modules that are soon done, and whose work the end of the process should not cut in two."""

OWN_CODE = "own code"
"""In place of the instrumentation: the application's own code records it."""

MAX_LOCK_WAIT_S = 1.0
"""How long operations are waited for that may need a lock of the code that a signal handler interrupted."""


class Unfinished(Protocol):
    """An operation that runs."""

    @property
    def instrumentation(self) -> object:
        """The instrumentation that records it."""
        ...

    def abandon(self) -> None:
        """End it as left early. Safe to call at any time and more than once."""

    def leave(self, error: BaseException) -> None:
        """End it because ``error`` left the block it began in; as safe."""

    def discard(self) -> None:
        """Forget it without a trace."""


_running: OpenSet[Unfinished] = OpenSet()
_waiting: deque[Unfinished] = deque()
_hooks_lock = threading.Lock()
_hooked = False


def watch(operation: Unfinished) -> None:
    """End ``operation`` with the process, or with its `conversation()`, if nothing ends it before."""
    _hook_into_exit_and_fork()
    _running.add(operation)
    note_begun_here(operation)


def abandon_when_safe(operation: Unfinished) -> None:
    """Abandon ``operation`` now, or soon where this moment's locks forbid it."""
    if _any_of(TAKES_LOCKS, sys._getframe(1)):
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


def abandon_running(instrumentation: object = None) -> None:
    """Abandon everything that runs, or what ``instrumentation`` records of it."""

    def abandon_all() -> None:
        for operation in _running.list_items():
            with guarded("end what is open at exit"):
                if instrumentation is None or operation.instrumentation is instrumentation:
                    operation.abandon()
        with guarded("end what is open at exit"):
            abandon_waiting()

    if not _any_of(TAKES_LOCKS, sys._getframe()):
        abandon_all()
        return
    # A signal handler interrupted code that may hold a lock. Only another thread may wait for that.
    done = _thread.allocate_lock()
    done.acquire()

    def abandon_concurrent() -> None:
        try:
            abandon_all()
        finally:
            done.release()

    _thread.start_new_thread(abandon_concurrent, ())
    done.acquire(timeout=MAX_LOCK_WAIT_S)


def is_busy(frame: FrameType | None) -> bool:
    """Return whether code that is soon done is under way in a thread that a signal interrupted at ``frame``."""
    return _any_of(BUSY, frame)


def _discard_running() -> None:
    """Forget the parent's operations in a forked child; the parent continues and ends them."""
    for operation in [*_running.list_items(), *_waiting]:
        operation.discard()
    _running.clear()
    _waiting.clear()


def _any_of(modules: tuple[str, ...], frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(modules):
            return True
        frame = frame.f_back
    return False


def _hook_into_exit_and_fork() -> None:
    """Hook in, not before the first operation: exit hooks run last in first out, the tracer provider's after ours."""
    global _hooked
    if _hooked:
        return
    with _hooks_lock:
        if not _hooked:
            atexit.register(abandon_running)
            register_at_fork(after_in_child=_discard_running)
            _hooked = True
