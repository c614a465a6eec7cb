"""Read the spans that OpenTelemetry's SDK hands over.

`GreenflashSpanExporter` is for anybody's span processor. `ConversationSpanProcessor` remembers whose
conversation a span belongs to. `GreenflashSpanProcessor` is what `instrument()` puts into a provider: it
costs the application's thread one queue entry.
"""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import httpx
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id

from greenflash_otel import internal_errors, standalone
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import OURS, SpanEvent, SpanRecord
from greenflash_otel.model.visit import size_of_value
from greenflash_otel.own_spans import STATUSES
from greenflash_otel.pipeline import LazySpanRecord, Pipeline
from greenflash_otel.semconv.attributes import copy_plain_attributes
from greenflash_otel.semconv.registry import recognises
from greenflash_otel.set_up_report import report_off
from greenflash_otel.settings import IDLE, Settings
from greenflash_otel.span_contexts import SPAN_CONTEXTS, join_conversation


def record_of(span: ReadableSpan, conversation_context: ConversationContext | None = None) -> SpanRecord:
    """Return an SDK span as our plain values.

    Args:
        conversation_context: The conversation that the span began in, if the span does not name it. A span
            of ours says it itself: the code around it may be internal, though the span is not.
    """
    context, scope = span.get_span_context(), span.instrumentation_scope
    if scope is not None and scope.name == OURS:
        conversation_context = None
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id if context else 0),
        span_id=format_span_id(context.span_id if context else 0),
        parent_span_id=format_span_id(span.parent.span_id) if span.parent else None,
        name=span.name,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        attributes=copy_plain_attributes(
            join_conversation(span.attributes or {}, conversation_context)
            if conversation_context
            else span.attributes or {}
        ),
        events=tuple(
            SpanEvent(event.name, event.timestamp, copy_plain_attributes(event.attributes or {}))
            for event in span.events
        ),
        status=STATUSES[span.status.status_code],
        status_description=span.status.description,
        scope=scope.name if scope else "",
        resource=span.resource.attributes,
    )


class GreenflashSpanExporter(SpanExporter):
    """Deliver the conversations in spans to Greenflash, whatever instrumentation recorded them.

    Put it into any processor: ``provider.add_span_processor(BatchSpanProcessor(GreenflashSpanExporter()))``.
    `export` converts and commits to the outbox, so its success means stored, not yet delivered. Without
    `instrument()`, its pipeline is the process's until `shutdown`: `conversation`, `record_outcome`, `flush`
    and the other public functions work with it.

    Args:
        pipeline: The pipeline that gets the spans; by default a new one, from the settings.
        http_client: Your own ``httpx.Client`` for the deliveries, e.g. with a proxy.
        **settings: As for `instrument()`; what is left out comes from the environment.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """

    def __init__(
        self, *, pipeline: Pipeline | None = None, http_client: httpx.Client | None = None, **settings: Any
    ) -> None:
        self._is_off = False
        if pipeline is None:
            read_settings = Settings.read(os.environ, **{"export": "greenflash", **settings})
            self._is_off = read_settings.off_reason is not None
            if self._is_off:
                report_off(read_settings)
            pipeline = Pipeline(IDLE if self._is_off else read_settings, http_client=http_client)
        self.pipeline = pipeline
        """Where its spans go."""
        if not self._is_off:
            standalone.register(self)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Convert and keep the spans; those that carry no GenAI operation are passed over."""
        if self._is_off:
            return SpanExportResult.SUCCESS
        with internal_errors.guarded("export spans"):
            records = self._read(spans)
            if not records or self.pipeline.take(records):
                return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def _read(self, spans: Sequence[ReadableSpan]) -> list[SpanRecord]:
        """Return what is ours to read, each span with the conversation it began in."""
        records = []
        for span in spans:
            with internal_errors.guarded("read a span", lost="span_not_readable"):
                context = span.get_span_context()
                span_note, is_ours = SPAN_CONTEXTS.find(context), _is_readable(span)
                SPAN_CONTEXTS.note_end(context, keep=is_ours)  # another exporter may be given it too
                if not span_note.is_ignored and span_note.recorded_by != id(self.pipeline):
                    records.append(record_of(span, span_note.conversation_context if is_ours else None))
        return records

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return whether Greenflash has answered for everything that was exported."""
        return self.pipeline.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Deliver what can be delivered within `shutdown_timeout_s`; the outbox keeps what is left."""
        standalone.unregister(self)
        self.pipeline.shutdown()

    def stats(self) -> Stats:
        """Return what became of everything exported, in messages and outcomes."""
        return self.pipeline.stats()


class ConversationSpanProcessor(SpanProcessor):
    """Remember whose conversation a span belongs to, for whichever exporter of ours reads it.

    A span that carries the marks of a model call when it starts gets ``gen_ai.conversation.id``. Nothing else
    is written on any span. `instrument()` adds one to the provider it records in. Add one yourself where an
    exporter of your own sends the spans: ``provider.add_span_processor(ConversationSpanProcessor())``.
    """

    def __init__(self) -> None:
        self.is_active = True

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember the conversation of the code that starts the span."""
        if self.is_active:
            with internal_errors.guarded("remember whose conversation a span belongs to"):
                SPAN_CONTEXTS.note_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Forget the span, unless an exporter of ours may be given it."""
        if self.is_active:
            with internal_errors.guarded("remember whose conversation a span belongs to"):
                SPAN_CONTEXTS.note_end(span.get_span_context(), keep=_may_be_exported(span))


Sink = TypeVar("Sink")


class ReusableSpanProcessor(ConversationSpanProcessor, Generic[Sink]):
    """A span processor that can be stopped and started again, each time with another sink.

    A provider cannot give a processor back. So it gets one of each kind for its whole life, see
    `find_or_add_processor`, and the next `instrument()` starts that again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_active = False
        self._sink: Sink | None = None

    def start(self, sink: Sink) -> None:
        """Hand spans to ``sink`` from now on."""
        SPAN_CONTEXTS.add_reader(self)
        self._sink, self.is_active = sink, True

    def stop(self) -> None:
        """Let all spans pass, and forget where they went."""
        self.is_active, self._sink = False, None
        SPAN_CONTEXTS.remove_reader(self)

    def suspend(self) -> Callable[[], None]:
        """Let all spans pass until the function that this returns is called."""
        sink = self._sink
        self.stop()

        def resume() -> None:
            if sink is not None:
                self.start(sink)

        return resume


class SpanSink(Protocol):
    """Where spans go that just ended: a pipeline."""

    def submit(self, span: LazySpanRecord, size_bytes: int = 0, /) -> object:
        """Hand over a span. Costs a queue entry."""
        ...

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Deliver what was handed over so far."""
        ...


class GreenflashSpanProcessor(ReusableSpanProcessor[SpanSink]):
    """Queue the spans that can be read for the pipeline of `instrument()`."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span if it is of a kind we can read."""
        sink = self._sink
        if sink is None:
            return
        with internal_errors.guarded("hand over a span", lost="span_not_readable"):
            span_note = SPAN_CONTEXTS.note_end(span.get_span_context(), keep=_may_be_exported(span))
            if _is_readable(span) and not span_note.is_ignored:
                sink.submit(
                    functools.partial(record_of, span, span_note.conversation_context), _size_of(span)
                )

    def shutdown(self) -> None:
        """Do nothing: the code that built the pipeline shuts it down."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return whether Greenflash has answered for every span that ended so far."""
        sink = self._sink
        return True if sink is None else sink.flush(timeout_millis / 1000)


Processor = TypeVar("Processor", bound=ReusableSpanProcessor[Any])

_processors: Final[weakref.WeakKeyDictionary[Any, dict[type, Any]]] = weakref.WeakKeyDictionary()
"""Our processors in each provider that has any, by their kind."""


def find_or_add_processor(provider: Any, kind: type[Processor]) -> Processor:
    """Return our processor of a kind in ``provider``, added to it if it has none yet.

    Args:
        provider: Anything that has ``add_span_processor()``.
    """
    try:
        processors = _processors.setdefault(provider, {})
    except TypeError:  # a provider of another kind, which cannot be remembered weakly
        processors = {}
    processor: Processor | None = processors.get(kind)
    if processor is None:
        processor = kind()
        provider.add_span_processor(processor)
        processors[kind] = processor
    return processor


def _is_readable(span: ReadableSpan) -> bool:
    return bool(span.attributes) and recognises(span.attributes or {})


def _may_be_exported(span: ReadableSpan) -> bool:
    """Return whether an exporter of ours may be given the span after its end."""
    return standalone.is_in_use() and _is_readable(span)


def _size_of(span: ReadableSpan) -> int:
    """Return what the texts of a span take in memory, about."""
    size = sum(map(size_of_value, (span.attributes or {}).values()))
    for event in span.events:
        size += sum(map(size_of_value, (event.attributes or {}).values()))
    return size
