"""Blocks whose context does not reach the code in them: read step by step, or run on another thread.

Servers run each step of a streaming response in a copy of the context, so a variable that a generator sets is lost.
The frame of the generator is still on the stack in every step, and shows the block. If nothing shows which block
the code is in, the application gets a warning.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Generic, TypeVar

from greenflash_otel import internal_errors
from greenflash_otel.block import Block
from greenflash_otel.lru import LruDict
from greenflash_otel.open_set import OpenSet

T = TypeVar("T")

GENERATORS = 10_000
"""Suspended generators whose blocks are remembered; each forgets its own when it leaves them."""
FRAMES = 500
"""Of a stack that are looked at."""
_IS_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_WAITS = ("concurrent.futures", "threading")
"""Modules in which a thread waits for others."""

LEFT_ELSEWHERE = (
    "a block of conversation() or internal() was entered in one context and left in another, so what ran between is"
    " not recorded as part of it. Servers do that with a synchronous dependency that yields: make it `async def`, or"
    " enter the block in the function that makes the calls"
)
OTHER_THREAD = (
    "a thread of a pool made a call without a conversation while a block of conversation() was waiting. If the call"
    " belongs to it, hand its context to the thread:"
    " `executor.submit(contextvars.copy_context().run, function, …)` or `asyncio.to_thread(function, …)`"
)


class GeneratorBlocks(Generic[T]):
    """The blocks that generators are in, by the frame of the generator."""

    def __init__(self) -> None:
        self._entries: LruDict[int, tuple[FrameType, list[tuple[Block, T]]]] = LruDict(GENERATORS)
        self._keys: LruDict[int, tuple[int, ...]] = LruDict(GENERATORS)
        """Which entries a block has."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, block: Block, entry: T, caller: FrameType | None) -> None:
        """Note that the code of ``caller`` has entered a block, if that is a generator."""
        if is_context_manager(caller):
            return
        for frame in _list_generators(caller):
            block.in_generator = True
            _, blocks = self._entries.get(id(frame)) or (frame, [])
            self._entries.remember(id(frame), (frame, [*blocks, (block, entry)]))
            self._keys.remember(id(block), (*self._keys.get(id(block), ()), id(frame)))

    def find(self, frame: FrameType | None) -> T | None:
        """Find the entry of the innermost generator on the stack that is in a block."""
        for _ in range(FRAMES):
            if frame is None:
                return None
            if (entry := self._entries.get(id(frame))) is not None:
                return entry[1][-1][1]
            frame = frame.f_back
        return None

    def is_suspended(self, block: Block, frame: FrameType | None) -> bool:
        """Return whether a block is one of generators that are not on the stack."""
        keys = self._keys.get(id(block))
        if not keys:
            return False
        while frame is not None:
            if id(frame) in keys:
                return False
            frame = frame.f_back
        return True

    def remove(self, block: Block) -> None:
        """Forget a block that was left."""
        for key in self._keys.pop(id(block), ()):
            frame, blocks = self._entries.get(key) or (None, [])
            remaining = [entry for entry in blocks if entry[0] is not block]
            if frame is not None and remaining:
                self._entries[key] = (frame, remaining)
            else:
                self._entries.pop(key, None)


def is_context_manager(frame: FrameType | None) -> bool:
    """Return whether the code of ``frame`` is a generator that serves as a context manager of other code."""
    generators = list(_list_generators(frame))
    return bool(generators) and _module_of(generators[-1].f_back) == "contextlib"


def _list_generators(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the generators that stay in a block which ``frame`` enters: itself, or through context managers.

    A generator that is a context manager is not on the stack of the code in its block.
    """
    while frame is not None:
        is_generator = bool(frame.f_code.co_flags & _IS_GENERATOR)
        if is_generator:
            yield frame
        elif _module_of(frame) != "contextlib":
            return
        frame = frame.f_back
        if is_generator and _module_of(frame) != "contextlib":
            return


def _module_of(frame: FrameType | None) -> str:
    return "" if frame is None else frame.f_globals.get("__name__") or ""


def warn_of_block_left_elsewhere() -> None:
    """Warn the application that a block had no effect on the code in it."""
    internal_errors.warn_once(LEFT_ELSEWHERE, page="threads")


_open: OpenSet[Block] = OpenSet()


def note_entered(block: Block) -> None:
    """Note a block that code is in, to know what its threads miss."""
    _open.add(block)


def note_left(block: Block) -> None:
    """Note that it has left it."""
    _open.remove(block)


def warn_of_other_thread() -> None:
    """Warn the application if the running code seems to miss the block of a thread that waits for it."""
    if not len(_open) or threading.current_thread() is threading.main_thread() or not _is_in_pool():
        return
    if any(_is_waiting(block) for block in _open.list_items()):
        internal_errors.warn_once(OTHER_THREAD, page="threads")


def _is_in_pool() -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _module_of(frame) == "concurrent.futures.thread":
            return True
        frame = frame.f_back
    return False


def _is_waiting(block: Block) -> bool:
    """Return whether the code in a block waits: for a future, if it is a task; else in its thread."""
    runner = block.runner
    if isinstance(runner, weakref.ref):
        task = runner()
        return isinstance(task, asyncio.Task) and not task.done()
    if not isinstance(runner, int) or runner == threading.get_ident():
        return False
    frame = sys._current_frames().get(runner)
    while frame is not None:
        if _module_of(frame).startswith(_WAITS):
            return True
        frame = frame.f_back
    return False
