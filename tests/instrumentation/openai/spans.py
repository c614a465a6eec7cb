"""What a test sees of an instrumented application: its spans, read back as operations."""

from __future__ import annotations

import asyncio
import gc

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.exporter import record_of
from greenflash_otel.model.operation import Message, Operation, Text
from greenflash_otel.semconv.genai import read


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
        return [operation for span in self.all() if (operation := read(record_of(span)))]

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
        for span in self.all():
            if operation := read(record := record_of(span)):
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


def text_of(*messages: Message) -> str:
    """All the text parts of some messages."""
    return "".join(part.content for message in messages for part in message.parts if isinstance(part, Text))
