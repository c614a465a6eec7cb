"""Where the application's code called this library: what a warning of the plugin points at."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FrameType
from typing import Final

OURS: Final = "greenflash_otel"


class UnlinkedOutcomeWarning(UserWarning):
    """An outcome that a test recorded belongs to no conversation, so Greenflash counts it for none."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A line of a file."""

    file: str
    line: int


def find_call_site() -> CallSite | None:
    """Return the line that called this library; None on a thread that this library started."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package != OURS:
            is_ours = package in ("threading", "concurrent", "asyncio")
            return None if is_ours else CallSite(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None
