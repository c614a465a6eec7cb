"""Know what was begun in a block of code, to end it when the block is cancelled.

An SDK's stream object refers to itself, so a stream that is left in the middle lives on until the garbage
collector looks at it: in an idle server perhaps never. The block that is left knows at once.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Protocol

from greenflash_otel.open_set import OpenSet


class BegunBlock(Protocol):
    """Something that continues after the code that began it, such as a stream."""

    def leave(self, error: BaseException) -> None:
        """End it: ``error`` left the block it began in. Must not raise."""


class Block:
    """One pass through the code in a scope, and what was begun in it."""

    __slots__ = ("__weakref__", "begun", "in_generator", "over", "runner")

    def __init__(self) -> None:
        self.in_generator = False
        """Whether a generator is in it, which suspends the code in it."""
        self.over = False
        """Whether the code has left it; tasks and threads that it started may have taken its context along."""
        self.runner = find_runner()
        self.begun: OpenSet[BegunBlock] = OpenSet()

    def leave(self, error: BaseException) -> None:
        """End what was begun here, unless other code that still runs began it and may read on.

        Only a cancellation ends it: code that leaves a block in order, or with an error that is handled outside,
        may have handed a stream on.
        """
        if isinstance(error, Exception):
            return
        for begun, runner in self.begun.list_entries():
            if runner == self.runner or _is_done(runner):
                begun.leave(error)


def find_runner() -> object:
    """Return the running asyncio task, weakly, else the number of the thread."""
    if asyncio._get_running_loop() is not None and (task := asyncio.current_task()) is not None:
        return weakref.ref(task)
    return threading.get_ident()


def _is_done(runner: object) -> bool:
    task = runner() if isinstance(runner, weakref.ref) else runner
    return task is None or (isinstance(task, asyncio.Future) and task.done())
