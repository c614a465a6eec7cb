"""Log records wait for their span, and a span for more of them. Pure but for what waits, which is bounded.

Log records and spans arrive in separate requests and in any order. A span that comes to what is known of it
is given back with it, as often as more arrives; recorded again it adds only what is new. What is forgotten is
recorded without the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from greenflash_otel import internal_errors
from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.deferred import DeferredQueue
from greenflash_otel.conversations.store import LOGS, UNCORRELATED_NS
from greenflash_otel.model.operation import MAIN_CALLS, Operation
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.agent_events import span_of_event
from greenflash_otel.semconv.conventions.otel_logs import add_logs, event_of


class Joiner:
    """Joins log records to the spans they belong to. Not thread-safe: its owner serialises access.

    Args:
        waiting: What came separately, by span.
    """

    def __init__(self, waiting: DeferredQueue[SpanRecord | LogRecord]) -> None:
        self._waiting = waiting

    def take_logs(self, logs: Iterable[LogRecord], now_ns: int) -> list[SpanRecord]:
        """Remember log records; gives the spans that came before them, with all that is known of each.

        A record that describes an operation becomes a span.
        """
        keys: dict[DeferralKey, None] = {}
        events: list[SpanRecord] = []
        for log in logs:
            if (event := span_of_event(log)) is not None:
                events.append(event)
            elif can_join(log):
                keys[key := key_of(log)] = None
                self._defer_logs(key, log, now_ns)
        return [*events, *(joined for key in keys if (joined := self._find_span(key)))]

    def take_span(self, span: SpanRecord, now_ns: int) -> SpanRecord:
        """Return the span with the log records that are known of it."""
        key = key_of(span)
        if not self._waiting.peek(key):
            return span
        self._defer_logs(key, span, now_ns)
        return self._find_span(key) or span

    def await_logs(self, span: SpanRecord, operation: Operation | None, now_ns: int) -> None:
        """Remember a call that says nothing of what was said, for log records that are still to come.

        Also if another layer says it: the log records may say more.
        """
        is_call = operation is not None and operation.name in MAIN_CALLS and span.scope != registry.OURS
        if operation is None or not is_call or registry.has_content(operation):
            return
        key = key_of(span)
        if not any(isinstance(record, SpanRecord) for record in self._waiting.peek(key)):  # else it has some
            self._defer_logs(key, span, now_ns)

    def forget(self, now_ns: int) -> None:
        """Remember no more what has waited too long; log records whose span never came are counted."""
        late = self._waiting.expire(now_ns)
        span_keys = {key_of(record) for record in late if isinstance(record, SpanRecord)}
        for record in late:
            if key_of(record) not in span_keys:
                internal_errors.count("find the span of a log record", TimeoutError())

    def _defer_logs(self, key: DeferralKey, record: SpanRecord | LogRecord, now_ns: int) -> None:
        self._waiting.defer(key, record, now_ns + UNCORRELATED_NS, max_entries=LOGS)

    def _find_span(self, key: DeferralKey) -> SpanRecord | None:
        """Return the span that is known by a key, which it may have come under more than once."""
        buffered = self._waiting.peek(key)
        spans = [record for record in buffered if isinstance(record, SpanRecord)]
        return (
            add_logs(spans[-1], [record for record in buffered if isinstance(record, LogRecord)])
            if spans
            else None
        )


def can_join(log: LogRecord) -> bool:
    """Return whether a log record belongs to a span and says something of it."""
    return bool(log.span_id) and event_of(log) is not None


def key_of(record: SpanRecord | LogRecord) -> DeferralKey:
    """Return under what a span and its log records wait for each other."""
    return DeferralKey(DeferralKind.SPAN, f"{record.trace_id} {record.span_id}")
