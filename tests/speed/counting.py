"""Count what a piece of work does: calls of ours, JSON encodings, hashes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import greenflash_otel

PACKAGE = "greenflash_otel."
HOME = str(Path(greenflash_otel.__file__).parent)


@dataclass
class Counts:
    """What a piece of work did."""

    calls: Counter[str] = field(default_factory=Counter)
    """Calls of functions of ours, by their names."""
    modules: Counter[str] = field(default_factory=Counter)
    """The same by the names of their modules within the package."""
    builtins: Counter[str] = field(default_factory=Counter)
    """Calls of C functions by code of ours, by their names."""

    @property
    def total(self) -> int:
        """All calls of functions of ours."""
        return sum(self.calls.values())


def count(work: Callable[[], object]) -> Counts:
    """Do a piece of work, and count what it does."""
    counts = Counts()
    kinds: dict[Any, str | None] = {}

    def see(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            name = kinds.get(code, "")
            if name == "":
                name = kinds[code] = (
                    f"{Path(code.co_filename).stem}.{code.co_name}"
                    if code.co_filename.startswith(HOME)
                    else None
                )
            if name is not None:
                counts.calls[name] += 1
                counts.modules[frame.f_globals["__name__"].removeprefix(PACKAGE)] += 1
        elif event == "c_call":
            counts.builtins[getattr(argument, "__name__", "?")] += 1

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counts
