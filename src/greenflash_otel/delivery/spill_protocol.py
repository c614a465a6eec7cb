"""Declare where the batcher puts spans for which memory has no room. `ingest` implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from greenflash_otel.delivery.threads import Ticket


class Spill(Protocol):
    """Where spans wait for which there is no room in memory."""

    def store(self, items: Sequence[Any]) -> int:
        """Keep items; return how many could not be stored. Called by the writer's thread."""
        ...

    def fetch(self) -> tuple[list[Any], int]:
        """Return the oldest items, and the id up to which they are; both empty where nothing waits."""
        ...

    def find_last_id(self) -> int:
        """Return the id of the newest item."""
        ...

    def is_empty(self) -> bool:
        """Return whether nothing waits here."""
        ...

    def is_on_disk(self) -> bool:
        """Return whether what is stored here survives the process."""
        ...

    def begin_in_child(self) -> None:
        """Start empty in a forked child."""
        ...

    def run_later(self, act: Callable[[], None]) -> Ticket:
        """Let the writer's thread do something."""
        ...

    @property
    def reason(self) -> str:
        """Why something is lost that could not be stored here."""
        ...
