"""What happened, and how what arrived differs from it.

Every message of a script says something that no other one says, so that it is found again wherever it
arrives and whatever became of it.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from greenflash_otel.conversations.update import MessageItem


@dataclass(frozen=True)
class Happened:
    """A message that must arrive."""

    says: str
    """Text that only this message has."""
    type: str
    parent: str | None = None
    """What its parent says."""


@dataclass(frozen=True)
class Score:
    """How many messages are right, and what is wrong with the others."""

    messages: int = 0
    found: int = 0
    lost: int = 0
    twice: int = 0
    invented: int = 0
    wrong_type: int = 0
    wrong_parent: int = 0
    wrong_order: int = 0
    split: int = 0
    """Conversations that arrived as several."""
    merged: int = 0
    """Conversations that arrived together with another one."""

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def is_perfect(self) -> bool:
        """Whether nothing is wrong."""
        return self == Score(messages=self.messages, found=self.messages)


def score(truth: Sequence[Sequence[Happened]], arrived: Mapping[str, Sequence[MessageItem]]) -> Score:
    """Compare conversations as they were with conversations as they arrived."""
    chats = {fact.says: number for number, chat in enumerate(truth) for fact in chat}
    found: dict[str, list[tuple[str, MessageItem]]] = {}
    invented = 0
    for id, items in arrived.items():
        for item in items:
            says = next((says for says in chats if says in find_words(item)), None)
            invented += says is None
            if says is not None:
                found.setdefault(says, []).append((id, item))
    total = Score(invented=invented)
    homes = [Counter(id for fact in chat for id, _ in found.get(fact.says, ())) for chat in truth]
    for number, chat in enumerate(truth):
        others = {id for other, home in enumerate(homes) if other != number for id in home}
        total += Score(split=len(homes[number]) > 1, merged=bool(others & set(homes[number])))
        total += _score_chat(chat, {says: [item for _, item in places] for says, places in found.items()})
    return total


def _score_chat(chat: Sequence[Happened], found: Mapping[str, Sequence[MessageItem]]) -> Score:
    here = [(fact, found[fact.says]) for fact in chat if fact.says in found]
    firsts = {fact.says: items[0] for fact, items in here}
    order = [items[0].created_at_ms for fact, items in here if fact.type != "llm"]  # steps have no place
    return Score(
        messages=len(chat),
        found=len(here),
        lost=len(chat) - len(here),
        twice=sum(len(items) - 1 for _, items in here),
        wrong_type=sum(items[0].type != fact.type for fact, items in here),
        wrong_parent=sum(
            items[0].parent_id != (firsts[fact.parent].id if fact.parent in firsts else fact.parent)
            for fact, items in here
        ),
        wrong_order=sum(later <= earlier for earlier, later in itertools.pairwise(order)),
    )


def find_words(item: MessageItem) -> str:
    """What a message says; of a step, what it answered: its input quotes others."""
    if item.type in ("llm", "embedding"):
        return json.dumps(item.output)
    return " ".join((item.content or "", json.dumps(item.input), json.dumps(item.output)))
