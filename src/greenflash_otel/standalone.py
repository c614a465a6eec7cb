"""Make ``GreenflashSpanExporter`` work without ``instrument()``.

An exporter gets finished spans. It knows neither the processor that passes them nor the provider that makes them.
So two things happen from its construction to its shutdown:

- Its pipeline is the process's, for `record_outcome`, `record_rating`, `identify_user`, `flush` and `stats`,
  unless `instrument()` made one.
- The SDK's ``Span.start`` and ``Span.end`` are wrapped, so that it is remembered which conversation a span
  began in. The processor interface cannot do that without the provider. The application sees no difference.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span

from greenflash_otel import internal_errors
from greenflash_otel.arguments import set_strict_for
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.registry import recognises
from greenflash_otel.span_contexts import SPAN_CONTEXTS


class StandaloneExporter(Protocol):
    """An exporter that is not of `instrument()`."""

    @property
    def pipeline(self) -> Pipeline:
        """Where it hands its spans to."""
        ...


_exporters: Final[weakref.WeakValueDictionary[int, StandaloneExporter]] = weakref.WeakValueDictionary()
"""The exporters that are in use, oldest first. An exporter that nobody has any more is none."""
_numbers: Final = count()
_lock: Final = threading.Lock()
_wrappers: Final[dict[str, Any]] = {}
"""Our wrappers of methods of ``Span``, by name."""


def register(exporter: StandaloneExporter) -> None:
    """Take ``exporter`` for one of this process, until it is unregistered or garbage."""
    with _lock:
        if _exporters:
            internal_errors.warn_once(
                "there are several GreenflashSpanExporters: outcomes, ratings and users go to the first one",
            )
        _exporters[next(_numbers)] = exporter
        set_strict_for(exporter, exporter.pipeline.settings.strict)
        SPAN_CONTEXTS.add_reader(exporter)
        _watch_spans()


def unregister(exporter: StandaloneExporter) -> None:
    """Forget ``exporter``; the last one leaves the SDK as it was."""
    with _lock:
        for number, other in list(_exporters.items()):
            if other is exporter:
                del _exporters[number]
        set_strict_for(exporter, False)
        SPAN_CONTEXTS.remove_reader(exporter)
        if not _exporters:
            _leave_spans()


def is_in_use() -> bool:
    """Return whether any exporter may ask for spans that ended."""
    return bool(_exporters)


def pipeline_of_process() -> Pipeline | None:
    """Return the pipeline of the oldest exporter; None if there is no exporter."""
    for exporter in list(_exporters.values()):
        return exporter.pipeline
    return None


def reset_for_tests() -> None:
    """Forget all exporters, so that one test does not see what another did."""
    with _lock:
        for exporter in list(_exporters.values()):
            set_strict_for(exporter, False)
        _exporters.clear()
        _leave_spans()
    SPAN_CONTEXTS.reset_for_tests()


def _watch_spans() -> None:
    for name, watch in (("start", _note_start), ("end", _note_end)):
        if (layer := _wrappers.get(name)) is None or layer not in _list_layers(name):
            _wrappers[name] = _wrap(name, watch)


def _wrap(name: str, watch: Callable[..., None]) -> Any:
    original = getattr(Span, name)

    @functools.wraps(original)
    def wrapper(span: Span, *args: Any, **kwargs: Any) -> None:
        original(span, *args, **kwargs)
        if _exporters:
            with internal_errors.guarded("remember whose conversation a span belongs to"):
                watch(span, *args, **kwargs)

    setattr(Span, name, wrapper)
    return wrapper


def _note_start(span: Span, start_time: object = None, parent_context: Context | None = None) -> None:
    SPAN_CONTEXTS.note_start(span, parent_context)


def _note_end(span: Span, end_time: object = None) -> None:
    SPAN_CONTEXTS.note_end(span.get_span_context(), keep=recognises(span.attributes or {}))


def _leave_spans() -> None:
    """Give the methods back. Below another library's wrapper, ours stays and lets calls through."""
    for name, wrapper in list(_wrappers.items()):
        if Span.__dict__[name] is wrapper:
            setattr(Span, name, wrapper.__wrapped__)
            del _wrappers[name]


def _list_layers(name: str) -> Iterator[object]:
    layer: Any = Span.__dict__[name]
    while layer is not None:
        yield layer
        layer = getattr(layer, "__wrapped__", None)
