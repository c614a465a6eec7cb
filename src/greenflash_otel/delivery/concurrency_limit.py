"""How many requests may be out at a time: more while they succeed, half as many when they do not. Pure."""

from __future__ import annotations

from typing import Final

START: Final = 4
MOST: Final = 16


class Window:
    """Additive increase, multiplicative decrease. Only the first failure of a volley halves it."""

    def __init__(self) -> None:
        self._size = float(START)
        self._narrowed_s = float("-inf")

    @property
    def size(self) -> int:
        """How many may be out now; at least one."""
        return int(self._size)

    def widen(self) -> None:
        """A request got through: a whole window of them makes room for one more."""
        self._size = min(self._size + 1 / self._size, MOST)

    def narrow(self, *, sent_s: float, now_s: float) -> None:
        """A request did not get through. One that left before the last narrowing says nothing new."""
        if sent_s >= self._narrowed_s:
            self._size = max(self._size / 2, 1.0)
            self._narrowed_s = now_s
