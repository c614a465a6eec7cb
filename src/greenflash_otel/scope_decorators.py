"""Functions, coroutine functions and generators whose own code runs in a block."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from greenflash_otel.block import Block
from greenflash_otel.generator_steps import EnterStep, Leave, RunStep, drive, drive_async


class DecoratingScope(Protocol):
    """What a function can be decorated with."""

    def __enter__(self) -> object: ...

    def __exit__(self, type: Any, error: Any, traceback: Any) -> None: ...

    def enter_step(self, block: Block) -> AbstractContextManager[None]:
        """Enter it for one step of a generator: all of its steps are one pass through one block."""
        ...


def decorate(function: Callable[..., Any], scope: DecoratingScope) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return drive_async(function, functools.partial(_begin_async, scope))
    if inspect.isgeneratorfunction(function):
        return drive(function, functools.partial(_begin, scope))
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with scope:
                return await function(*args, **kwargs)

        return run_async

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with scope:
            return function(*args, **kwargs)

    return run


def _begin(scope: DecoratingScope) -> tuple[RunStep, Leave]:
    """Begin the one pass through the scope that all steps of a generator are."""
    enter, leave = _begin_async(scope)

    def run_step(step: Callable[[], Any]) -> Any:
        with enter():
            return step()

    return run_step, leave


def _begin_async(scope: DecoratingScope) -> tuple[EnterStep, Leave]:
    """Do the same for an async generator."""
    block = Block()
    in_scope = scope.enter_step(block)
    return (lambda: in_scope), block.leave
