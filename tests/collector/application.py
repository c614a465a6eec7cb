"""An application whose spans go to a Collector, and that knows what was said in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.collector.running import until

Told: TypeAlias = tuple[str, str | None, str | None]
"""A message: its type, its content, and the content of its parent."""


class Application:
    """Several talks at once, each call of which resends all that was said before.

    As a context it is instrumented; at its end all of its spans are with the Collector.
    """

    def __init__(self, url: str, conversations: int = 5) -> None:
        self.talks: dict[str, list[dict[str, Any]]] = {
            f"chat-{number}": [] for number in range(conversations)
        }
        self.outcomes: dict[str, list[str]] = {id: [] for id in self.talks}
        self._url = url
        self._client = client_saying(_answers())

    def take_turns(self, turns: int = 1) -> None:
        """In each conversation somebody asks and is answered. The Collector has it when this returns."""
        for _ in range(turns):
            for id, said in self.talks.items():
                said.append({"role": "user", "content": f"Question {len(said)} of {id}?"})
                with greenflash.conversation(id, user_id="ada"):
                    answer: Any = self._client.chat.completions.create(model="m", messages=list(said))  # type: ignore[arg-type]  # what a TypedDict would be
                said.append({"role": "assistant", "content": answer.choices[0].message.content})
        assert greenflash.flush()

    def sell(self) -> None:
        """Each conversation leads to something."""
        for number, (id, values) in enumerate(self.outcomes.items()):
            with greenflash.conversation(id, user_id="ada"):
                greenflash.record_outcome("upgrade", number)
            values.append(str(number))
        assert greenflash.flush()

    def __enter__(self) -> Application:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", self._url)
            greenflash.instrument(export="otlp")
        return self

    def __exit__(self, *_exception: object) -> None:
        greenflash.shutdown()
        self._client.close()

    def check(self, emulator: Emulator) -> None:
        """All of it arrives, and nothing else: each message once, behind the one it follows."""
        outcomes = sum(map(len, self.outcomes.values()))
        until(lambda: _count(emulator) >= sum(map(len, self.talks.values())), "all messages arrive")
        until(lambda: len(emulator.outcomes()) >= outcomes, "all outcomes arrive")
        assert {one.external_id for one in emulator.conversations()} == set(self.talks)
        for id, said in self.talks.items():
            stored = emulator.conversation(id)
            contents = {one.external_id: one.content for one in stored.messages}
            told: list[Told] = [
                (one.type, one.content, contents.get(one.parent_external_id)) for one in stored.messages
            ]
            assert told == list(_truth(said))
            assert [one.value for one in stored.outcomes] == self.outcomes[id]


def _answers() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"Answer {number}."


def _truth(said: list[dict[str, Any]]) -> Iterator[Told]:
    before = None
    for message in said:
        yield f"{message['role']}_message", message["content"], before
        before = message["content"]


def _count(emulator: Emulator) -> int:
    return sum(len(one.messages) for one in emulator.conversations())
