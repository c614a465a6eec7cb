"""Send spans to an OpenTelemetry Collector, not conversations to Greenflash: ``instrument(export="otlp")``.

OpenTelemetry's own exporter sends them, and obeys all of its ``OTEL_EXPORTER_OTLP_*`` and ``OTEL_BSP_*``. It
keeps them in memory and tries for as long as its timeout says; what it gives up is counted here as lost.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats, add_process_counts
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.exporter import ReusableSpanProcessor
from greenflash_otel.model.telemetry import ENVIRONMENTS, RELEASE
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.registry import recognises
from greenflash_otel.settings import Settings
from greenflash_otel.span_contexts import SPAN_CONTEXTS, join_conversation, select_conversation

EXPORTERS: Mapping[str, str] = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}
"""The module of OpenTelemetry's exporter, by the protocol that ``OTEL_EXPORTER_OTLP_PROTOCOL`` names."""
VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def make_exporter(environment: Mapping[str, str]) -> SpanExporter:
    """Make OpenTelemetry's exporter. Raises `ConfigurationError` if it is not installed, or there is none."""
    named = (environment.get(variable, "").strip() for variable in VARIABLES)
    protocol = next(filter(None, named), "http/protobuf")
    if protocol not in EXPORTERS:
        raise ConfigurationError(f"{VARIABLES[1]} is {protocol!r}; write {' or '.join(EXPORTERS)}")
    try:
        module: Any = import_module(EXPORTERS[protocol])
    except ModuleNotFoundError as error:
        package = f"opentelemetry-exporter-otlp-proto-{protocol.partition('/')[0]}"
        raise ConfigurationError(f"export='otlp' needs {package}: pip install {package}") from error
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter


def read_resource(settings: Settings) -> Resource:
    """Return the resource by which a gateway knows our product, where we run, and which release we are."""
    said = {
        "greenflash.product_id": settings.product_id,
        ENVIRONMENTS[0]: settings.environment,
        RELEASE: settings.release,
    }
    return Resource({name: text for name, text in said.items() if text})


class CountingExporter(SpanExporter):
    """Hands spans on, and counts what became of them."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lock = threading.Lock()
        self.taken = 0
        self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Do as the exporter does."""
        result = SpanExportResult.FAILURE
        with internal_errors.guarded("send spans to the Collector"):
            result = self._exporter.export(spans)
        with self._lock:
            if result is SpanExportResult.SUCCESS:
                self.taken += len(spans)
            else:
                self.lost += len(spans)
        if result is not SpanExportResult.SUCCESS:
            internal_errors.warn_once(
                "the Collector did not take spans in time; such spans are lost, and counted"
            )
        return result

    def shutdown(self) -> None:
        """Do as the exporter does."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do as the exporter does."""
        return self._exporter.force_flush(timeout_millis)


class CollectorProcessor(ReusableSpanProcessor[SpanProcessor]):
    """Hand every span to OpenTelemetry's batch processor, with the conversation it began in."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, whatever it says."""
        batch = self._sink
        if batch is None:
            return
        marked: ReadableSpan | None = span
        with internal_errors.guarded("mark a span with its conversation"):
            marked = _mark_span(span)
        if marked is not None:
            batch.on_end(marked)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued."""
        batch = self._sink
        return True if batch is None else batch.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Send what is queued, and stop."""
        if (batch := self._sink) is not None:
            batch.shutdown()


def _mark_span(span: ReadableSpan) -> ReadableSpan | None:
    """Return the span as the Collector gets it; None if a redaction function made it.

    A span that ended cannot be changed, and others may export it too, so this is a copy. A span of a model
    call says all about its conversation. Any other says its id only, by which the gateway links the model
    calls that other services made below it.
    """
    span_note = SPAN_CONTEXTS.note_end(span.get_span_context(), keep=False)
    if span_note.is_ignored:
        return None
    own = span.attributes or {}
    joins = recognises(own)
    attributes = (
        join_conversation(own, span_note.conversation_context)
        if joins
        else {**select_conversation(span_note.conversation_context), **own}
    )
    if len(attributes) == len(own):
        return span
    retained: Any = span._attributes
    marked = copy.copy(span)
    marked._attributes = more = BoundedAttributes(
        attributes=attributes, max_value_len=getattr(retained, "max_value_len", None)
    )
    more.dropped = span.dropped_attributes
    return marked


class CollectorPipeline(Pipeline):
    """The pipeline of a process whose spans go to a Collector. Its `stats` count spans."""

    def __init__(self, settings: Settings, exporter: SpanExporter) -> None:
        super().__init__(settings)
        self._exporter = CountingExporter(exporter)
        make: Callable[[SpanExporter], SpanProcessor] = BatchSpanProcessor  # parts of it have no types
        self.batch = make(self._exporter)
        """What gathers and sends the spans."""

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Send what ended so far; True if the Collector took it. The exporter's own timeout counts."""
        lost = self._exporter.lost
        return self.batch.force_flush(int(timeout_s * 1000)) and self._exporter.lost == lost

    def shutdown(self, timeout_s: float | None = None, *, settle: bool = True) -> None:
        """Send what can be sent, and stop."""
        self.batch.shutdown()
        super().shutdown(timeout_s, settle=settle)

    def stats(self) -> Stats:
        """Report what became of the spans."""
        exported, lost = self._exporter.taken, self._exporter.lost
        stats = Stats(
            accepted=exported + lost, delivered=exported, lost={"the Collector": lost} if lost else {}
        )
        return add_process_counts(stats)
