"""Conversations with tools, written as producers write them, and what becomes of them however they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.semconv.correlation.trace import read
from tests.strategies import span_of

Arrival = Literal["together", "span by span", "backwards"]
ARRIVALS: Sequence[Arrival] = ("together", "span by span", "backwards")


@dataclass(frozen=True)
class Row:
    """A message: its type, what it says, and what the message above it says."""

    type: str
    said: str
    below: str | None = None


def arrive(spans: Sequence[SpanRecord], arrival: Arrival) -> dict[str, list[MessageItem]]:
    """The messages of each conversation, in the order in which they are emitted."""
    recent, store, found = Recent(), ConversationStore(), dict[str, list[MessageItem]]()
    ordered = sorted(spans, key=lambda one: one.end_ns, reverse=arrival == "backwards")
    batches = [ordered] if arrival == "together" else [[one] for one in ordered]
    for batch in batches:
        for one in recent.take([read(span) for span in batch]):
            if one.operation:
                _add(found, assemble(store, one.span, one.operation).list_in_order())
    _add(found, assemble_overdue(store, None))
    return {id: messages for id, messages in found.items() if messages}


def _add(found: dict[str, list[MessageItem]], updates: Iterable[Any]) -> None:
    for update in updates:
        found.setdefault(update.conversation_id, []).extend(update.messages)


def rows(spans: Sequence[SpanRecord], arrival: Arrival) -> list[Row]:
    """The messages of the only conversation that the spans are."""
    conversations = arrive(spans, arrival)
    assert len(conversations) == 1, {id: [*map(said, one)] for id, one in conversations.items()}
    (messages,) = conversations.values()
    ids = [one.id for one in messages]
    assert len({*ids}) == len(ids)
    by_id = {one.id: said(one) for one in messages}
    return [Row(one.type, said(one), by_id.get(one.parent_id or "")) for one in messages]


def said(message: MessageItem) -> str:
    """What a message says in one line: of a call the tool and its arguments, of a result the values."""
    if message.type == "tool_call":
        return f"{message.tool_name} {json.dumps(message.input, sort_keys=True)}"
    if message.content is not None:
        return message.content
    output = message.output or {}
    return " ".join(one if isinstance(one, str) else json.dumps(one) for one in output.values())


def span(
    number: int, attributes: Mapping[str, Any], trace: int | None = 1, parent: int | None = None
) -> SpanRecord:
    """A span, later than those of lower numbers; in a trace of its own if `trace` is None."""
    made = span_of(attributes, number=number)
    return replace(
        made,
        trace_id=f"{number + 1_000 if trace is None else trace:032x}",
        parent_span_id=f"{parent:016x}" if parent else None,
    )
