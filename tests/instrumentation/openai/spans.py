"""What a test sees of an instrumented application: its spans, read back as operations."""

from __future__ import annotations

import asyncio
import gc
from typing import cast

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from greenflash_otel.operations import Message, Operation, Text
from greenflash_otel.semconv.genai import read
from greenflash_otel.spans import Attributes, SpanRecord, Status


class Spans:
    """The finished spans of a provider of the test's own."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def all(self) -> tuple[ReadableSpan, ...]:
        """Every finished span, in the order of their ends."""
        return tuple(self._exporter.get_finished_spans())

    def operations(self) -> list[Operation]:
        """Every operation that the spans tell of."""
        return [operation for span in self.all() if (operation := read(_record(span)))]

    def only(self) -> Operation:
        """The operation of the only span there is."""
        (operation,) = self.operations()
        return operation

    async def arrive(self, count: int) -> None:
        """Wait until ``count`` spans have ended: what an async application drops takes rounds of the loop."""
        for _ in range(100):
            if len(self.all()) >= count:
                return
            gc.collect()
            await asyncio.sleep(0)

    def clear(self) -> None:
        self._exporter.clear()


def text_of(*messages: Message) -> str:
    """All the text parts of some messages."""
    return "".join(part.content for message in messages for part in message.parts if isinstance(part, Text))


def _record(span: ReadableSpan) -> SpanRecord:
    return SpanRecord(
        trace_id="0" * 32,
        span_id="0" * 16,
        name=span.name,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        attributes=cast(Attributes, span.attributes),
        status=cast(Status, span.status.status_code.name.lower()),
        status_description=span.status.description,
    )
