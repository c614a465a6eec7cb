"""Operations that came before what they belong to, and wait for it. Pure, and bounded.

A tool can end before the stream that asked for it has ended; a query is embedded before anybody has said
anything in its trace. Such an operation waits for the model call that tells of its tool call, or that
begins the conversation of its trace. What waits in vain is given back by `Waiting.overdue`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from greenflash_otel.operations import Operation
from greenflash_otel.spans import SpanRecord

Held: TypeAlias = tuple[SpanRecord, Operation]

WAIT_NS = 60_000_000_000
"""How long an operation waits, by the times of the spans that come after it."""
KEYS = 1_000
"""Trace ids and call ids for which operations wait; what waits for the oldest is overdue then."""
EACH = 100
"""Operations that wait for the same thing; the oldest goes first."""


class Waiting:
    """What waits, by what it waits for: a trace id, a call id, or the next call of a conversation."""

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
            waiting[key] = [*waiting.pop(key, ()), (span, operation)][-EACH:]

    def release(self, keys: Iterable[str]) -> list[Held]:
        """What waited for any of ``keys``."""
        return [held for key in keys if key in self._held for held in self._leave(key)]

    def overdue(self, now_ns: int | None) -> list[Held]:
        """What has waited too long at ``now_ns``, a span's time, or takes up the room; None: everything."""
        late: list[Held] = []
        while self._held:
            key, held = next(iter(self._held.items()))
            in_time = now_ns is not None and held[-1][0].end_ns + WAIT_NS > now_ns
            if in_time and len(self._held) < KEYS:
                break
            late += self._leave(key)
        return late

    def noted(self) -> None:
        """All that changed is noted."""
        self.arrived.clear()
        self.left.clear()

    def _leave(self, key: str) -> list[Held]:
        held = self._held.pop(key)
        if len(self.arrived.pop(key, ())) < len(held):
            self.left[key] = None
        return held
