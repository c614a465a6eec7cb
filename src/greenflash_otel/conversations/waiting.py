"""Operations that came before what they belong to, and wait for it. Pure, and bounded.

A tool can end before the stream that asked for it has ended; a query is embedded before anybody has said
anything in its trace. Such an operation waits for the model call that tells of its tool call, or that
begins the conversation of its trace; a step of an agent waits for what tells the agent's whole turn. What
waits in vain is given back by `Waiting.overdue`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from greenflash_otel.operations import Operation
from greenflash_otel.spans import SpanRecord

Held: TypeAlias = tuple[SpanRecord, Operation]

WAIT_NS = 60_000_000_000
"""How long an operation waits, by the times of the spans that come after it."""
WAIT_FOR_TURN_NS = 3_600_000_000_000
"""How long a step waits for the operation that tells its turn: an agent may work for long."""
KEYS = 1_000
"""Traces, tool calls and turns for which operations wait; what waits for the oldest is overdue then."""
EACH = 100
"""Operations that wait for the same thing; the oldest goes first."""
EACH_OF_TURN = 2_000
"""Steps that wait for the operation that tells their turn."""


class Waiting:
    """What waits, by what it waits for: a trace id, a call id, a turn, or the next call of a conversation."""

    def __init__(self) -> None:
        self._held: dict[str, list[Held]] = {}
        self.arrived: dict[str, list[Held]] = {}
        """Of that, what is not noted yet."""
        self.left: dict[str, None] = {}
        """For what nothing waits any more, though it is noted that something does."""

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, key: str, span: SpanRecord, operation: Operation, *, noted: bool = False) -> None:
        """Let an operation wait for ``key``; ``noted`` says that a note told of it."""
        for waiting in (self._held,) if noted else (self._held, self.arrived):
            most = EACH_OF_TURN if operation.affiliation.turn_id else EACH
            waiting[key] = [*waiting.pop(key, ()), (span, operation)][-most:]

    def release(self, keys: Iterable[str]) -> list[Held]:
        """What waited for any of ``keys``."""
        return [held for key in keys if key in self._held for held in self._leave(key)]

    def overdue(self, now_ns: int | None) -> list[Held]:
        """What has waited too long at ``now_ns``, a span's time, or takes up the room; None: everything."""
        late = [key for key, held in self._held.items() if now_ns is None or _until_ns(held) <= now_ns]
        found = self.release(late)
        while len(self._held) >= KEYS:
            found += self._leave(next(iter(self._held)))
        return found

    def noted(self) -> None:
        """All that changed is noted."""
        self.arrived.clear()
        self.left.clear()

    def _leave(self, key: str) -> list[Held]:
        held = self._held.pop(key)
        if len(self.arrived.pop(key, ())) < len(held):
            self.left[key] = None
        return held


def _until_ns(held: list[Held]) -> int:
    span, operation = held[-1]
    return span.end_ns + (WAIT_FOR_TURN_NS if operation.affiliation.turn_id else WAIT_NS)
