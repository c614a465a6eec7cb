"""Have threads and thread pools belong to the conversation that started them: the setting ``propagate_threads``.

`loop.run_in_executor` and `Executor.map` hand their work to `submit`, so they need no wrapper. A thread that a pool
starts serves whoever comes, so it inherits nothing; only the work that is handed to it does.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.context import Context

from greenflash_otel.context import find_context_to_carry, is_in_conversation_of
from greenflash_otel.instrumentation.patching import Method, Target
from greenflash_otel.propagation import attached

_OTHERS: Final = (
    "anyio.",
    "apscheduler.",
    "asgiref.",
    "celery.",
    "concurrent.",
    "greenflash_otel.",
    "kombu.",
    "multiprocessing.",
    "opentelemetry.",
    "rq.",
)
"""Libraries whose threads serve many conversations, one after the other."""


class CarriedCall:
    """A function that runs in the conversation that handed it over. Pickled, it is the function alone."""

    def __init__(self, function: Callable[..., Any], context: Context) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._context = context

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; as it is where another library has brought the context already."""
        if is_in_conversation_of(self._context):
            return self._function(*args, **kwargs)
        with attached(self._context):
            return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _return_function, (self._function,)


def _return_function(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _submit(wrapped: Callable[..., Any], pool: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    context = find_context_to_carry() if _is_on and args and callable(args[0]) else None
    if context is None or not _shares_memory(pool):
        return wrapped(*args, **kwargs)
    return wrapped(CarriedCall(args[0], context), *args[1:], **kwargs)


def _shares_memory(pool: object) -> bool:
    """Return whether the threads of a pool run in this interpreter: that of interpreters pickles what it runs."""
    return not any(kind.__module__ == "concurrent.futures.interpreter" for kind in type(pool).__mro__)


def _start(
    wrapped: Callable[..., Any], thread: threading.Thread, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    context = find_context_to_carry() if _is_on else None
    if context is None or _serves_many(thread):
        return wrapped(*args, **kwargs)
    run = CarriedCall(thread.run, context)

    def run_once() -> None:
        del thread.run  # the method is there again, and the thread holds no context
        run()

    thread.run = run_once  # type: ignore[method-assign]  # what the new thread calls, in subclasses too
    try:
        return wrapped(*args, **kwargs)
    except BaseException:  # no thread could be started
        thread.__dict__.pop("run", None)
        raise


def _serves_many(thread: threading.Thread) -> bool:
    if "run" in thread.__dict__:
        return True
    target = getattr(thread, "_target", None)
    modules = (type(thread).__module__, getattr(target, "__module__", None))
    return any(f"{module}.".startswith(_OTHERS) for module in modules)


_TARGETS: Final = (
    Target(
        "Python",
        "conversations of thread pools",
        "concurrent.futures.thread",
        (Method("ThreadPoolExecutor", "submit", _submit, frozenset()),),
    ),
    Target(
        "Python",
        "conversations of threads",
        "threading",
        (Method("Thread", "start", _start, frozenset({"self"})),),
    ),
)


_is_on = False
"""Whether our wrappers act: below that of another library they stay when they are taken off."""


def install() -> None:
    """Have them carry the conversation from now on."""
    global _is_on
    _is_on = True
    for target in _TARGETS:
        target.install()


def remove() -> None:
    """Leave Python as it was."""
    global _is_on
    _is_on = False
    for target in _TARGETS:
        target.remove()
