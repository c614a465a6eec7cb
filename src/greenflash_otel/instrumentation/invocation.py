"""Record an operation while it runs.

`Invocation` owns a live span from the call to its end and ends it once. A model call's span never becomes the
current one: so what the application does meanwhile, and between two chunks of a stream, has the application's own
span as its parent. A tool's span is the current one while the tool runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.visit import size_of_texts
from greenflash_otel.own_spans import (
    LazyWrite,
    OwnSpan,
    OwnTracer,
    clean_attributes,
    kind_of,
    make_failed_status,
    make_head,
)
from greenflash_otel.semconv.genai import Attribute, attributes_of, span_name_of

_ABOVE = otel_context.create_key("greenflash-captured-by-framework")


def mark_captured_by_framework(is_active: Callable[[], bool], context: Context) -> Context:
    """Return ``context`` in which a framework describes model calls itself, while ``is_active`` says so."""
    return otel_context.set_value(_ABOVE, is_active, context)


def is_captured_by_framework() -> bool:
    """Return whether a framework above describes the model call that the running code makes."""
    is_active = cast("Callable[[], bool] | None", otel_context.get_value(_ABOVE))
    return is_active is not None and is_active()


class Invocation:
    """One running operation. Owns its span until that has ended, once."""

    __slots__ = ("_span", "_to_end", "started_s")

    def __init__(self, span: Span) -> None:
        self._span: Span | None = span
        self._to_end = [span]
        """Whoever takes the span out of here ends it: no lock, which a signal handler might wait for."""
        self.started_s = time.perf_counter()
        """When it began, by ``time.perf_counter()``."""

    @classmethod
    def start(cls, tracer: Tracer, operation: Operation, context: Context | None = None) -> Invocation:
        """Start a span with what a sampler may want to know of ``operation``; content follows at the end."""
        if isinstance(tracer, OwnTracer):
            return cls(tracer.begin(operation, context))
        kind, head = kind_of(operation), make_head(operation)
        return cls(tracer.start_span(span_name_of(operation), context, kind=kind, attributes=head))

    @property
    def span(self) -> Span | None:
        """Its span while it runs."""
        return self._span

    @property
    def recording(self) -> bool:
        """False when the span was sampled out: then there is nothing to capture."""
        span = self._span
        return span is not None and span.is_recording()

    def make_current(self) -> Context:
        """Return the running context with this operation's span as the current one, for code that is part of it."""
        span = self._span
        return otel_context.get_current() if span is None else set_span_in_context(span)

    def finish(self, operation: Operation, *, end_ns: int | None = None) -> None:
        """Write ``operation`` to the span and end it, at ``end_ns`` or now. Later calls do nothing."""
        self.write(operation)
        self.end(end_ns=end_ns)

    def write(self, operation: Operation) -> None:
        """Write ``operation`` to the span, which stays open: it may not be known yet how the span counts."""
        span = self._span
        if span is None:
            return
        if isinstance(span, OwnSpan):
            span.write(operation, size_of_texts(operation))
            return
        with guarded("write an operation to its span", lost="operation_not_written"):
            write_attributes(span, attributes_of(operation))
        with guarded("write a failure to its span"):
            if operation.failure:
                span.set_status(make_failed_status(operation.failure))

    def write_later(self, read: LazyWrite, size_bytes: int) -> None:
        """Have the thread that reads an own span call ``read`` for what to write, from so many bytes."""
        if isinstance(self._span, OwnSpan):
            self._span.write(read, size_bytes)

    def finish_later(self, read: LazyWrite, size_bytes: int, *, end_ns: int | None = None) -> None:
        """End an own span; the thread that reads it calls ``read`` for what to write, from so many bytes."""
        if isinstance(self._span, OwnSpan):
            self._span.write(read, size_bytes)
        self.end(end_ns=end_ns)

    @property
    def is_read_later(self) -> bool:
        """Whether only our pipeline reads the span, on its own thread."""
        return isinstance(self._span, OwnSpan)

    def end(self, marks: Mapping[str, Attribute] | None = None, *, end_ns: int | None = None) -> None:
        """End the span, at ``end_ns`` or now, with some last attributes. Later calls do nothing."""
        span = self._take_span()
        if span is not None:
            if marks:
                write_attributes(span, marks)
            span.end(end_ns)

    def discard(self) -> None:
        """Forget the span without ending it. Takes no lock, because forked children call it."""
        self._span = None

    def _take_span(self) -> Span | None:
        try:
            self._to_end.pop()
        except IndexError:
            return None
        span, self._span = self._span, None
        return span


def write_attributes(span: Span, attributes: Mapping[str, object]) -> None:
    """Write attributes to a span, each for itself: one that cannot be written costs no other."""
    if isinstance(span, OwnSpan):
        span.set_attributes(cast("Mapping[str, AttributeValue]", attributes))
        return
    values = clean_attributes(attributes)
    try:
        span.set_attributes(values)
    except Exception:  # noqa: BLE001 - a span of another SDK; below it is found out which attribute it was
        for name, attribute in values.items():
            with guarded("write an attribute", lost="attribute_not_written"):
                span.set_attribute(name, attribute)
