"""Spans of chats that are made up, each alike in every run."""

from __future__ import annotations

import random
from collections.abc import Sequence

from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Text,
    Usage,
)
from greenflash_otel.model.telemetry import OURS, SpanRecord
from greenflash_otel.semconv.genai import attributes_of

FOREIGN = "opentelemetry.instrumentation.openai_v2"
WORDS = [f"{first}{last}" for first in ("ka", "lo", "mi", "nu", "re", "si", "to") for last in range(60)]
STEP_NS = 1_000_000_000


def say(chance: random.Random, words: int = 30) -> str:
    """Make up a text."""
    return " ".join(chance.choices(WORDS, k=words))


def make_history(chance: random.Random, count: int) -> list[Message]:
    """Make up messages, user and assistant in turn."""
    return [Message(("user", "assistant")[at % 2], (Text(say(chance)),)) for at in range(count)]


def make_span(
    number: int,
    messages: Sequence[Message],
    answer: str,
    *,
    name: str | None = None,
    scope: str = OURS,
    prompt: str = "You are a helpful assistant.",
) -> SpanRecord:
    """Make the span of a chat call, which resends all that was said before.

    Args:
        name: Of its conversation; None if nobody names it.
        scope: Of the instrumentation that recorded it.
    """
    operation = Operation(
        "chat",
        ConversationContext(name),
        provider="openai",
        request_model="gpt-4o",
        response_model="gpt-4o-2024",
        response_id=f"chatcmpl-{number}",
        input=(Message("system", (Text(prompt),)), *messages),
        output=(Message("assistant", (Text(answer),), finish_reason="stop"),),
        usage=Usage(100, 20),
        finish_reasons=("stop",),
    )
    start_ns = 1_700_000_000_000_000_000 + number * STEP_NS
    return SpanRecord(
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        name="chat gpt-4o",
        start_ns=start_ns,
        end_ns=start_ns + STEP_NS // 2,
        attributes=attributes_of(operation),
        scope=scope,
    )
