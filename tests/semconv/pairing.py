"""Conversations with tools, written as producers write them, and what becomes of them however they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.semconv.correlation.trace import read
from tests.strategies import span_of

Arrival = Literal["together", "span by span", "backwards"]
ARRIVALS: Sequence[Arrival] = ("together", "span by span", "backwards")
RESULTS = ("observation", "tool_error")


def arrive(spans: Sequence[SpanRecord], arrival: Arrival) -> dict[str, list[MessageItem]]:
    """The messages of each conversation, in the order in which they are emitted."""
    recent, store, found = Recent(), ConversationStore(), dict[str, list[MessageItem]]()
    ordered = sorted(spans, key=lambda span: span.end_ns, reverse=arrival == "backwards")
    batches = [ordered] if arrival == "together" else [[entry] for entry in ordered]
    for batch in batches:
        for reading in recent.take([read(span) for span in batch]):
            if reading.operation:
                _add(found, assemble(store, reading.span, reading.operation).list_in_order())
    _add(found, assemble_overdue(store, None))
    return {id: messages for id, messages in found.items() if messages}


def _add(found: dict[str, list[MessageItem]], updates: Iterable[Any]) -> None:
    for update in updates:
        found.setdefault(update.conversation_id, []).extend(update.messages)


def list_results(spans: Sequence[SpanRecord], arrival: Arrival) -> list[tuple[str, str]]:
    """What each call of the only conversation that the spans are was answered, in the order of the calls."""
    messages = read_conversation(spans, arrival)
    results = [message for message in messages if message.type in RESULTS]
    calls = [message for message in messages if message.type == "tool_call"]
    assert {result.parent_id for result in results} <= {call.id for call in calls}
    found = [
        (said(call), [said(result) for result in results if result.parent_id == call.id]) for call in calls
    ]
    return [(call, " and ".join(texts)) for call, texts in found]


def list_spoken(spans: Sequence[SpanRecord], arrival: Arrival) -> list[str]:
    """What the user said and saw, in order."""
    spoken = ("user_message", "assistant_message", "final_response")
    return [said(entry) for entry in read_conversation(spans, arrival) if entry.type in spoken]


def read_conversation(spans: Sequence[SpanRecord], arrival: Arrival) -> list[MessageItem]:
    """The messages of the only conversation that the spans are; each is there once."""
    conversations = arrive(spans, arrival)
    assert len(conversations) == 1, {
        id: [*map(said, conversation)] for id, conversation in conversations.items()
    }
    (messages,) = conversations.values()
    assert len({message.id for message in messages}) == len(messages)
    return messages


def said(message: MessageItem) -> str:
    """What a message says in one line: of a call the tool and its arguments, of a result the values."""
    if message.type == "tool_call":
        return f"{message.tool_name} {json.dumps(message.input, sort_keys=True)}"
    if message.content is not None:
        return message.content
    output = message.output or {}
    return " ".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in output.values())


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
