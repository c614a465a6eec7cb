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
        until(
            lambda: sum(len(conversation.messages) for conversation in emulator.conversations()) >= messages,
            "all messages",
        )
        until(lambda: len(emulator.outcomes()) >= outcomes, "all outcomes")
        assert {conversation.external_id for conversation in emulator.conversations()} == set(self.talks)
        for id, said in self.talks.items():
            stored = emulator.conversation(id)
            contents = {message.external_id: message.content for message in stored.messages}
            told: list[AssembledTurn] = [
                (message.type, message.content, contents.get(message.parent_external_id))
                for message in stored.messages
            ]
            assert told == list(_linked(said))
            assert [outcome.value for outcome in stored.outcomes] == self.outcomes[id]

    def __or__(self, other: Truth) -> Truth:
        return Truth({**self.talks, **other.talks}, {**self.outcomes, **other.outcomes})


def _linked(said: Sequence[Mapping[str, Any]]) -> Iterator[AssembledTurn]:
    before = None
    for message in said:
        yield f"{message['role']}_message", message["content"], before
        before = message["content"]
