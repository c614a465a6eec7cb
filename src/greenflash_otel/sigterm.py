"""End in order on SIGTERM if no other code handles it, then die of it as without us.

Python's default action for SIGTERM ends a process at once: neither `atexit` nor ``finally`` runs. So
`install` puts a handler in its place, and only there. The handler may have interrupted any code of the
main thread, ours included. While short code of ours runs, the handler returns and has the signal sent again.
So it never needs a lock that the interrupted code owns.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from greenflash_otel.internal_errors import guarded

AGAIN_S = 0.01
"""Time until the signal is sent again."""

BUSY_S = 1.0
"""How long the handler waits for the interrupted code to be done."""

INIT = 1
"""The number of a container's first process: the kernel passes it no signal whose action is the default."""

POOLS = ("multiprocessing.", "billiard.")
"""Modules that fork processes and end them with SIGTERM."""

_handler: Terminator | None = None
_ends = 0
"""How many threads are ending the pipeline."""

_is_owed = False
"""Whether a signal waits for the end because no thread could be started to send it again."""


class Terminator:
    """The handler. Each process has at most one.

    Args:
        end: End the pipeline; keeps its time.
        keep: Store what is captured and continue; keeps its time.
        is_busy: Whether code is under way, from a frame outwards, that is soon done.
        limit_s: How long `end` may take.
    """

    def __init__(
        self,
        end: Callable[[], object],
        keep: Callable[[], object],
        is_busy: Callable[[FrameType | None], bool],
        limit_s: float,
    ) -> None:
        self._end = end
        self._keep = keep
        self._is_busy = is_busy
        self._limit_s = limit_s
        self._since_s: float | None = None
        self.calls = 0
        """How often it was called."""

    def __eq__(self, other: object) -> bool:
        """Equal the default action: so an application that checks for it still sets its own handler."""
        return other is self or other is signal.SIG_DFL

    def __hash__(self) -> int:
        return id(self)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Take the signal, or be called by a handler that was set later."""
        self.calls += 1
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        waited_s = now_s - self._since_s
        busy = self._is_busy(frame)
        is_ours = signal.getsignal(signum) is self
        if is_ours and ((busy and waited_s < BUSY_S) or (_ends and waited_s < self._limit_s)):
            _send_again(self, signum)
        elif os.getpid() == INIT:
            self._since_s = None
            self._run(self._keep, alongside=busy)
        elif _is_in_hub():
            _thread.start_new_thread(self._end_and_die, (signum,))
        else:
            if not _ends:
                self._run(self._end, alongside=busy)
            _die(signum)

    def _end_and_die(self, signum: int) -> None:
        with guarded("end on SIGTERM"):
            self._end()
        _die(signum)

    def _run(self, step: Callable[[], object], *, alongside: bool) -> None:
        """Run a step here, or where this thread may own a lock that it needs, in another, for a time."""
        done = _thread.allocate_lock()
        done.acquire()

        def run() -> None:
            with guarded("end on SIGTERM"):
                step()

        def run_alongside() -> None:
            leave_to_others()
            try:
                run()
            finally:
                done.release()

        if not alongside:
            run()
        elif _start(run_alongside):
            done.acquire(timeout=self._limit_s)


def install(
    end: Callable[[], object],
    keep: Callable[[], object],
    is_busy: Callable[[FrameType | None], bool],
    limit_s: float,
) -> None:
    """Take SIGTERM if its action is the default one and this is the main thread; see `Terminator`."""
    global _handler
    if os.name != "posix" or not _is_main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL and not isinstance(before, Terminator):
        return
    handler = Terminator(end, keep, is_busy, limit_s)
    with guarded("take SIGTERM"):  # the main thread of a sub-interpreter may not
        signal.signal(signal.SIGTERM, handler)
        _handler = handler
        _watch_forks()


@contextmanager
def ending() -> Iterator[None]:
    """Enclose the end of the pipeline: a SIGTERM meanwhile waits for it. Then the handler is taken off."""
    global _ends, _is_owed
    _ends += 1
    try:
        yield
    finally:
        _ends = max(_ends - 1, 0)
        if not _ends:
            _remove()
            if _is_owed:
                _is_owed = False
                signal.raise_signal(signal.SIGTERM)


def _remove() -> None:
    """Give SIGTERM its default action back, if it is still ours. Other threads than the main one cannot."""
    global _handler
    handler, _handler = _handler, None
    if handler is not None and _is_main_thread() and signal.getsignal(signal.SIGTERM) is handler:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _die(signum: int) -> None:
    """Let the signal do what it does by default."""
    signal.signal(signum, signal.SIG_DFL)
    signal.raise_signal(signum)


def _send_again(handler: Terminator, signum: int) -> None:
    """Send the signal again, soon; where that cannot be done, when the end that is under way is over."""
    global _is_owed
    calls, main = handler.calls, threading.main_thread().ident or 0

    def send() -> None:
        leave_to_others()
        # To the main thread: taken by another one it would not wake that from a wait. And until it has come:
        # a signal that comes just before a wait does not wake from it either.
        while handler.calls == calls:
            time.sleep(AGAIN_S)
            signal.pthread_kill(main, signum)

    if not _start(send):
        _is_owed = True


def leave_to_others() -> None:
    """Leave SIGTERM to other threads than this one, which is ours.

    A thread that is about to run anyway may take it in place of the main thread, and does not wake that.
    Under gevent our threads are greenlets in the main thread, which must not be touched.
    """
    if os.name == "posix" and threading.get_native_id() != threading.main_thread().native_id:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _start(function: Callable[[], None]) -> bool:
    """Run a function in a new thread; False if the interpreter ends and starts no threads."""
    try:
        _thread.start_new_thread(function, ())
    except RuntimeError:
        return False
    return True


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _is_in_hub() -> bool:
    """Return whether this is gevent's hub, which runs signal handlers and must not wait."""
    gevent = sys.modules.get("gevent")
    return gevent is not None and isinstance(gevent.getcurrent(), gevent.hub.Hub)


def _block_before_fork() -> None:
    """Keep SIGTERM waiting: Python forgets in a child what came before the child was ready."""
    if _handler is not None:
        _masks.of_thread.append(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))


def _unblock_after_fork() -> None:
    if _masks.of_thread:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.of_thread.pop())


def _reset_in_child() -> None:
    """Leave children of multiprocessing the default action.

    They are ended by SIGTERM as a matter of course, and Python may overlook a signal that comes just before a
    wait: a pool would then never end.
    """
    global _ends
    _ends = 0  # nobody else is left here
    if _handler is not None and signal.getsignal(signal.SIGTERM) is _handler and _was_forked_by(POOLS):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _unblock_after_fork()


def _was_forked_by(modules: tuple[str, ...]) -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(modules):
            return True
        frame = frame.f_back
    return False


class _Masks(threading.local):
    """The signal masks that a thread had before the forks that are under way in it."""

    def __init__(self) -> None:
        self.of_thread: list[set[signal.Signals | int]] = []


_masks = _Masks()
_is_watching_forks = False


def _watch_forks() -> None:
    """Register the fork hooks. Call it late: they must run first before a fork and last after it."""
    global _is_watching_forks
    if not _is_watching_forks:
        _is_watching_forks = True
        os.register_at_fork(
            before=_block_before_fork, after_in_parent=_unblock_after_fork, after_in_child=_reset_in_child
        )
