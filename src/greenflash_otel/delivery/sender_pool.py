"""The threads that send. None while nothing was ever to be sent, then one, more while more may be out.

Of those without work one stays awake for what comes next; the others end. They are daemons: an application
never waits for them longer than it says.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final

from greenflash_otel import internal_errors, sigterm
from greenflash_otel.delivery.sender import Sender

RECOVERY_S: Final = 1.0
"""Pause after a failure of ours, so that it cannot spin."""
PATROL_S: Final = 30.0
"""How often to look for what other processes have left."""


class Crew:
    """Keeps a sender at work. Begin again in a forked child.

    Args:
        progress: Told after each request.
        patrol: Called now and then by a thread that has nothing else to do.
        gone: Told when the last thread has ended after `stop`.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        progress: Callable[[], None],
        patrol: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        self._sender = sender
        self._progress = progress
        self._patrol = patrol
        self._gone = gone
        self.begin()

    def begin(self) -> None:
        """Start without a thread."""
        self._lock = threading.Lock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._count = 0
        self._on_watch = False
        self._stopping = False
        self._ended = threading.Event()
        self._sender.begin()

    def call(self) -> bool:
        """See that somebody does what can be done; False if there is no thread and none can be started."""
        with self._lock:
            if self._stopping:
                return self._count > 0
            if self._count > 0 and self._sender.pause_s() is None:
                return True
            if self._on_watch:
                self._wake.put(None)
                return True
            return self._start()

    def stop(self, timeout_s: float) -> None:
        """End all threads; one whose request is unanswered until then is left to itself."""
        with self._lock:
            self._stopping = True
            self._wake.put(None)
            idle = self._count == 0
        if idle:
            self._gone()
        else:
            self._ended.wait(timeout_s)

    def _start(self) -> bool:
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is about to end
            return self._count > 0
        self._count += 1
        return True

    def _run(self) -> None:
        sigterm.leave_to_others()
        threading.current_thread().name = "greenflash-otel sender"
        while self._has_work():
            healthy = False
            with internal_errors.guarded("work on deliveries"):
                self._turn()
                healthy = True
            if not healthy:
                self._sleep(RECOVERY_S)

    def _turn(self) -> None:
        entry = self._sender.claim()
        if entry is None:
            self._progress()
            return
        self.call()  # somebody else takes what is due beside this, or becomes due meanwhile
        self._sender.send(entry)
        self._progress()

    def _has_work(self) -> bool:
        """Wait until there may be something to do; False if this thread is not needed for it."""
        pause_s = self._sender.pause_s()
        with self._lock:
            if self._stopping or (pause_s != 0 and self._on_watch):
                self._count -= 1
                self._wake.put(None)  # for the one on watch: there may be something to do sooner than it knew
                last = self._stopping and self._count == 0
                watch = False
            else:
                last, watch = False, pause_s != 0
                self._on_watch = self._on_watch or watch
                if not watch:
                    return True
        if watch:
            self._watch(pause_s)
            return True
        if last:
            self._gone()
            self._ended.set()
        return False

    def _watch(self, pause_s: float | None) -> None:
        self._sleep(PATROL_S if pause_s is None else min(pause_s, PATROL_S))
        with self._lock:
            self._on_watch = False
        with internal_errors.guarded("look for what other processes have left"):
            self._patrol()

    def _sleep(self, pause_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=pause_s)
            while not self._stopping:
                self._wake.get_nowait()
