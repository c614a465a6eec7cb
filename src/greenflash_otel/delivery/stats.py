"""What became of everything that was captured, counted in messages and outcomes.

The law of these numbers: ``accepted == delivered + pending + set_aside + sum(lost)``. Something is accepted
when the outbox is asked to take it, or is found there from an earlier process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the outbox was opened by this process."""

    accepted: int = 0
    """All that was to be delivered, whatever became of it."""
    delivered: int = 0
    """Greenflash has answered for it."""
    sampled_out: int = 0
    """Part of `delivered`: Greenflash chose not to keep it (``sample_rate``)."""
    pending: int = 0
    """Waits in the outbox."""
    set_aside: int = 0
    """Refused for good; kept in the outbox with the reason."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """By reason. A span that was lost before it was read counts as one."""
    held: str | None = None
    """Why nothing is sent at present: an HTTP status (``"401"``) or ``"no API key"``."""

    def __str__(self) -> str:
        lost = f" + lost {sum(self.lost.values())}"
        if self.lost:
            lost += f" ({', '.join(f'{reason} {count}' for reason, count in sorted(self.lost.items()))})"
        sampled_out = f" ({self.sampled_out} sampled out)" if self.sampled_out else ""
        held = f"; held: {self.held}" if self.held else ""
        return (
            f"accepted {self.accepted} = delivered {self.delivered}{sampled_out} + pending {self.pending}"
            f" + set aside {self.set_aside}{lost}{held}"
        )


class Ledger:
    """The running counts behind `Stats`. Every change moves items from one account to another."""

    def __init__(self) -> None:
        self._accepted = self._delivered = self._sampled_out = self._pending = self._set_aside = 0
        self._lost: Counter[str] = Counter()

    @property
    def kept(self) -> int:
        """Items that rest in the outbox, waiting or set aside."""
        return self._pending + self._set_aside

    def found(self, *, pending: int, set_aside: int) -> None:
        """Items that an earlier process left."""
        self._accepted += pending + set_aside
        self._pending += pending
        self._set_aside += set_aside

    def accept(self, items: int) -> None:
        """Items now in the outbox."""
        self._accepted += items
        self._pending += items

    def lose(self, items: int, reason: str) -> None:
        """Items that the outbox was asked to take and did not, or has no longer, if there are any."""
        if items > 0:
            self._accepted += items
            self._lost[reason] += items

    def deliver(self, items: int, *, sampled_out: bool) -> None:
        """Items Greenflash has answered for."""
        self._pending -= items
        self._delivered += items
        self._sampled_out += items if sampled_out else 0

    def set_aside(self, items: int) -> None:
        """Items refused for good."""
        self._pending -= items
        self._set_aside += items

    def hand_over(self) -> None:
        """Another process has all that rested here; it counts it from now on."""
        self._accepted -= self.kept
        self._pending = self._set_aside = 0

    def stats(self) -> Stats:
        """The counts as they stand."""
        return Stats(
            accepted=self._accepted,
            delivered=self._delivered,
            sampled_out=self._sampled_out,
            pending=self._pending,
            set_aside=self._set_aside,
            lost=dict(self._lost),
        )
