"""Put the wrappers on the SDK's connection classes and take them off again.

They are put on a class itself, also where it inherits the method: in some versions of the SDK a
connection's own ``send`` goes through the ``send_raw`` of its base, which would be seen twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import wrapt

from greenflash_otel.instrumentation.openai.websocket import patches
from greenflash_otel.instrumentation.patching import ModulePatch
from greenflash_otel.internal_errors import warn_once


@dataclass(frozen=True, slots=True)
class ConnectionMethod:
    """A method of a class and its wrappers."""

    owner: str
    """Its class; ``{}`` is the place of the surface's name; ``Async`` goes before it for the twin."""
    name: str
    wrapper: Callable[..., Any]
    twin: Callable[..., Any]
    """The wrapper for the asynchronous twin."""
    twin_name: str | None = None
    """What the twin is called, where it has another name."""
    needs: str | None = None
    """Its parameter without which the wrapper cannot work."""
    optional: bool = False
    """Not every version of the SDK has it."""


METHODS = (
    ConnectionMethod("{}Connection", "parse_event", patches.parse_event, patches.parse_event, needs="data"),
    ConnectionMethod("{}Connection", "send", patches.send, patches.send_async, needs="event"),
    ConnectionMethod("{}Connection", "send_raw", patches.send, patches.send_async, optional=True),
    ConnectionMethod(
        "{}Connection", "recv_bytes", patches.observe_recv_bytes, patches.observe_recv_bytes_async
    ),
    ConnectionMethod("{}Connection", "close", patches.close, patches.close_async),
    ConnectionMethod("{}ConnectionManager", "__enter__", patches.enter, patches.enter_async, "__aenter__"),
    ConnectionMethod("{}ConnectionManager", "enter", patches.enter, patches.enter_async),
    ConnectionMethod(
        "{}ConnectionManager", "send", patches.observe_queue, patches.observe_queue, optional=True
    ),
    ConnectionMethod("{}Lane", "send", patches.send_on_lane, patches.send_on_lane_async, needs="event"),
)
"""What is wrapped of a surface's classes, of those that there are."""


class _Wrapper(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # generic at run time from wrapt 2.2 on only
    """A wrapper of ours, distinguishable from those of other instrumentations."""


@dataclass(slots=True)
class ConnectionSurface(ModulePatch):
    """One kind of connection, with its manager, or of what else sends on it."""

    what: str
    """What is not recorded without it, for the warning."""
    module: str
    """Below ``openai``."""
    name: str
    """What its classes' names begin with."""
    session: patches.MakeSession

    @property
    def module_name(self) -> str:
        """The module's full name."""
        return f"openai.{self.module}"

    @property
    def label(self) -> str:
        """What is recorded."""
        return self.what

    def _unwrap(self, module: Any) -> None:
        for owner, name, _ in self._list_methods(module):
            _unwrap_method(owner, name)

    def _wrap(self, module: Any) -> None:
        methods = list(self._list_methods(module))
        if differing := [
            f"{owner.__name__}.{name}" for owner, name, method in methods if not _fits(owner, name, method)
        ]:
            warn_once(
                f"{self.what} of this version of openai are not recorded: {', '.join(differing)} differ"
            )
            return
        for owner, name, method in methods:
            if hasattr(owner, name):
                wrapper = method.twin if owner.__name__.startswith("Async") else method.wrapper
                _wrap_method(owner, name, partial(wrapper, self.session))

    def _list_methods(self, module: Any) -> Iterator[tuple[type, str, ConnectionMethod]]:
        for method in METHODS:
            for prefix in ("", "Async"):
                owner_name = prefix + method.owner.format(self.name)
                name = (method.twin_name if prefix else None) or method.name
                owner = getattr(module, owner_name, None)
                if isinstance(owner, type) and not (method.optional and not hasattr(owner, name)):
                    yield owner, name, method


def _fits(owner: type, name: str, method: ConnectionMethod) -> bool:
    function = getattr(owner, name, None)
    if not callable(function):
        return False
    return method.needs is None or method.needs in inspect.signature(function).parameters


def _wrap_method(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    layer: Any = owner.__dict__.get(name)
    while layer is not None:  # ours may lie below another instrumentation's
        if isinstance(layer, _Wrapper):
            return
        layer = getattr(layer, "__wrapped__", None)
    setattr(owner, name, _Wrapper(inspect.getattr_static(owner, name), wrapper))


def _unwrap_method(owner: type, name: str) -> None:
    layer: Any = owner.__dict__.get(name)
    if not isinstance(layer, _Wrapper):
        return
    delattr(owner, name)
    if inspect.getattr_static(owner, name, None) is not layer.__wrapped__:
        setattr(owner, name, layer.__wrapped__)  # its own, not one that it inherits
