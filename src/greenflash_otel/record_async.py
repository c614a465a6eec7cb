"""The public functions that wait for a disk or for Greenflash, for async code: the event loop runs meanwhile.

Each does what the function without the ``a`` does, on a thread that has the context of the caller.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from greenflash_otel.record import identify_organization, identify_user, record_outcome, record_rating
from greenflash_otel.record_lookup import lookup
from greenflash_otel.runtime import flush, shutdown

P = ParamSpec("P")
T = TypeVar("T")


def _make_async(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another kind of loop, such as trio's
            return function(*args, **kwargs)
        return await asyncio.to_thread(function, *args, **kwargs)

    run.__name__ = run.__qualname__ = f"a{function.__name__}"
    run.__doc__ = f"Do what `{function.__name__}` does, while the event loop runs."
    return run


arecord_outcome = _make_async(record_outcome)
arecord_rating = _make_async(record_rating)
aidentify_user = _make_async(identify_user)
aidentify_organization = _make_async(identify_organization)
alookup = _make_async(lookup)
aflush = _make_async(flush)
ashutdown = _make_async(shutdown)
