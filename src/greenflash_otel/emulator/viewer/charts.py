"""Small charts as their parts; templates draw them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from greenflash_otel.emulator.viewer.items import (
    BubbleView,
    ConversationView,
    FailureView,
    HappeningView,
    StepsView,
)
from greenflash_otel.emulator.viewer.texts import write_count

MOST_MARKS = 240
"""Marks that a time line has room for; of a longer conversation the steps are left out first."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on the time line."""

    kind: str
    """``user``, ``answer``, ``system``, ``internal``, ``failure``, ``outcome`` or ``rating``."""
    target: str
    """The fragment of the page that it leads to."""
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a sparkline."""

    x: int
    height: int
    title: str


def draw_time_line(view: ConversationView) -> Sequence[Mark]:
    """List everything that happened, to be spaced evenly: silences of days would squeeze the rest."""
    marks = [mark for turn in view.turns for mark in map(_describe, turn.items) if mark is not None]
    if len(marks) > MOST_MARKS:
        marks = [each for each in marks if each[0] != "internal"]
    if len(marks) > MOST_MARKS:
        marks = marks[:: len(marks) // MOST_MARKS + 1]
    return [Mark(*parts) for parts in marks]


def _describe(item: object) -> tuple[str, str, str] | None:
    """Return kind, target and title of an item."""
    if isinstance(item, BubbleView):
        return item.side, f"m-{item.message.id}", item.message.created_at[11:19]
    if isinstance(item, StepsView):
        kind = "failure" if item.failures else "internal"
        return kind, f"s-{item.id}", write_count(item.count, "step")
    if isinstance(item, FailureView):
        return "failure", f"f-{item.message.id}", item.text[:80]
    if isinstance(item, HappeningView):
        if item.outcome is not None:
            return (
                "outcome",
                f"o-{item.outcome.id}",
                f"{item.outcome.event_type[:40]} {item.outcome.value[:40]}",
            )
        return "rating", "ratings", "rating"
    return None


def draw_days(counts: Sequence[tuple[str, str, int]], *, most_days: int = 30) -> Mapping[str, Sequence[Bar]]:
    """Make a sparkline of each group: from (group, day, count), sorted, its last days that have any."""
    lines: dict[str, Sequence[Bar]] = {}
    for group, days in groupby(counts, key=lambda each: each[0]):
        last = list(days)[-most_days:]
        highest = max(count for _, _, count in last)
        lines[group] = [
            Bar(n, max(2, round(18 * count / highest)), f"{day}: {count}")
            for n, (_, day, count) in enumerate(last)
        ]
    return lines
