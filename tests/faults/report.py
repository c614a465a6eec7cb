"""Puts figures into ``docs/reliability.md``, between ``<!-- name -->`` and ``<!-- /name -->``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def table(figures: Mapping[str, object]) -> str:
    """Figures by name, as Markdown."""
    rows = (f"| {name} | {_written(figure)} |" for name, figure in figures.items())
    return "\n".join(["| | |", "|---|---:|", *rows])


def write(name: str, figures: Mapping[str, object]) -> None:
    """Put a table of figures into its place."""
    PAGE.write_text(with_part(PAGE.read_text(encoding="utf-8"), name, table(figures)), encoding="utf-8")


def with_part(page: str, name: str, text: str) -> str:
    """A page with one of its marked parts replaced."""
    before, opening, rest = page.partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not (opening and closing):
        raise ValueError(f"{PAGE.name} has no place for {name}")
    return f"{before}{opening}\n{text}\n\n{closing}{after}"


def part_of(page: str, name: str) -> str:
    """One of the marked parts of a page."""
    _, _, rest = page.partition(f"<!-- {name} -->\n")
    return rest.partition(f"<!-- /{name} -->")[0].strip()


def _written(figure: object) -> str:
    return f"{figure:,}" if isinstance(figure, int) else str(figure)
