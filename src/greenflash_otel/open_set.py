"""A set of objects that live, which refers to none of them strongly and can be read while other threads add to it."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

T = TypeVar("T")


class OpenSet(Generic[T]):
    """Objects with a note on each, until they are collected. Takes no lock: safe in signal handlers.

    A `weakref.WeakSet` fails when a thread adds to it while another one reads it.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[T], object]] = {}

    def add(self, item: T, note: object = None) -> None:
        """Add an object with a note."""
        key, entries = id(item), self._entries
        entries[key] = (weakref.ref(item, lambda _: entries.pop(key, None)), note)

    def remove(self, item: T) -> None:
        """Remove an object, if it is here."""
        self._entries.pop(id(item), None)

    def list_entries(self) -> list[tuple[T, object]]:
        """Return the objects that still live, with their notes."""
        entries = [(ref(), note) for ref, note in list(self._entries.values())]
        return [(item, note) for item, note in entries if item is not None]

    def list_items(self) -> list[T]:
        """Return the objects that still live."""
        return [item for item, _ in self.list_entries()]

    def clear(self) -> None:
        """Remove all objects."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
