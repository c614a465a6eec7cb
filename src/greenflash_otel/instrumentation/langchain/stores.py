"""What an agent keeps in, and reads from, a LangGraph store: hidden steps of the turn it is in.

LangGraph informs no callback of it, so the methods of its base class are wrapped. Outside a turn nothing is
recorded: nobody's conversation has to do with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from greenflash_otel.instrumentation.langchain.plain import write_plain
from greenflash_otel.instrumentation.patching import Method, Target
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import MEMORY_READ, MEMORY_WRITE, Message, Operation, Other
from greenflash_otel.suppression import is_suppressed

ASKED: Mapping[str, tuple[str, ...]] = {
    "get": ("namespace", "key"),
    "search": ("namespace_prefix", "query", "filter"),
    "put": ("namespace", "key", "value"),
    "delete": ("namespace", "key"),
}
"""Which arguments of a method are recorded. The asynchronous twins have an ``a`` before their names."""
READS = frozenset({"get", "search"})

_within: ContextVar[bool] = ContextVar("greenflash_within_a_store", default=False)
"""Set in a method of a store: what it calls of the store itself is the same access."""


def access(wrapped: Callable[..., Any], store: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record an access by a method of a store."""
    with _recorded(wrapped, args, kwargs) as results:
        result = wrapped(*args, **kwargs)
        results.append(result)
        return result


async def access_async(
    wrapped: Callable[..., Any], store: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Record an access by its asynchronous twin."""
    with _recorded(wrapped, args, kwargs) as results:
        result = await wrapped(*args, **kwargs)
        results.append(result)
        return result


@contextmanager
def _recorded(
    wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[list[Any]]:
    """Record one access; what it gave is put into the list."""
    from greenflash_otel.instrumentation.langchain import recorder

    results, id = list[Any](), None
    if not _within.get():
        with guarded("begin to use a store"):
            id = _begin(wrapped, args, kwargs)
    if id is None:
        yield results
        return
    token = _within.set(True)
    try:
        yield results
    except BaseException as error:
        with guarded("end the use of a store"):
            recorder.end(id, error=error)
        raise
    finally:
        _within.reset(token)
    with guarded("end the use of a store"):
        recorder.end(id, results[0])


def _begin(wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID | None:
    from greenflash_otel.instrumentation.langchain import recorder
    from greenflash_otel.instrumentation.langchain.run_registry import RUNS

    source = None if is_suppressed() else RUNS.find_running_source()
    if source is None:
        return None
    name = wrapped.__name__ if wrapped.__name__ in ASKED else wrapped.__name__[1:]
    bound = _read_signature(wrapped.__func__).bind(None, *args, **kwargs).arguments  # type: ignore[attr-defined]
    arguments = {
        parameter.removesuffix("_prefix"): write_plain(bound[parameter])
        for parameter in ASKED[name]
        if parameter in bound
    }
    if name == "delete" or (name == "put" and bound.get("value") is None):
        arguments = {"action": "delete", **arguments}  # a value of None deletes, too
    operation = Operation(
        MEMORY_READ if name in READS else MEMORY_WRITE, input=(Message("user", (Other(name, arguments),)),)
    )
    begun = recorder.BegunRun(source, "store", uuid4(), None, name, (), {})
    run = recorder.begin(begun, None, operation)
    return None if run is None else begun.id


@lru_cache(maxsize=64)
def _read_signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


TARGETS = tuple(
    Target(
        "langgraph",
        "stores",
        module,
        tuple(
            Method(owner, name, wrapper, frozenset({ASKED[name.removeprefix("a")][0]}))
            for method in ASKED
            for name, wrapper in ((method, access), (f"a{method}", access_async))
        ),
    )
    for module, owner in (
        ("langgraph.store.base", "BaseStore"),
        ("langgraph.store.base.batch", "AsyncBatchedBaseStore"),
    )
)
"""What is wrapped: the base class, and the one of the stores that collect what they are asked."""
