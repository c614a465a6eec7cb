"""Our failure is not the application's, and it is not silent: it is counted by name and told once.

`guarded` goes around our own code only; the application's call never runs inside it.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

logger = logging.getLogger("greenflash_otel")
logger.addHandler(logging.NullHandler())

_faults: Counter[str] = Counter()
_warned: set[str] = set()


def count(step: str, error: BaseException) -> None:
    """Count a failure of ours at ``step``; the first of its kind is logged, without content."""
    first = step not in _faults
    _faults[step] += 1
    if first:
        logger.warning("could not %s (%s); further ones are only counted", step, type(error).__name__)
    if logger.isEnabledFor(logging.DEBUG):  # where it happened, not the message: that can quote content
        logger.debug("could not %s:\n%s", step, "".join(traceback.format_tb(error.__traceback__)))


class guarded:  # reads as a statement: with guarded("do a thing"):
    """Let a step of ours fail without the application noticing."""

    # A class because it stands on the caller's path several times per call, and costs a third of a generator.
    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        count(self._step, error)
        return True


def warn_once(message: str) -> None:
    """Log a warning the first time it is given in this process."""
    if message not in _warned:
        _warned.add(message)
        logger.warning("%s", message)


def faults() -> Mapping[str, int]:
    """How often each step failed in this process."""
    return dict(_faults)
