"""What is known of the model calls of a turn, for the messages that came of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from greenflash_otel.instrumentation.langchain.step import Step
from greenflash_otel.message_ids.ids import text_of as write_text
from greenflash_otel.model.call_facts import call_facts_of
from greenflash_otel.model.operation import CallFacts, Operation, Usage


def read_facts(step: Step | None) -> CallFacts | None:
    """Return what is known of the model call that said a message; None if no call did."""
    if step is None or step.run.kind != "model":
        return None
    return call_facts_of(step.operation, step.end_ns - step.run.started_ns)


def write_answer_of(call: Operation) -> str:
    """Return the text that a model call answered."""
    return "\n".join(text for message in call.output if (text := write_text(message.parts))).strip()


def add_usages(usages: Sequence[Usage | None]) -> Usage | None:
    """Return the sum of what several calls used; None if none of them says it."""
    known_usages = [usage for usage in usages if usage is not None]
    if not known_usages:
        return None
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_output_tokens")
    counts = {
        name: [count for usage in known_usages if (count := getattr(usage, name)) is not None]
        for name in names
    }
    return Usage(**{name: sum(values) if values else None for name, values in counts.items()})
