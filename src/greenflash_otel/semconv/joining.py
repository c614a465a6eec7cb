"""Log records wait for their span, and a span for more of them. Pure but for a memory, which is bounded.

Log records and spans arrive in separate requests and in any order. A span that comes to what is known of it
is given back with it, as often as more arrives; told again it adds only what is new. What is forgotten is
told without the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from greenflash_otel.semconv.logs import event_of, with_logs
from greenflash_otel.spans import LogRecord, SpanRecord

SPANS = 2_000
"""Spans of which log records are remembered, or which may get some; the one unused longest goes first."""
LOGS = 2_000
"""Log records remembered of one span."""


@dataclass(slots=True)
class _Joined:
    span: SpanRecord | None = None
    logs: list[LogRecord] = field(default_factory=list)


class Joiner:
    """Joins log records to the spans they belong to. Not thread-safe: its owner serialises access."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], _Joined] = OrderedDict()

    def take_logs(self, logs: Iterable[LogRecord]) -> list[SpanRecord]:
        """Remember log records; gives the spans that came before them, with all that is known of each."""
        late = {}
        for log in logs:
            if log.span_id and event_of(log):
                joined = self._at(log.trace_id, log.span_id)
                if len(joined.logs) < LOGS and log not in joined.logs:
                    joined.logs.append(log)
                if joined.span is not None:
                    late[log.trace_id, log.span_id] = joined
        return [with_logs(joined.span, joined.logs) for joined in late.values() if joined.span is not None]

    def take_span(self, span: SpanRecord) -> SpanRecord:
        """The span with the log records that are known of it."""
        if (span.trace_id, span.span_id) not in self._known:
            return span
        joined = self._at(span.trace_id, span.span_id)
        joined.span = span
        return with_logs(span, joined.logs)

    def await_logs(self, span: SpanRecord) -> None:
        """Remember a span that says nothing of what was said, for log records that are still to come."""
        self._at(span.trace_id, span.span_id).span = span

    def _at(self, trace_id: str, span_id: str) -> _Joined:
        joined = self._known.setdefault((trace_id, span_id), _Joined())
        self._known.move_to_end((trace_id, span_id))
        if len(self._known) > SPANS:
            self._known.popitem(last=False)
        return joined
