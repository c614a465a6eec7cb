"""Instruments the OpenAI SDK, 1.66 to 3.x: Chat Completions and the Responses API.

`instrument()` wraps four methods of the SDK's base clients, now if the SDK is imported and otherwise
when it is; nothing here imports it. That covers clients made before and after, their copies, raw and
streaming wrappers, the stream helpers, Azure's clients and the module-level client.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import wrapt
from opentelemetry.trace import Tracer

from greenflash_otel.faults import guarded
from greenflash_otel.instrumentation import unfinished
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.openai import wrapping
from greenflash_otel.instrumentation.openai.exchange import Instrumentation
from greenflash_otel.settings import History

logger = logging.getLogger("greenflash_otel")

MODULE = "openai._base_client"

WRAPPERS: tuple[tuple[str, str, Callable[..., Any], frozenset[str]], ...] = (
    ("SyncAPIClient", "_process_response", wrapping.process_response, frozenset({"options", "response"})),
    ("AsyncAPIClient", "_process_response", wrapping.process_response, frozenset({"options", "response"})),
    ("SyncAPIClient", "request", wrapping.request, frozenset({"options"})),
    ("AsyncAPIClient", "request", wrapping.request_async, frozenset({"options"})),
)
"""Class, method, wrapper, and the parameters without which the wrapper cannot work."""

_lock = threading.RLock()
_hooked = False


def instrument(
    tracer: Tracer | Callable[[], Tracer], *, capture_content: bool = True, history: History = "full"
) -> None:
    """Record every conversation call of the OpenAI SDK as a span. Repeated calls change the arguments only.

    Args:
        tracer: Makes the spans; or a function that gives the tracer, asked at each call.
        capture_content: False keeps every text, argument, result and error message out of the spans.
        history: ``new`` leaves out of a span what earlier spans of the conversation have told.
    """
    source = tracer if callable(tracer) else lambda: tracer
    known = KnownHistory() if history == "new" else None
    with _lock:
        if (now := wrapping.current) is None:
            wrapping.current = Instrumentation(source, capture_content, history=known)
        else:
            now.tracer, now.capture_content, now.history = source, capture_content, known
        if module := sys.modules.get(MODULE):
            _wrap(module)
        else:
            _wrap_when_imported()


def uninstrument() -> None:
    """Give the SDK its own methods back. Calls and streams that run then end without a span."""
    unfinished.abandon_waiting()
    with _lock:
        if wrapping.current is not None:
            wrapping.current.active = False
            wrapping.current = None
        if module := sys.modules.get(MODULE):
            _unwrap(module)


def _wrap_when_imported() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        wrapt.register_post_import_hook(_on_import, MODULE)


def _on_import(module: Any) -> None:
    with guarded("instrument openai"), _lock:
        if wrapping.current is not None:
            _wrap(module)


def _wrap(module: Any) -> None:
    """Wrap all four methods, or none if this version of the SDK lacks what one of them needs."""
    missing = [
        f"{owner}.{name}"
        for owner, name, _, needed in WRAPPERS
        if not _fits(getattr(module, owner, None), name, needed)
    ]
    if missing:
        logger.warning("this version of openai is not instrumented: %s differ", ", ".join(missing))
        return
    for owner, name, wrapper, _ in WRAPPERS:
        _wrap_method(getattr(module, owner), name, wrapper)


def _fits(owner: object, name: str, needed: frozenset[str]) -> bool:
    method = getattr(owner, name, None)
    if not callable(method):
        return False
    parameters = inspect.signature(method).parameters
    # Another instrumentation's wrapper may take anything.
    return needed <= parameters.keys() or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _wrap_method(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    layer: Any = owner.__dict__[name]
    while layer is not None:  # ours may lie below another instrumentation's
        if isinstance(layer, wrapt.FunctionWrapper) and layer._self_wrapper is wrapper:
            return
        layer = getattr(layer, "__wrapped__", None)
    setattr(owner, name, wrapt.FunctionWrapper(owner.__dict__[name], wrapper))


def _unwrap(module: Any) -> None:
    """Take our wrappers off. One that lies below another instrumentation's stays and lets calls through."""
    for owner_name, name, wrapper, _ in WRAPPERS:
        owner = getattr(module, owner_name, None)
        layer = owner.__dict__.get(name) if owner else None
        if isinstance(layer, wrapt.FunctionWrapper) and layer._self_wrapper is wrapper:
            setattr(owner, name, layer.__wrapped__)
