"""Cut the connections of an exchange when its time is over.

For a client of the application's, whose connections are not ours to make. One thread watches all exchanges.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import httpcore

IDLE_S: Final = 10.0
"""How long the thread waits for the next exchange before it ends."""


class Cutoff:
    """The end of one exchange.

    It sees only connections that are opened within the exchange, and only with a transport that knows httpx's
    extension ``trace``.
    """

    def __init__(self, limit_s: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.until_s = time.monotonic() + limit_s
        self.is_over = False
        """Whether the time was over before the exchange was."""

    def __enter__(self) -> Cutoff:
        self._watchdog = _find_watchdog()
        self._watchdog.add(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._watchdog.remove(self)

    def watch(self, event: str, information: Mapping[str, Any]) -> None:
        """Note a connection that was opened. httpx calls this by the extension ``trace``."""
        stream = information.get("return_value")
        if not isinstance(stream, httpcore.NetworkStream):
            return
        connection = stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            with self._lock:
                self._sockets.append(connection)
                if self.is_over:
                    _shut(connection)

    def cut_off(self) -> None:
        """End the connections under the thread that waits on them."""
        with self._lock:
            self.is_over = True
            for connection in self._sockets:
                _shut(connection)


class _Watchdog:
    """Watches the exchanges of this process, from a thread that starts when it is needed."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._cutoffs: set[Cutoff] = set()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._sleeps_until_s = 0.0
        self._is_running = False

    def add(self, cutoff: Cutoff) -> None:
        """Watch an exchange. The thread is woken only if it would sleep too long."""
        with self._lock:
            self._cutoffs.add(cutoff)
            if self._is_running:
                if cutoff.until_s < self._sleeps_until_s:
                    self._wake.put(None)
                return
            self._is_running = True
        try:
            threading.Thread(target=self._run, name="greenflash-otel cutoff", daemon=True).start()
        except RuntimeError:  # no thread can be started when the interpreter ends
            self._is_running = False

    def remove(self, cutoff: Cutoff) -> None:
        """Watch an exchange no more."""
        with self._lock:
            self._cutoffs.discard(cutoff)

    def _run(self) -> None:
        idle_until_s = time.monotonic() + IDLE_S
        while True:
            now_s = time.monotonic()
            with self._lock:
                over = [cutoff for cutoff in self._cutoffs if cutoff.until_s <= now_s]
                self._cutoffs.difference_update(over)
                if self._cutoffs or over:
                    idle_until_s = now_s + IDLE_S
                elif now_s >= idle_until_s:
                    self._is_running = False
                    return
                self._sleeps_until_s = min((c.until_s for c in self._cutoffs), default=idle_until_s)
            for cutoff in over:
                cutoff.cut_off()
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=max(self._sleeps_until_s - time.monotonic(), 0.0))


_watchdog = _Watchdog()


def _find_watchdog() -> _Watchdog:
    """Return the watchdog of this process; a forked child begins with one of its own."""
    global _watchdog
    if _watchdog.pid != os.getpid():
        _watchdog = _Watchdog()
    return _watchdog


def _shut(connection: socket.socket) -> None:
    """End a connection under a thread that waits on it; closing would not wake that thread."""
    with contextlib.suppress(OSError, ValueError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
