"""Embeddings and retrievals in traces of their own, and the model call that was given them. Pure.

A client that nothing spans around begins a trace with each request. What was embedded or looked up then
belongs to the next model call whose input quotes it, if one comes soon; else nobody knows to what it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from greenflash_otel.model.operation import Message, Operation, Text

SOON_NS = 60_000_000_000
LEAST_CHARS = 12
"""A shorter text is found in too many others."""


@dataclass(frozen=True, slots=True)
class QuotableText:
    """What a model call was given, and when."""

    trace_id: str
    start_ns: int
    text: str


def quotable_text_of(operation: Operation, trace_id: str, start_ns: int) -> QuotableText:
    """Return what a model call was given."""
    return QuotableText(trace_id, start_ns, "\n".join(_texts_of(operation.input)))


def find_quoting_trace(operation: Operation, end_ns: int, calls: Iterable[QuotableText]) -> str | None:
    """Find the trace of the first call soon after a step that quotes it; None if none does."""
    texts = [text for text in _texts_of(operation.input) if len(text) >= LEAST_CHARS]
    for call in calls:
        soon = end_ns <= call.start_ns <= end_ns + SOON_NS
        if soon and any(text in call.text for text in texts):
            return call.trace_id
    return None


def _texts_of(messages: Iterable[Message]) -> list[str]:
    return [part.content for message in messages for part in message.parts if isinstance(part, Text)]
