"""Work that a node starts and does not wait for: a thread or a task that calls a model, and may end after the turn."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any

Work = Callable[[], object]
AsyncWork = Callable[[], Coroutine[Any, Any, object]]


class Background:
    """What the nodes of one turn have started."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._tasks: list[asyncio.Task[object]] = []
        self._task_gates: list[asyncio.Event] = []

    def start_thread(self, work: Work, *, is_late: bool, has_context: bool) -> None:
        """Start a thread; it works at once, or when the call of the graph is over."""
        context = contextvars.copy_context() if has_context else contextvars.Context()

        def run() -> None:
            if is_late:
                self._is_over.wait()
            context.run(work)

        self._threads.append(thread := threading.Thread(target=run))
        thread.start()

    def start_task(self, work: AsyncWork, *, is_late: bool) -> None:
        """Start a task, likewise."""
        gate = asyncio.Event()
        if not is_late:
            gate.set()
        self._task_gates.append(gate)

        async def run() -> object:
            await gate.wait()
            return await work()

        self._tasks.append(asyncio.create_task(run()))

    async def finish_tasks(self) -> None:
        """Let late tasks work, and wait for all: their loop ends after this."""
        for gate in self._task_gates:
            gate.set()
        await asyncio.gather(*self._tasks)
        self._tasks.clear()

    def finish(self) -> None:
        """Let late threads work, and wait for all."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._is_over.clear()
        self._threads.clear()
