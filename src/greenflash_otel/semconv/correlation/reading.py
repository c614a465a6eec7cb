"""A span together with what it reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from greenflash_otel.model.long_input import with_whole_input
from greenflash_otel.model.operation import ConversationContext, Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import registry

Key: TypeAlias = tuple[str, str]
"""Span id, and the start of the span."""

DEEP = 64
"""Ancestors that are looked at."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A span, and what it reports."""

    span: SpanRecord
    operation: Operation | None = None
    conversation_context: ConversationContext = field(default_factory=ConversationContext)
    """To what the span says it belongs, whether or not it describes an operation."""
    already_emitted: bool = False
    """Whether it was handed on before."""
    withheld: Operation | None = None
    """What it reports, as long as no call is known that its tool ran for."""

    @property
    def key(self) -> Key:
        """By what the span is known, wherever it is recorded."""
        return self.span.span_id, str(self.span.start_ns)

    @property
    def is_ours(self) -> bool:
        """Whether this library recorded the span, which then says itself what it belongs to."""
        return self.span.scope == registry.OURS


def read(span: SpanRecord) -> Reading:
    """Read what one span says by itself."""
    context = registry.read_conversation_context(span.attributes)
    operation = registry.read(span, context)
    if operation and operation.tool and operation.tool.result is None and span.scope != registry.OURS:
        operation = replace(operation, tool=replace(operation.tool, answered=False))
    return Reading(span, operation, context)


def without_long_input(reading: Reading) -> Reading:
    """Return a reading with all of its input, which other spans may change: so nothing is known of its text."""
    if reading.operation is None or reading.operation.long_input is None:
        return reading
    return replace(reading, operation=replace(with_whole_input(reading.operation), long_input=None))


def find_ancestors(reading: Reading, by_span_id: Mapping[str, Reading]) -> Iterator[Reading]:
    """Find the spans of its trace that a span ran in, the nearest first.

    Args:
        known: What is known of the trace, by span id.
    """
    for _ in range(DEEP):
        parent = by_span_id.get(reading.span.parent_span_id or "")
        if parent is None:
            return
        yield parent
        reading = parent
