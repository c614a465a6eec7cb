"""Operations that came before what they belong to, and wait for it. Pure, and bounded.

A tool can end before the stream that asked for it has ended; a query is embedded before anybody has said
anything in its trace. Such an operation waits for the model call that tells of its tool call, or that
begins the conversation of its trace; a step of an agent waits for what tells the agent's whole turn. What
waits in vain is given back by `overdue`.
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
WAIT_FOR_TURN_NS = 3_600_000_000_000
"""How long a step waits for the operation that tells its turn: an agent may work for long."""
EACH = 100
"""Operations that wait for the same thing; the oldest goes first."""
EACH_OF_TURN = 2_000
"""Steps that wait for the operation that tells their turn."""


def hold(memory: Memory, key: str, span: SpanRecord, operation: Operation) -> None:
    """Let an operation wait for ``key``, which names a trace, a tool call or a turn."""
    held = memory.waiting.get(key) or []
    most = EACH_OF_TURN if operation.affiliation.turn_id else EACH
    memory.waiting.remember(key, [*held, (span, operation)][-most:])


def release(memory: Memory, keys: Iterable[str]) -> list[Held]:
    """What waited for any of ``keys``."""
    return [held for key in keys for held in memory.waiting.pop(key, ())]


def overdue(memory: Memory, now_ns: int | None) -> list[Held]:
    """What has waited too long at ``now_ns``, a span's time, or takes up the room; None: everything."""
    late = [key for key, held in memory.waiting.items() if now_ns is None or _until_ns(held) <= now_ns]
    found = release(memory, late)
    while len(memory.waiting) >= WAITING:
        found += release(memory, [next(iter(memory.waiting))])
    return found


def _until_ns(held: list[Held]) -> int:
    span, operation = held[-1]
    return span.end_ns + (WAIT_FOR_TURN_NS if operation.affiliation.turn_id else WAIT_NS)
