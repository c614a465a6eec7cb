"""Count what became of everything that was captured, in messages and outcomes.

The law of these numbers: ``accepted == delivered + pending + rejected + sum(lost)``. Something is accepted
when the outbox is asked to take it, or is found there from an earlier process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from greenflash_otel import internal_errors


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is sent at present, and since when."""

    reason: str
    """Such as ``HTTP 401: Invalid API key`` or ``no API key``."""
    since: datetime
    """When delivery paused, in UTC."""
    destination: str
    """The base URL that nothing is sent to."""

    def __str__(self) -> str:
        return f"{self.reason}, since {self.since:%Y-%m-%dT%H:%M:%SZ}, {self.destination}"


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the outbox was opened by this process."""

    accepted: int = 0
    """All that was to be delivered, whatever became of it."""
    delivered: int = 0
    """Greenflash has accepted it."""
    sampled_out: int = 0
    """Part of `delivered`: Greenflash chose not to keep it (``sample_rate``)."""
    pending: int = 0
    """Waits in the outbox."""
    rejected: int = 0
    """Greenflash refused it for good; the outbox keeps it with the reason."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """By reason. A span that was lost before it was read counts as one."""
    paused: Pause | None = None
    """Why nothing is sent at present; None while delivery runs."""
    internal_errors: Mapping[str, int] = field(default_factory=dict)
    """Failures of this library in this process, by step."""
    unlinked: int = 0
    """Outcomes and ratings that found no conversation or message; they were delivered without."""
    repaired: int = 0
    """Things whose arguments were repaired before they were delivered."""
    unread: int = 0
    """Inputs of LangChain that were delivered as JSON: nothing said what of it the user said."""
    waiting: int = 0
    """Stored spans that wait for a name that may arrive late (``name_wait_s``); they are accepted after that."""

    def __str__(self) -> str:
        sampled_out = f" ({self.sampled_out} sampled out)" if self.sampled_out else ""
        text = (
            f"accepted {self.accepted} = delivered {self.delivered}{sampled_out} + pending {self.pending}"
            f" + rejected {self.rejected} + lost {_write_count(self.lost)}"
        )
        if self.paused:
            text += f"; paused: {self.paused}"
        if self.internal_errors:
            text += f"; internal errors {_write_count(self.internal_errors)}"
        if self.unlinked:
            text += f"; unlinked {self.unlinked}"
        if self.repaired:
            text += f"; repaired {self.repaired}"
        if self.unread:
            text += f"; unread {self.unread}"
        return text + (f"; waiting for a name {self.waiting}" if self.waiting else "")


def add_process_counts(stats: Stats) -> Stats:
    """Add what is counted for the process: our own failures, and what was lost before any pipeline had it.

    Add it once: to the stats of one pipeline, or to the sum of several.
    """
    counts = internal_errors.get_counts()
    return replace(
        stats,
        accepted=stats.accepted + counts.lost.total(),
        lost=dict(Counter(stats.lost) + counts.lost),
        internal_errors=dict(counts.errors),
        unlinked=counts.unlinked,
        repaired=counts.repaired,
        unread=counts.unread,
    )


def _write_count(counts: Mapping[str, int]) -> str:
    """Write a sum and what it is made of: ``3 (disk_full 2, outbox_full 1)``."""
    if not counts:
        return "0"
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{sum(counts.values())} ({parts})"


Snapshot: TypeAlias = tuple[int, int, int, int, int, dict[str, int]]
"""Accepted, delivered, sampled out, pending, rejected, lost."""


class Ledger:
    """The running counts behind `Stats`. Every change moves items from one account to another."""

    def __init__(self) -> None:
        self._accepted = self._delivered = self._sampled_out = self._pending = self._rejected = 0
        self._lost: Counter[str] = Counter()

    @property
    def retained(self) -> int:
        """Items in the outbox, pending or rejected."""
        return self._pending + self._rejected

    @property
    def pending(self) -> int:
        """Items that wait to be delivered."""
        return self._pending

    def find(self, *, pending: int, rejected: int) -> None:
        """Count items that an earlier process left."""
        self._accepted += pending + rejected
        self._pending += pending
        self._rejected += rejected

    def accept(self, items: int) -> None:
        """Count items that are now in the outbox."""
        self._accepted += items
        self._pending += items

    def lose(self, items: int, reason: str) -> None:
        """Count items that the outbox was asked to take and did not, or has no longer, if there are any."""
        if items > 0:
            self._accepted += items
            self._lost[reason] += items

    def deliver(self, items: int, *, sampled_out: bool) -> None:
        """Count items that Greenflash accepted."""
        self._pending -= items
        self._delivered += items
        self._sampled_out += items if sampled_out else 0

    def reject(self, items: int) -> None:
        """Count items that Greenflash refused for good."""
        self._pending -= items
        self._rejected += items

    def restore(self, items: int) -> None:
        """Count rejected items as pending again."""
        self._rejected -= items
        self._pending += items

    def hand_over(self) -> None:
        """Stop counting what is in the outbox: the process that opens it next counts it."""
        self._accepted -= self.retained
        self._pending = self._rejected = 0

    def stats(self) -> Stats:
        """Return the counts at this moment."""
        return stats_of(self.snapshot())

    def snapshot(self, waiting: int = 0) -> Snapshot:
        """Return the counts at this moment, of which `stats_of` makes `Stats`.

        Args:
            waiting: Spans on disk that are still to be converted; each counts as one pending item.
        """
        return (
            self._accepted + waiting,
            self._delivered,
            self._sampled_out,
            self._pending + waiting,
            self._rejected,
            dict(self._lost),
        )


def stats_of(snapshot: Snapshot) -> Stats:
    """Return counts in the form that everybody reads. A snapshot is made after each step, this on demand."""
    accepted, delivered, sampled_out, pending, rejected, lost = snapshot
    return Stats(accepted, delivered, sampled_out, pending, rejected, lost)
