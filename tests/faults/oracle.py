"""Compares what applications said they had captured with what a Greenflash has in the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenflash_otel.emulator.stored import AcceptedRequest, StoredConversation

CAPTURED_S = 0.1
"""So long after its capture a message may still die with its process, if that was running all the while."""
OVERDUE_S = 1.0
"""And so long where a machine has too much to do: a commit waits its turn at the processor and the disk."""


@dataclass
class Life:
    """What one process told from its start to its end, each with the time it happened at."""

    name: str
    turns: list[tuple[float, str, str]] = field(default_factory=list)
    """Time, conversation, text."""
    outcomes: list[tuple[float, str, str]] = field(default_factory=list)
    full: list[tuple[float, float]] = field(default_factory=list)
    """When its disk took nothing."""
    stopped: list[tuple[float, float]] = field(default_factory=list)
    """When it stood still."""
    refused: int = 0
    """Items that it counted as lost."""
    ended_s: float = float("inf")
    """When it was killed; infinite if it ended by itself."""

    def ran_s(self, since_s: float, until_s: float) -> float:
        """How long it ran between two times; negative if the second comes first."""
        stood_s = (min(end, until_s) - max(start, since_s) for start, end in self.stopped)
        return until_s - since_s - sum(max(one_s, 0.0) for one_s in stood_s)

    def hear(self, line: str) -> None:
        """Take note of a line."""
        word, at_s, chat, *texts = json.loads(line)
        if word == "turn":
            self.turns += [(at_s, chat, text) for text in texts]
        elif word == "outcome":
            self.outcomes += [(at_s, chat, text) for text in texts]
        elif word == "full":
            self.full.append((at_s, float("inf")))
        elif word == "room":
            self.full[-1] = self.full[-1][0], at_s
        else:
            self.refused += int(texts[0])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of everything."""

    captured: int
    recorded: int
    lost: tuple[str, ...]
    """Promised, and not there."""
    refused: int
    """Counted as lost while a disk was full, and told so."""
    died: int
    """Captured less than `CAPTURED_S` before their process was killed, and gone with it."""
    overdue: tuple[float, ...]
    """As `died`, or refused by a full disk, but older than that when it happened: how old, in seconds."""
    doubled: tuple[str, ...]
    out_of_order: tuple[str, ...]
    """Arrived before something that the same process had captured earlier in the same conversation."""
    shown_out_of_order: tuple[str, ...]
    """Stands in its conversation before something captured earlier, in whatever process."""
    changed: tuple[str, ...]
    """Sent once with these and once with other contents."""
    repeated: int
    """Items that Greenflash got again under the same id, and skipped."""

    @property
    def is_clean(self) -> bool:
        """Whether all that was promised holds."""
        wrong = (self.lost, self.doubled, self.out_of_order, self.shown_out_of_order, self.changed)
        return not any(wrong)


def judge(
    lives: Sequence[Life], conversations: Sequence[StoredConversation], requests: Sequence[AcceptedRequest],
    outcomes: Sequence[str],
) -> Verdict:  # fmt: skip
    """Compare what was told with what is there.

    Args:
        conversations: What Greenflash shows.
        requests: What it got, in order of arrival, repeats too.
        outcomes: Values of the outcomes that it has.
    """
    shown = [message.content or "" for conversation in conversations for message in conversation.messages]
    there = Counter([*shown, *outcomes])
    lost: list[str] = []
    missing = [_missing(life, there) for life in lives]
    for life, loss in zip(lives, missing, strict=True):
        lost += loss.lost
        if loss.refused > life.refused:
            lost.append(f"{loss.refused - life.refused} of {life.name}, not counted")
    items = _items(requests)
    first = {text: place for place, (_, text, _) in reversed(list(enumerate(items)))}
    return Verdict(
        captured=sum(len(life.turns) for life in lives),
        recorded=sum(len(life.outcomes) for life in lives),
        lost=tuple(lost),
        refused=sum(loss.refused for loss in missing),
        died=sum(loss.died for loss in missing),
        overdue=tuple(sorted(age_s for loss in missing for age_s in loss.overdue)),
        doubled=tuple(text for text, times in there.items() if times > 1),
        out_of_order=tuple(_inversions(lives, first)),
        shown_out_of_order=tuple(_shown_inversions(lives, conversations)),
        changed=tuple(_changed(items)),
        repeated=len(items) - len({id for id, _, _ in items}),
    )


@dataclass
class _Missing:
    """Of what a process told: what is not there, and why."""

    lost: list[str] = field(default_factory=list)
    refused: int = 0
    died: int = 0
    overdue: list[float] = field(default_factory=list)

    def add(self, life: Life, at_s: float, text: str, grace_s: float) -> None:
        """Something that was told at a time is missing, though it was promised after so long."""
        killed_s = life.ran_s(at_s, life.ended_s)
        full_s = min(
            (life.ran_s(at_s, start) for start, end in life.full if at_s <= end), default=float("inf")
        )
        age_s = min(killed_s, full_s)
        if age_s > (OVERDUE_S if grace_s else 0.0):
            self.lost.append(f"{text} ({killed_s:.3f} s before its end, {full_s:.3f} s before a full disk)")
        elif age_s > grace_s:
            self.overdue.append(age_s)
        elif killed_s <= grace_s:
            self.died += 1
        self.refused += full_s <= killed_s and full_s <= OVERDUE_S


def _missing(life: Life, there: Counter[str]) -> _Missing:
    missing = _Missing()
    for told, grace_s in ((life.turns, CAPTURED_S), (life.outcomes, 0.0)):
        for at_s, _, text in told:
            if text not in there:
                missing.add(life, at_s, text, grace_s)
    return missing


def _items(requests: Iterable[AcceptedRequest]) -> list[tuple[str, str, str]]:
    """Id, text and whole content of every message and outcome in order of arrival."""
    found = []
    for request in requests:
        for item in request.body.get("messages", [request.body]):
            id = item.get("externalMessageId") or item["insertId"]
            found.append((id, str(item.get("content") or item.get("value")), json.dumps(item)))
    return found


def _inversions(lives: Iterable[Life], first: dict[str, int]) -> Iterable[str]:
    for life in lives:
        latest: dict[str, int] = {}
        for _, chat, text in sorted(life.turns, key=lambda told: told[0]):
            place = first.get(text, -1)
            if 0 <= place < latest.get(chat, -1):
                yield text
            latest[chat] = max(place, latest.get(chat, -1))


def _shown_inversions(lives: Iterable[Life], conversations: Iterable[StoredConversation]) -> Iterable[str]:
    captured = {text: at_s for life in lives for at_s, _, text in life.turns}
    for conversation in conversations:
        latest_s = 0.0
        for message in conversation.messages:
            at_s = captured.get(message.content or "", latest_s)
            if at_s < latest_s:
                yield str(message.content)
            latest_s = max(at_s, latest_s)


def _changed(items: Iterable[tuple[str, str, str]]) -> Iterable[str]:
    known: dict[str, str] = {}
    for id, text, whole in items:
        if known.setdefault(id, whole) != whole:
            yield text


def row(verdict: Verdict) -> dict[str, Any]:
    """The figures of a verdict, by name."""
    return {
        "messages captured": verdict.captured,
        "outcomes recorded": verdict.recorded,
        "refused and counted, disk full": verdict.refused,
        "died with a killed process, captured less than 0.1 s before": verdict.died,
        "died, or refused by a full disk, captured longer before: the machine was too busy": len(
            verdict.overdue
        ),
        "the oldest of these, in seconds": f"{max(verdict.overdue, default=0.0):.2f}",
        "sent more than once": verdict.repeated,
        "**lost**": len(verdict.lost),
        "**doubled**": len(verdict.doubled),
        "**out of order within a conversation**": len(verdict.out_of_order) + len(verdict.shown_out_of_order),
        "**changed between attempts**": len(verdict.changed),
    }
