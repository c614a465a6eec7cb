"""Say what is known of a model call besides its words. Pure."""

from __future__ import annotations

from greenflash_otel.model.operation import CallFacts, Operation, Usage
from greenflash_otel.model.telemetry import NS_PER_MS


def call_facts_of(operation: Operation, duration_ns: int) -> CallFacts:
    """Return what is known of a model call besides its words."""
    first_chunk_s, usage = operation.time_to_first_chunk_s, operation.usage or Usage()
    return CallFacts(
        model=operation.response_model or operation.request_model,
        provider=operation.provider,
        response_id=operation.response_id,
        finish_reason=",".join(operation.finish_reasons) or None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_output_tokens=usage.reasoning_output_tokens,
        latency_ms=duration_ns // NS_PER_MS,
        time_to_first_chunk_ms=None if first_chunk_s is None else round(first_chunk_s * 1000),
        streamed=operation.streamed,
    )
