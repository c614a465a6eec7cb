"""What a test sees of an instrumented application: its spans, read back as operations."""

from __future__ import annotations

import asyncio
import gc
import os
from types import MethodType

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Tracer

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.exporter import GreenflashSpanProcessor
from greenflash_otel.model.operation import Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.own_spans import OwnSpan, OwnTracer
from greenflash_otel.pipeline import LazySpanRecord
from greenflash_otel.semconv.genai import read
from greenflash_otel.semconv.registry import OURS


class Spans:
    """The finished spans of a provider of the test's own, or those that only our pipeline reads."""

    are_own = os.environ.get("GREENFLASH_TEST_OWN_SPANS") == "1"
    """Whether our spans are such as only our pipeline reads."""

    def __init__(self, id_generator: IdGenerator | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, id_generator=id_generator)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._handed_over = list[LazySpanRecord]()
        self._processor = GreenflashSpanProcessor()
        self._processor.start(self)
        self.provider.add_span_processor(self._processor)
        self.tracer: Tracer = self.provider.get_tracer(OURS)
        if self.are_own:
            self.tracer = OwnTracer(self, Resource.create(), id_generator)

    def submit(self, span: LazySpanRecord, size_bytes: int = 0) -> None:
        """Take a span as the pipeline does, from the processor or the tracer of `instrument()`."""
        self._handed_over.append(span)

    def has_room(self, size_bytes: int) -> bool:
        """Everything may wait."""
        return True

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Nothing waits here."""
        return True

    def records(self) -> list[SpanRecord]:
        """Every span that our processor handed over, as the pipeline reads it."""
        return [span() for span in self._handed_over]

    def all(self) -> tuple[ReadableSpan, ...]:
        """Every finished span, in the order of their ends."""
        finished = list[ReadableSpan](self._exporter.get_finished_spans())
        for span in self._handed_over:
            if isinstance(span, MethodType) and isinstance(own := span.__self__, OwnSpan):
                own.read()
                finished.append(own)
        return tuple(sorted(finished, key=lambda span: span.end_time or 0))

    def operations(self) -> list[Operation]:
        """Every operation that the spans tell of."""
        return [operation for record in self.records() if (operation := read(record))]

    def told(self) -> list[MessageItem]:
        """The messages that the spans become, of all conversations."""
        return [item for items in self.conversations().values() for item in items]

    def conversations(self) -> dict[str, list[MessageItem]]:
        """The messages that the spans become, by conversation."""
        found = dict[str, list[MessageItem]]()
        for update in self.updates():
            found.setdefault(update.conversation_id, []).extend(update.messages)
        return {id: items for id, items in found.items() if items}

    def updates(self) -> list[ConversationUpdate]:
        """What the spans become, one by one."""
        memory, found = ConversationStore(), list[ConversationUpdate]()
        for record in self.records():
            if operation := read(record):
                found += assemble(memory, record, operation).list_in_order()
        return [*found, *assemble_overdue(memory, None)]

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
        self._handed_over.clear()


def text_of(*messages: Message) -> str:
    """All the text parts of some messages."""
    return "".join(part.content for message in messages for part in message.parts if isinstance(part, Text))
