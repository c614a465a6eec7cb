"""Runs of chains and agents wait for the rest of their trace, in which a model call may say the same."""

from __future__ import annotations

from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.store import RUN_NS, ConversationStore
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.conventions.chain_runs import CHAIN_RUN
from greenflash_otel.semconv.correlation.names import write_context
from greenflash_otel.semconv.correlation.reading import Reading
from greenflash_otel.semconv.correlation.recent_spans import Recent


def defer_run(conversations: ConversationStore, recent: Recent, one: Reading, now_ns: int) -> bool:
    """Let a run wait, with the names that the spans around it gave it; return whether it is one."""
    if one.operation is None or one.operation.name != CHAIN_RUN:
        return False
    if recent.may_be_call(one):
        key = DeferralKey(DeferralKind.RUN, one.span.trace_id)
        conversations.outcomes.defer(key, write_context(one), now_ns + RUN_NS)
    return True


def settle_run(conversations: ConversationStore, recent: Recent, span: SpanRecord) -> Operation | None:
    """Return a run that has waited as a model call; None if other spans say, or may have said, the same."""
    if conversations.index.traces.has(span.trace_id) and recent.has_forgotten(span.trace_id):
        return None
    run = recent.settle_run(span)
    return run.operation if run else None
