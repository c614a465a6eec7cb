"""The public function `propagate`: the context of a block for code that Python runs without it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar, cast

from opentelemetry import context as otel_context

from greenflash_otel.generator_steps import drive, drive_async

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
        return cast(F, drive_async(work, lambda: (functools.partial(attached, current), _do_nothing)))
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with attached(current):
                return await work(*args, **kwargs)

        return cast(F, run_async)
    if inspect.isgeneratorfunction(work):
        return cast(F, drive(work, lambda: (context.copy().run, _do_nothing)))

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> Any:
        return context.copy().run(work, *args, **kwargs)

    return cast(F, run)


@contextmanager
def attached(context: otel_context.Context) -> Iterator[None]:
    """Run the block in a context of OpenTelemetry, then restore the one before; a token fails in another task."""
    before = otel_context.get_current()
    otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.attach(before)


def _do_nothing(left: BaseException) -> None:
    pass
