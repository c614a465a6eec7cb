"""Describe state that outlives the process: plain text under keys.

The conversation model makes `StateRecord` values. The outbox writes them in their order, in the transaction of
the requests that they were made with, and implements `StateReader`. Neither side knows the other: the queue does
not know the model, and the model does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One change of stored state."""

    key: str
    """Says nothing of what was said: names in it are hashed."""
    value: str | None
    """None: what was stored under the key is out of date."""
    appends: bool = False
    """Whether it is added to earlier records of the key; else it replaces them."""
    is_required: bool = False
    """Whether it is the only trace of something that arrived, which must not be acknowledged without it."""


class StateReader(Protocol):
    """Reads the records that earlier processes left, and those of this process that it no longer knows."""

    def recall(self, key: str) -> Sequence[str]:
        """Return the values under a key, oldest first."""
        ...

    def recall_inherited(self, prefix: str) -> Sequence[str]:
        """Return the values under all keys with a prefix, each value once in the life of the reader."""
        ...

    def expect_recalls(self) -> None:
        """Find what this process recorded, too, from now on: it has forgotten some of it."""
        ...


class EmptyState:
    """A reader for processes that inherit nothing, as with an outbox in memory."""

    def recall(self, key: str) -> Sequence[str]:
        """Return nothing."""
        return ()

    def recall_inherited(self, prefix: str) -> Sequence[str]:
        """Return nothing."""
        return ()

    def expect_recalls(self) -> None:
        """Do nothing: there is nothing to find."""
