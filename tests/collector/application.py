"""An application whose spans go to a Collector, and that knows what was said in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import greenflash_otel as greenflash
from tests.chat import client_saying
from tests.collector.truth import Truth


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

    @property
    def truth(self) -> Truth:
        """What was said so far."""
        return Truth(self.talks, self.outcomes)


def _answers() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"Answer {number}."
