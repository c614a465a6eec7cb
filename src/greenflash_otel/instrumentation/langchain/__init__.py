"""Instruments LangChain and LangGraph, langchain-core 0.3 and newer, through LangChain's own callbacks.

`instrument()` has LangChain add one handler to every call, by the hook it offers for that. Only stores call
nobody back: their methods are wrapped. Nothing here imports LangChain before the application does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import wrapt
from opentelemetry.trace import Tracer

from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.langchain.config import LangChainConfig
from greenflash_otel.instrumentation.langchain.stores import TARGETS
from greenflash_otel.internal_errors import guarded
from greenflash_otel.message_ids.ids import key_of
from greenflash_otel.settings import History

HOOKED_INTO = "langchain_core.tracers.context"
"""LangChain's module that has ``register_configure_hook``; it is imported before any call."""

current: LangChainConfig | None = None
"""The instrumentation in effect, for handlers of any kind; set by `prepare()`."""
is_hooked = False
"""Whether LangChain adds a handler to every call."""

_lock = threading.RLock()
_waiting = False
_hook: tuple[Any, ...] | None = None


def prepare(
    tracer: Tracer | Callable[[], Tracer],
    *,
    capture_content: bool = True,
    history: History = "full",
    id_key: str | None = None,
    chains: bool = False,
    metadata_keys: Sequence[str] = (),
) -> None:
    """Say where handlers that the application passes record to. Repeated calls change the arguments only."""
    global current
    source = tracer if callable(tracer) else lambda: tracer
    known_history = KnownHistory(key_of(id_key)) if history == "new" else None
    with _lock:
        now = current = current or LangChainConfig(source)
        now.tracer, now.capture_content, now.history = source, capture_content, known_history
        now.key, now.chains, now.metadata_keys = key_of(id_key), chains, tuple(metadata_keys)


def instrument(
    tracer: Tracer | Callable[[], Tracer],
    *,
    capture_content: bool = True,
    history: History = "full",
    id_key: str | None = None,
    chains: bool = False,
    metadata_keys: Sequence[str] = (),
) -> None:
    """Record every run of LangChain and LangGraph. Repeated calls change the arguments only.

    Args:
        tracer: Makes the spans; or a function that gives the tracer, asked for each span.
        capture_content: False keeps every text, argument, result and error message out of the spans.
        history: ``new`` leaves out of a span what earlier spans of the conversation have recorded.
        id_key: The setting of that name, for the ids by which a span refers to them.
        chains: True records chains, nodes and inner graphs too, as steps that nobody sees.
        metadata_keys: The setting of that name: what of a run's metadata and tags is recorded.
    """
    global is_hooked, _waiting
    prepare(
        tracer,
        capture_content=capture_content,
        history=history,
        id_key=id_key,
        chains=chains,
        metadata_keys=metadata_keys,
    )
    with _lock:
        is_hooked = True
        for target in TARGETS:
            target.install()
        with guarded("instrument langchain"):
            if not _waiting:
                _waiting = True
                wrapt.register_post_import_hook(_on_import, HOOKED_INTO)
            elif HOOKED_INTO in sys.modules:
                _on_import(sys.modules[HOOKED_INTO])


def uninstrument() -> None:
    """Leave LangChain as it was. Turns that run are recorded as far as they came."""
    global current, is_hooked, _hook
    with _lock:
        before, current, is_hooked = current, None, False
        for target in TARGETS:
            target.remove()
        if _hook is not None:
            hooks, entry = _hook
            with guarded("leave LangChain"):
                hooks[:] = [hook for hook in hooks if hook is not entry]
            _hook = None
    if before is not None:
        open_operations.abandon_running(before)
        before.active = False


def _on_import(module: Any) -> None:
    with guarded("instrument langchain"), _lock:
        if is_hooked:
            _install(module)


def _install(module: Any) -> None:
    global _hook
    from greenflash_otel.instrumentation.langchain.handler import HOOK, CallbackHandler

    if _hook is not None:
        return
    module.register_configure_hook(HOOK, inheritable=True, handle_class=CallbackHandler)
    hooks = module._configure_hooks
    _hook = (hooks, hooks[-1])
