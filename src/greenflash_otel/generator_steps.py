"""Run a generator step by step, so that something surrounds its own steps and never the consumer's code."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

RunStep: TypeAlias = Callable[[Callable[[], Any]], Any]
"""Runs one step."""
EnterStep: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Returns what surrounds one step."""
Leave: TypeAlias = Callable[[BaseException], None]
"""Gets the GeneratorExit of a generator that was closed part-way, after its last step."""


def drive(
    function: Callable[..., Generator[Any, Any, Any]], begin: Callable[[], tuple[RunStep, Leave]]
) -> Callable[..., Generator[Any, Any, Any]]:
    """Return a generator function whose steps are run by what ``begin`` returns.

    Args:
        begin: Called at the first step of each generator: only then is it known who reads it.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator, (run_step, leave) = function(*args, **kwargs), begin()
        step: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                item = run_step(step)
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
            except GeneratorExit as left:
                run_step(generator.close)
                leave(left)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.throw, error)
            else:
                step = functools.partial(generator.send, sent)

    return run


def drive_async(
    function: Callable[..., AsyncGenerator[Any, Any]], begin: Callable[[], tuple[EnterStep, Leave]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Do the same with an async generator function; the twin of `drive`."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator, (enter, leave) = function(*args, **kwargs), begin()
        step: Callable[[], Any] = generator.__anext__
        while True:
            try:
                with enter():
                    item = await step()
            except StopAsyncIteration:
                return
            try:
                sent = yield item
            except GeneratorExit as left:
                with enter():
                    await generator.aclose()
                leave(left)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.athrow, error)
            else:
                step = functools.partial(generator.asend, sent)

    return run
