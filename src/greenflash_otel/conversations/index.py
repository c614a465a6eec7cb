"""What leads from names to conversations: of responses, items, histories, traces, scopes and tool calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from greenflash_otel.conversations import persistence
from greenflash_otel.lru import Noted
from greenflash_otel.message_ids.chain import Position

V = TypeVar("V")

LINKS = 50_000
"""Names remembered, of each kind."""

Place: TypeAlias = tuple[str, Position]
"""A conversation and a place in it."""


class Links(Noted[str, V]):
    """Leads from names to conversations; also by what was noted before this process began.

    Args:
        recall: Gives the value that was noted of a name, in a list; an empty one if none was.
    """

    def __init__(self, recall: Callable[[str], Sequence[V]]) -> None:
        super().__init__(LINKS)
        self._recall = recall

    def find(self, name: str) -> V | None:
        """Where a name leads."""
        return self[name] if self.knows(name) else None

    def knows(self, name: str) -> bool:
        """Whether a name leads anywhere, or did."""
        if name not in self:
            for value in self._recall(name):
                self[name] = value
                self.move_to_end(name, last=False)  # it is not new
        return name in self


def claim(links: Links[str | None], name: str, conversation_id: str) -> None:
    """Let a name lead to a conversation; nowhere, if it has led to another."""
    shared = links.knows(name) and links.find(name) != conversation_id
    links.remember(name, None if shared else conversation_id)


def write_link(value: str | Place | None) -> str:
    """What a name leads to, as a note."""
    return persistence.write(
        [value[0], persistence.write_position(value[1])] if isinstance(value, tuple) else value
    )


def read_link(text: str) -> str | Place | None:
    """What was noted of a name.

    Raises:
        ValueError: It is no such note.
    """
    match persistence.read(text):
        case [str(id), position]:
            return id, persistence.read_position(position)
        case None | str() as id:
            return id
        case other:
            raise ValueError(f"no link: {type(other).__name__}")
