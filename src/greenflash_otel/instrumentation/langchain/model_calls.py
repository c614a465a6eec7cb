"""What is known of the model calls of a turn, for the messages that came of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from greenflash_otel.instrumentation.langchain.run_registry import Step
from greenflash_otel.message_ids.ids import text_of as write_text
from greenflash_otel.model.operation import CallFacts, Operation, Usage

NS_PER_MS = 1_000_000


def read_facts(step: Step | None) -> CallFacts | None:
    """Return what is known of the model call that said a message; None if no call did."""
    if step is None or step.run.kind != "model":
        return None
    operation, usage = step.operation, step.operation.usage or Usage()
    first_chunk_s = operation.time_to_first_chunk_s
    return CallFacts(
        model=operation.response_model or operation.request_model,
        provider=operation.provider,
        response_id=operation.response_id,
        finish_reason=",".join(operation.finish_reasons) or None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_output_tokens=usage.reasoning_output_tokens,
        latency_ms=(step.end_ns - step.run.started_ns) // NS_PER_MS,
        time_to_first_chunk_ms=None if first_chunk_s is None else round(first_chunk_s * 1000),
        streamed=operation.streamed,
    )


def write_answer_of(call: Operation) -> str:
    """Return the text that a model call answered."""
    return "\n".join(text for message in call.output if (text := write_text(message.parts))).strip()


def add_usages(usages: Sequence[Usage | None]) -> Usage | None:
    """Return the sum of what several calls used; None if none of them says it."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_output_tokens")
    counts = {name: [one for usage in known if (one := getattr(usage, name)) is not None] for name in names}
    return Usage(**{name: sum(values) if values else None for name, values in counts.items()})
