"""Operations that came before what they belong to, and wait for it. Pure, and bounded.

A tool can end before the stream that asked for it has ended; a query is embedded before anybody has said
anything in its trace. Such an operation waits for the model call that tells of its tool call, or that
begins the conversation of its trace. What waits in vain is given back by `overdue`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from greenflash_otel.conversations.memory import WAITING, Memory
from greenflash_otel.operations import Operation
from greenflash_otel.spans import SpanRecord

Held: TypeAlias = tuple[SpanRecord, Operation]

WAIT_NS = 60_000_000_000
"""How long an operation waits, by the times of the spans that come after it."""
EACH = 100
"""Operations that wait for the same thing; the oldest goes first."""


def hold(memory: Memory, key: str, span: SpanRecord, operation: Operation) -> None:
    """Let an operation wait for ``key``, a trace id or a call id."""
    held = memory.waiting.get(key) or []
    memory.waiting.remember(key, [*held, (span, operation)][-EACH:])


def release(memory: Memory, keys: Iterable[str]) -> list[Held]:
    """What waited for any of ``keys``."""
    return [held for key in keys for held in memory.waiting.pop(key, ())]


def overdue(memory: Memory, now_ns: int | None) -> list[Held]:
    """What has waited too long at ``now_ns``, a span's time, or takes up the room; None: everything."""
    late: list[Held] = []
    while memory.waiting:
        key, held = next(iter(memory.waiting.items()))
        in_time = now_ns is not None and held[-1][0].end_ns + WAIT_NS > now_ns
        if in_time and len(memory.waiting) < WAITING:
            break
        late += memory.waiting.pop(key)
    return late
