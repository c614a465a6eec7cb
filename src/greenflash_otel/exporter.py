"""Where OpenTelemetry hands spans to us: `GreenflashSpanExporter` for anybody's processor, and the
`SpanProcessor` that `instrument()` uses, which costs the application's thread one queue entry.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace import SpanProcessor as OTelSpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from greenflash_otel import internal_errors
from greenflash_otel.context import affiliation_in
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.model.telemetry import SpanEvent, SpanRecord, Status
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.attributes import plain_attributes
from greenflash_otel.semconv.genai import CONVERSATION_ID, attributes_of_affiliation
from greenflash_otel.semconv.registry import recognises
from greenflash_otel.settings import Settings

_STATUS: Mapping[StatusCode, Status] = {
    StatusCode.UNSET: "unset",
    StatusCode.OK: "ok",
    StatusCode.ERROR: "error",
}


def record_of(span: ReadableSpan) -> SpanRecord:
    """An SDK span as our plain values."""
    context, scope = span.get_span_context(), span.instrumentation_scope
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id if context else 0),
        span_id=format_span_id(context.span_id if context else 0),
        parent_span_id=format_span_id(span.parent.span_id) if span.parent else None,
        name=span.name,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        attributes=plain_attributes(span.attributes or {}),
        events=tuple(
            SpanEvent(event.name, event.timestamp, plain_attributes(event.attributes or {}))
            for event in span.events
        ),
        status=_STATUS[span.status.status_code],
        status_description=span.status.description,
        scope=scope.name if scope else "",
        resource=span.resource.attributes,
    )


class GreenflashSpanExporter(SpanExporter):
    """Delivers the conversations that spans tell of to Greenflash, whoever recorded the spans.

    Put it into any processor: ``provider.add_span_processor(BatchSpanProcessor(GreenflashSpanExporter()))``.
    `export` converts and commits to the outbox, so its success means kept, not yet delivered.

    Args:
        pipeline: The one to hand spans to; by default one of its own, from the settings.
        http_client: Your own ``httpx.Client`` for the deliveries, e.g. with a proxy.
        **settings: As for `instrument()`; what is left out comes from the environment.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """

    def __init__(
        self, *, pipeline: Pipeline | None = None, http_client: httpx.Client | None = None, **settings: Any
    ) -> None:
        self._pipeline = pipeline or Pipeline(Settings.read(os.environ, **settings), http_client=http_client)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Convert and keep the spans; those that tell of no GenAI operation are passed over."""
        with internal_errors.guarded("export spans"):
            if self._pipeline.take([record_of(span) for span in spans]):
                return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True if Greenflash has answered for all that was exported."""
        return self._pipeline.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Deliver what can be delivered within `shutdown_timeout_s`; the rest stays in the outbox."""
        self._pipeline.shutdown()

    def stats(self) -> Stats:
        """What became of everything exported, in messages and outcomes."""
        return self._pipeline.stats()


class Marker(OTelSpanProcessor):
    """Gives spans the affiliation of the code they run in."""

    def __init__(self) -> None:
        self.active = True
        """False once `uninstrument()` was called: a provider cannot give a processor back."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Say on the span, whoever starts it, whose conversation it belongs to."""
        if not self.active:
            return
        with internal_errors.guarded("mark a span"):
            affiliation = affiliation_in(parent_context)
            if affiliation.scope_id or affiliation.conversation_id:
                own = span.attributes or {}
                marks = attributes_of_affiliation(affiliation)
                if CONVERSATION_ID in own:  # its author knows better
                    marks.pop(CONVERSATION_ID)
                span.set_attributes({n: v for n, v in marks.items() if v is not None and n not in own})


class SpanProcessor(Marker):
    """A marker that queues the spans we can read for the worker."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span if it is of a kind we can read."""
        if self.active and span.attributes and recognises(span.attributes):
            self._pipeline.submit(functools.partial(record_of, span))

    def shutdown(self) -> None:
        """Does nothing: the pipeline is shut down by whoever built it."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True if Greenflash has answered for all that ended so far."""
        return self._pipeline.flush(timeout_millis / 1000)
