"""Queue of what arrived before what it depends on. Pure, and bounded in keys, entries and bytes.

A tool can end before the stream that asked for it has ended; a query is embedded before anybody has said
anything in its trace; what another service sends of a trace arrives before what it is about. Each waits under
a typed key that says what for. What waits in vain, and what the bounds push out, comes back from `expire`: so
whoever owns the queue emits it without what it waited for, and nothing disappears.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Generic, TypeVar

from greenflash_otel.conversations.changes import DeferralKey

T = TypeVar("T")

KEYS = 1_000
"""Keys under which something waits; what waits under the oldest expires then."""
ENTRIES_PER_KEY = 100
"""Entries that wait under one key; the oldest expires first."""
BYTES = 8 * 1024 * 1024
"""Of all that waits, roughly; what waits under the oldest keys expires above it."""
ENTRY_BYTES = 200
"""What a value takes besides its text."""


@dataclass(frozen=True, slots=True)
class _Release(Generic[T]):
    """What no longer waits, as long as a rollback may have to put it back."""

    key: DeferralKey
    until_ns: int
    entries: Sequence[T]
    unpersisted: Sequence[T]


class DeferredQueue(Generic[T]):
    """What waits, by what it waits for. Not thread-safe: its owner serialises access.

    Args:
        max_keys: See `KEYS`.
        max_bytes: See `BYTES`.
    """

    def __init__(self, max_keys: int = KEYS, max_bytes: int = BYTES) -> None:
        self._max_keys = max_keys
        self._max_bytes = max_bytes
        self._entries: dict[DeferralKey, list[T]] = {}
        self._until_ns: dict[DeferralKey, int] = {}
        self._sizes: dict[DeferralKey, int] = {}
        self._bytes = 0
        self._next_ns = 0  # before this nothing expires
        self._displaced: list[T] = []  # pushed out by a newer entry; to be returned by `expire`
        self._returned: list[T] = []  # returned since the last `mark_persisted`
        self._released: list[_Release[T]] = []
        self._unpersisted: dict[DeferralKey, list[T]] = {}
        self._emptied: dict[DeferralKey, None] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Roughly how much memory takes what waits."""
        return self._bytes

    def defer(
        self,
        key: DeferralKey,
        entry: T,
        until_ns: int,
        *,
        max_entries: int = ENTRIES_PER_KEY,
        is_persisted: bool = False,
    ) -> None:
        """Let an entry wait for ``key``, if it does not yet.

        Args:
            until_ns: When it expires, and with it what waits for the same.
            max_entries: How many may wait for the same; the oldest expires at once.
            is_persisted: Whether it was read from a record.
        """
        if entry in self._entries.get(key, ()):
            return
        waiting = [*self._entries.pop(key, ()), entry]
        self._add_bytes(key, measure(entry))
        for displaced in waiting[:-max_entries]:
            self._add_bytes(key, -measure(displaced))
            self._displaced.append(displaced)
        self._entries[key] = waiting[-max_entries:]
        if not is_persisted:
            self._unpersisted[key] = [*self._unpersisted.pop(key, ()), entry][-max_entries:]
        self._expire_at(key, until_ns)

    def peek(self, key: DeferralKey) -> Sequence[T]:
        """Return what waits for ``key``; it waits on."""
        return self._entries.get(key, ())

    def list_keys(self) -> list[DeferralKey]:
        """Return all keys under which something waits, the oldest first."""
        return list(self._entries)

    def release(self, keys: Iterable[DeferralKey]) -> list[T]:
        """Return what waited for any of ``keys``; it waits no longer."""
        if not self._entries:
            return []
        return [entry for key in keys if key in self._entries for entry in self._remove(key)]

    def withdraw(self, matches: Callable[[T], bool]) -> None:
        """Let what matches wait no longer, for it is known better under another name."""
        for key in [key for key, entries in self._entries.items() if any(map(matches, entries))]:
            until_ns = self._until_ns[key]
            for entry in self._remove(key):
                if not matches(entry):
                    self.defer(key, entry, until_ns, max_entries=sys.maxsize)

    def expire(self, now_ns: int | None) -> list[T]:
        """Return what has waited too long, and what there is no room for; None: everything that waits."""
        if not self._entries and not self._displaced:
            return []
        expired, self._displaced = self._displaced, []
        self._returned += expired
        if now_ns is None or now_ns >= self._next_ns:
            late = [key for key, end_ns in self._until_ns.items() if now_ns is None or end_ns <= now_ns]
            expired += self.release(late)
            self._next_ns = min(self._until_ns.values(), default=now_ns or 0)
        while self._entries and (len(self._entries) >= self._max_keys or self._bytes > self._max_bytes):
            expired += self._remove(next(iter(self._entries)))
        return expired

    @property
    def has_entries(self) -> bool:
        """Return whether something waits, or was pushed out and is to be returned by `expire`."""
        return bool(self._entries or self._displaced)

    @property
    def has_changes(self) -> bool:
        """Return whether anything changed since the last `mark_persisted`."""
        return bool(self._unpersisted or self._emptied or self._released or self._returned)

    def list_pending_changes(self) -> tuple[Sequence[DeferralKey], Mapping[DeferralKey, Sequence[T]]]:
        """Return the keys whose records are out of date, and the entries that have no record yet."""
        return list(self._emptied), self._unpersisted

    def mark_persisted(self) -> None:
        """Count all that waits as persisted; what was released cannot be put back any more."""
        self._unpersisted.clear()
        self._emptied.clear()
        self._released.clear()
        self._returned.clear()

    def rollback(self) -> None:
        """Let wait again what was released since the last `mark_persisted`: what came of it is not retained."""
        for release in reversed(self._released):
            key = release.key
            self._emptied.pop(key, None)
            self._entries[key] = [*release.entries, *self._entries.pop(key, ())]
            if release.unpersisted:
                self._unpersisted[key] = [*release.unpersisted, *self._unpersisted.pop(key, ())]
            self._add_bytes(key, sum(map(measure, release.entries)))
            self._expire_at(key, release.until_ns)
        self._released.clear()
        self._displaced, self._returned = [*self._returned, *self._displaced], []

    def _expire_at(self, key: DeferralKey, until_ns: int) -> None:
        self._until_ns[key] = max(until_ns, self._until_ns.get(key, 0))
        self._next_ns = min(until_ns, self._next_ns)

    def _add_bytes(self, key: DeferralKey, size: int) -> None:
        self._sizes[key] = self._sizes.get(key, 0) + size
        self._bytes += size

    def _remove(self, key: DeferralKey) -> list[T]:
        entries, unpersisted = self._entries.pop(key), self._unpersisted.pop(key, [])
        if len(unpersisted) < len(entries):
            self._emptied[key] = None
        self._bytes -= self._sizes.pop(key)
        self._released.append(_Release(key, self._until_ns.pop(key), entries, unpersisted))
        return entries


def measure(entry: object) -> int:
    """Return roughly how many bytes of memory a value takes: its text, and something for each part of it."""
    size, rest = 0, [entry]
    while rest:
        part = rest.pop()
        if isinstance(part, (str, bytes)):
            size += len(part) + 50
            continue
        size += ENTRY_BYTES if is_dataclass(part) else 16
        if is_dataclass(part):
            rest.extend(getattr(part, field.name) for field in fields(part))
        elif isinstance(part, Mapping):
            rest.extend(part)
            rest.extend(part.values())
        elif isinstance(part, (tuple, list)):
            rest.extend(part)
    return size
