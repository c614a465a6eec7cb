"""Puts figures into ``docs/reliability.md``, between ``<!-- name -->`` and ``<!-- /name -->``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def write(name: str, figures: Mapping[str, object]) -> None:
    """Replace a table of the page."""
    put_in(
        name, "\n".join(["| | |", "|---|---:|", *(f"| {key} | {value} |" for key, value in figures.items())])
    )


def put_in(name: str, text: str) -> None:
    """Replace a part of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, opening, rest = page.partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not (opening and closing):
        raise ValueError(f"{PAGE.name} has no place for {name}")
    PAGE.write_text(f"{before}{opening}\n{text}\n\n{closing}{after}", encoding="utf-8")
