"""Know when what was pending at a moment is accepted: what a flush waits for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(slots=True)
class Watch:
    """What a flush waits for: that the entries before a mark are accepted."""

    mark: int
    left: int
    """Entries before the mark that are still pending."""
    has_failed: bool = False
    """Whether one of them was rejected or lost."""


class Watches:
    """Those of all flushes that wait now. Changed under the lock of the contents; a flush reads its `Watch`."""

    def __init__(self) -> None:
        self._watches: list[Watch] = []

    def add(self, watch: Watch) -> None:
        """Count down from now on."""
        self._watches.append(watch)

    def remove(self, watch: Watch) -> None:
        """Count down no more."""
        if watch in self._watches:
            self._watches.remove(watch)

    def count_down(self, id: int, *, has_failed: bool = False) -> None:
        """Count an entry that is no longer pending."""
        for watch in self._watches:
            if id < watch.mark:
                watch.left -= 1
                watch.has_failed = watch.has_failed or has_failed

    def count_split(self, id: int, parts: int) -> None:
        """Count an entry in whose place there are several now."""
        for watch in self._watches:
            if id < watch.mark:
                watch.left += parts - 1

    def count_merged(self, ids: Collection[int]) -> None:
        """Count entries no more whose requests are carried by an earlier entry now."""
        for watch in self._watches:
            watch.left -= sum(id < watch.mark for id in ids)

    def fail(self) -> None:
        """Let no flush wait any longer: the entries it waits for have other ids now."""
        for watch in self._watches:
            watch.left, watch.has_failed = 0, True
