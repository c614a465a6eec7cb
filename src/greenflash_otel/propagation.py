"""The public function `propagate`: the context of a block for code that Python runs without it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import Context, copy_context
from typing import Any, TypeVar, cast

from opentelemetry import context as otel_context

F = TypeVar("F", bound=Callable[..., Any])


def propagate(work: F) -> F:
    """Return ``work`` so that it runs in the context that is current now, on whatever thread.

    ``pool.map(greenflash.propagate(work), items)``: a pool hands no context to its threads, so their model calls would
    belong to no conversation. Each call gets a fresh copy of the context, with all context variables. Coroutine
    functions and async generators get the conversation and the current span, because their task has a context.

    Args:
        work: A function, a coroutine function, a generator function or an async one. Its signature stays as it is.
    """
    context, current = copy_context(), otel_context.get_current()
    if inspect.isasyncgenfunction(work):
        return cast(F, _propagate_async_generator(work, current))
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            before = otel_context.get_current()
            otel_context.attach(current)
            try:
                return await work(*args, **kwargs)
            finally:
                otel_context.attach(before)

        return cast(F, run_async)
    if inspect.isgeneratorfunction(work):
        return cast(F, _propagate_generator(work, context))

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> Any:
        return context.copy().run(work, *args, **kwargs)

    return cast(F, run)


def _propagate_generator(
    work: Callable[..., Generator[Any, Any, Any]], context: Context
) -> Callable[..., Generator[Any, Any, Any]]:
    """Run each step of a generator in one copy of the context; the code between the steps keeps its own."""

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        own = context.copy()
        generator = own.run(work, *args, **kwargs)
        step: functools.partial[Any] = functools.partial(next, generator)
        while True:
            try:
                item = own.run(step)
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
            except GeneratorExit:
                own.run(generator.close)
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.throw, error)
            else:
                step = functools.partial(generator.send, sent)

    return run


def _propagate_async_generator(
    work: Callable[..., AsyncGenerator[Any, Any]], current: otel_context.Context
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Run each step of an async generator in the context; the twin of `_propagate_generator`."""

    @functools.wraps(work)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = work(*args, **kwargs)
        step: Callable[[], Any] = generator.__anext__
        while True:
            before = otel_context.get_current()
            otel_context.attach(current)
            try:
                item = await step()
            except StopAsyncIteration:
                return
            finally:
                otel_context.attach(before)
            try:
                sent = yield item
            except GeneratorExit:
                await generator.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - handed on into the generator, whatever it is
                step = functools.partial(generator.athrow, error)
            else:
                step = functools.partial(generator.asend, sent)

    return run
