"""Put wrappers on methods of a library and take them off again, module by module.

Nothing here imports the library: a module that is not there yet is wrapped when the application imports it.
Of each target all methods are wrapped, or none with one warning, where a version of the library lacks what a
wrapper needs. Other instrumentations may wrap the same methods, before or after us.
"""

from __future__ import annotations

import inspect
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import wrapt

from greenflash_otel.internal_errors import guarded, warn_once

_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class Method:
    """A method and its wrapper."""

    owner: str
    """Name of the class in its module."""
    name: str
    wrapper: Callable[..., Any]
    needs: frozenset[str]
    """Parameters without which the wrapper cannot work."""


@dataclass(slots=True, kw_only=True)
class ModulePatch(ABC):
    """Wrappers of one module that are put on together, as soon as the module is there."""

    wanted: bool = False
    _hooked: bool = field(default=False, repr=False)

    @property
    @abstractmethod
    def module_name(self) -> str:
        """The full name of the module."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What is wrapped, as the end of "could not wrap …"."""

    def install(self) -> None:
        """Wrap the methods now or when their module is imported. Repeated calls do nothing."""
        with guarded(f"wrap {self.label}"), _lock:
            self.wanted = True
            if module := sys.modules.get(self.module_name):
                self._wrap_or_leave(module)
            elif not self._hooked:
                self._hooked = True
                wrapt.register_post_import_hook(self._on_import, self.module_name)

    def remove(self) -> None:
        """Give the methods back. A wrapper below another instrumentation's stays and lets calls through."""
        with guarded(f"unwrap {self.label}"), _lock:
            self.wanted = False
            if module := sys.modules.get(self.module_name):
                self._unwrap(module)

    def _on_import(self, module: Any) -> None:
        with guarded(f"wrap {self.label}"), _lock:
            if self.wanted:
                self._wrap_or_leave(module)

    def _wrap_or_leave(self, module: Any) -> None:
        """Wrap all of the methods, or none: half of them would record halves of calls or of conversations."""
        try:
            self._wrap(module)
        except BaseException:
            self._unwrap(module)
            raise

    @abstractmethod
    def _wrap(self, module: Any) -> None:
        """Wrap the methods that are not wrapped yet, or warn that this version of the library differs."""

    @abstractmethod
    def _unwrap(self, module: Any) -> None:
        """Take the wrappers off."""


@dataclass(slots=True)
class Target(ModulePatch):
    """Methods of one module that are wrapped together."""

    package: str
    """The library's, for the warning."""
    what: str
    """What is not recorded without them, for the warning."""
    module: str
    methods: tuple[Method, ...]

    @property
    def module_name(self) -> str:
        """The module, as it was given."""
        return self.module

    @property
    def label(self) -> str:
        """What is recorded, and of which library."""
        return f"{self.what} of {self.package}"

    def _unwrap(self, module: Any) -> None:
        for method in self.methods:
            for owner in _iterate_owners(getattr(module, method.owner, None), method):
                layer: Any = owner.__dict__[method.name]
                if _is_ours(layer, method):
                    setattr(owner, method.name, layer.__wrapped__)

    def _wrap(self, module: Any) -> None:
        missing = [
            f"{method.owner}.{method.name}"
            for method in self.methods
            if not _fits(getattr(module, method.owner, None), method)
        ]
        if missing:
            warn_once(
                f"{self.what} of this version of {self.package} are not recorded: {', '.join(missing)} differ"
            )
            return
        for method in self.methods:
            for owner in _iterate_owners(getattr(module, method.owner), method):
                _wrap_method(owner, method)


def _fits(owner: object, method: Method) -> bool:
    function = getattr(owner, method.name, None)
    if not callable(function):
        return False
    parameters = inspect.signature(function).parameters
    # Another instrumentation's wrapper may take anything.
    return method.needs <= parameters.keys() or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _iterate_owners(owner: type | None, method: Method) -> Iterator[type]:
    """Yield the class itself, and those below it that another instrumentation gave a method of their own.

    Some put the inherited method there for good when they are taken off; it then hides the wrapper above it.
    """
    if owner is None:
        return
    inherited = getattr(owner, method.name, None)
    if method.name in owner.__dict__:
        yield owner
    subclasses: list[type] = owner.__subclasses__()
    for subclass in subclasses:
        for owner_below in _iterate_owners(subclass, method):
            layer = owner_below.__dict__[method.name]
            if hasattr(layer, "__wrapped__") or layer is _unwrap_innermost(inherited):
                yield owner_below


def _unwrap_innermost(layer: Any) -> Any:
    while hasattr(layer, "__wrapped__"):
        layer = layer.__wrapped__
    return getattr(layer, "__func__", layer)


def _wrap_method(owner: type, method: Method) -> None:
    layer: Any = owner.__dict__[method.name]
    while layer is not None:  # ours may lie below another instrumentation's
        if _is_ours(layer, method):
            return
        layer = getattr(layer, "__wrapped__", None)
    setattr(owner, method.name, wrapt.FunctionWrapper(owner.__dict__[method.name], method.wrapper))


def _is_ours(layer: Any, method: Method) -> bool:
    return isinstance(layer, wrapt.FunctionWrapper) and layer._self_wrapper is method.wrapper
