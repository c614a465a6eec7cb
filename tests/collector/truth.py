"""What was said and what it led to, and whether Greenflash has just that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from greenflash_otel.testing import Emulator
from tests.collector.running import until

AssembledTurn: TypeAlias = tuple[str, str | None, str | None]
"""A message: its type, its content, and the content of its parent."""


@dataclass(frozen=True)
class Truth:
    """Of some conversations, by id."""

    talks: Mapping[str, Sequence[Mapping[str, Any]]]
    """Messages as Chat Completions takes them."""
    outcomes: Mapping[str, Sequence[str]]

    def check(self, emulator: Emulator) -> None:
        """All of it arrives, and nothing else: each message once, behind the one it follows."""
        messages, outcomes = (sum(map(len, all.values())) for all in (self.talks, self.outcomes))
        until(lambda: sum(len(one.messages) for one in emulator.conversations()) >= messages, "all messages")
        until(lambda: len(emulator.outcomes()) >= outcomes, "all outcomes")
        assert {one.external_id for one in emulator.conversations()} == set(self.talks)
        for id, said in self.talks.items():
            stored = emulator.conversation(id)
            contents = {one.external_id: one.content for one in stored.messages}
            told: list[AssembledTurn] = [
                (one.type, one.content, contents.get(one.parent_external_id)) for one in stored.messages
            ]
            assert told == list(_linked(said))
            assert [one.value for one in stored.outcomes] == self.outcomes[id]

    def __or__(self, other: Truth) -> Truth:
        return Truth({**self.talks, **other.talks}, {**self.outcomes, **other.outcomes})


def _linked(said: Sequence[Mapping[str, Any]]) -> Iterator[AssembledTurn]:
    before = None
    for message in said:
        yield f"{message['role']}_message", message["content"], before
        before = message["content"]
