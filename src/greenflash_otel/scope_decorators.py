"""Functions, coroutine functions and generators whose own code runs in a block."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from greenflash_otel.block import Block


class DecoratingScope(Protocol):
    """What a function can be decorated with."""

    def __enter__(self) -> object: ...

    def __exit__(self, type: Any, error: Any, traceback: Any) -> None: ...

    def enter_step(self, block: Block) -> AbstractContextManager[None]:
        """Enter it for one step of a generator: all of its steps are one pass through one block."""
        ...


def decorate(function: Callable[..., Any], scope: DecoratingScope) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return _decorate_async_generator(function, scope)
    if inspect.isgeneratorfunction(function):
        return _decorate_generator(function, scope)
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


def _decorate_generator(
    function: Callable[..., Generator[Any, Any, Any]], scope: DecoratingScope
) -> Callable[..., Generator[Any, Any, Any]]:
    """Only the generator's own steps run in the scope, never the consumer's code between them."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator, block = function(*args, **kwargs), Block()
        in_scope = scope.enter_step(block)
        step: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with in_scope:
                    item = step()
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
            except GeneratorExit as left:
                with in_scope:
                    generator.close()
                block.leave(left)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.throw, error)
            else:
                step = functools.partial(generator.send, sent)

    return run


def _decorate_async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], scope: DecoratingScope
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Decorate an async generator; the twin of `_decorate_generator`."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator, block = function(*args, **kwargs), Block()
        in_scope = scope.enter_step(block)
        step: Callable[[], Any] = generator.__anext__
        while True:
            try:
                with in_scope:
                    item = await step()
            except StopAsyncIteration:
                return
            try:
                sent = yield item
            except GeneratorExit as left:
                with in_scope:
                    await generator.aclose()
                block.leave(left)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.athrow, error)
            else:
                step = functools.partial(generator.asend, sent)

    return run
