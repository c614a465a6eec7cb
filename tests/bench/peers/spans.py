"""What OpenTelemetry instrumentations share: a provider that batches spans for an exporter that drops them."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class Drop(SpanExporter):
    """A sink that costs nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def make_processor() -> BatchSpanProcessor:
    """A processor as applications use it."""
    return BatchSpanProcessor(Drop())


def make_provider() -> TracerProvider:
    """A provider that hands spans to it."""
    provider = TracerProvider()
    provider.add_span_processor(make_processor())
    return provider
