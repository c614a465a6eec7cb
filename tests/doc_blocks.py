"""Read the fenced blocks of a page, and compare what happened with what a page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\S*) ?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class DocBlock:
    """One fenced block."""

    language: str
    mark: str
    """What follows the language: how the block is checked, e.g. ``norun: needs an account``."""
    text: str
    line: int
    """Line of its fence, from 1."""


def blocks_of(page: Path) -> list[DocBlock]:
    """Return the blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        DocBlock(found[1], found[2], found[3], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


def is_shown(happened: str, shown: str) -> bool:
    """Return whether a page shows what happened; ``…`` stands for anything in a line."""
    pattern = ".*".join(map(re.escape, shown.strip().split("…")))
    return re.fullmatch(pattern, happened.strip()) is not None
