"""Call the user's redaction function so that nothing it does comes back to us, sync or async.

A redaction function may ask a model. That call must not be captured: it would be redacted in turn, and so on
without end. So the function runs in a separate context, in which instrumentations are quiet and no
conversation is active. Threads and tasks that it starts inherit that context where contexts are inherited.

A coroutine function needs an event loop. It never gets the application's: one thread of ours runs a loop for
all of them, and keeps it, because a client's connections belong to their loop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable
from contextvars import Context
from typing import Final

from opentelemetry import context as otel_context

from greenflash_otel.redaction.redact import Redact
from greenflash_otel.suppression import context_of_redaction

ASYNC_LIMIT_S: Final = 60.0
"""Time that a coroutine has for one text; then the text counts as one whose redaction failed."""

THREAD: Final = "greenflash-otel redaction"
"""Name of the thread that runs coroutine functions."""


class IsolatedRedact:
    """A redaction function that can be called from any thread, also from one that runs an event loop.

    Args:
        redact: The user's function, or coroutine function.
    """

    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        if inspect.iscoroutinefunction(redact):
            _LOOP.start()  # at the end of the process it would be too late

    def __call__(self, text: str, path: str) -> str:
        """Redact a text. Whatever the function raises comes out."""
        return Context().run(self._call_worker, text, path)

    def _call_worker(self, text: str, path: str) -> str:
        otel_context.attach(context_of_redaction())  # ends with the Context it is attached to
        try:
            result = self._redact(text, path)
        except KeyboardInterrupt:
            if threading.current_thread() is threading.main_thread():
                raise
            raise RuntimeError("redact() raised KeyboardInterrupt on a thread of ours") from None
        return _LOOP.wait_for(result) if inspect.isawaitable(result) else result


class _RedactionLoop:
    """The event loop of coroutine functions, in a daemon thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._thread_id: int | None = None
        self._starting = threading.Lock()

    def wait_for(self, result: Awaitable[str]) -> str:
        """Return what a coroutine returns; called on any thread but the loop's."""
        if self._pid == os.getpid() and threading.get_ident() == self._thread_id:
            if inspect.iscoroutine(result):
                result.close()
            raise RuntimeError("a redaction function waits for its own redaction")
        future = asyncio.run_coroutine_threadsafe(_limit_text(result), self.start())
        try:
            return future.result(ASYNC_LIMIT_S + 5)  # more than its own limit: the loop may be blocked
        finally:
            future.cancel()

    def start(self) -> asyncio.AbstractEventLoop:
        """Start the thread if this process has none, and return its loop."""
        with self._starting:
            if self._loop is None or self._pid != os.getpid():  # a forked child has no thread of its parent
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=loop.run_forever, name=THREAD, daemon=True)
                thread.start()
                self._loop, self._pid, self._thread_id = loop, os.getpid(), thread.ident
            return self._loop

    def forget(self) -> None:
        """Forget the process of the parent, in a forked child: the lock may be owned by a thread that is gone."""
        self._starting = threading.Lock()


async def _limit_text(result: Awaitable[str]) -> str:
    return await asyncio.wait_for(result, ASYNC_LIMIT_S)


_LOOP: Final = _RedactionLoop()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOOP.forget)
