"""Recorded spans of other instrumentations, and the conversations that they become."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.gateway import otlp
from greenflash_otel.semconv.correlation import trace

SPANS = Path(__file__).parents[1] / "data" / "spans"


def told(producer: str, name: str) -> list[list[MessageItem]]:
    """The conversations of a recorded file."""
    memory, found = ConversationStore(), dict[str, list[MessageItem]]()
    records = otlp.read_json((SPANS / producer / f"{name}.json").read_bytes()).records
    read = trace.combine_spans(map(trace.read, records))
    updates = [
        assemble(memory, reading.span, reading.operation).list_in_order()
        for reading in read
        if reading.operation
    ]
    for update in (*chain.from_iterable(updates), *assemble_overdue(memory, None)):
        found.setdefault(update.conversation_id, []).extend(update.messages)
    return list(found.values())
