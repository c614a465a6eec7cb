"""Runs of chains and agents wait for the rest of their trace, in which a model call may say the same."""

from __future__ import annotations

from collections.abc import Sequence

from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.store import RUN_NS, WAIT_NS, ConversationStore
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.conventions.chain_runs import CHAIN_RUN
from greenflash_otel.semconv.correlation.names import write_context
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.semconv.correlation.recent_spans import Recent


def defer_run(conversations: ConversationStore, recent: Recent, reading: Reading, now_ns: int) -> bool:
    """Let a run wait, with the names that the spans around it gave it; return whether it is one."""
    if reading.operation is None or reading.operation.name != CHAIN_RUN:
        return False
    if recent.may_be_call(reading):
        key = DeferralKey(DeferralKind.RUN, reading.span.trace_id)
        conversations.outcomes.defer(key, write_context(reading), now_ns + RUN_NS)
    return True


def release_runs(conversations: ConversationStore, now_ns: int | None) -> list[SpanRecord]:
    """Return runs that wait no longer, because steps in them do not until a span's time; None: all."""
    waiting = conversations.outcomes
    if not len(waiting):
        return []
    keys = [key for key in waiting.list_keys() if key.kind is DeferralKind.RUN]
    due = [key for key in keys if now_ns is None or _began_before(waiting.peek(key), now_ns - WAIT_NS)]
    return sorted(waiting.release(due), key=lambda run: run.start_ns)


def _began_before(runs: Sequence[SpanRecord], time_ns: int) -> bool:
    return all(run.start_ns <= time_ns for run in runs)


def settle_run(conversations: ConversationStore, recent: Recent, span: SpanRecord) -> Operation | None:
    """Return a run that has waited as a model call; None if other spans say, or may have said, the same."""
    if conversations.index.traces.has(span.trace_id) and recent.has_forgotten(span.trace_id):
        return None
    run = recent.settle_run(span)
    return run.operation if run else None
