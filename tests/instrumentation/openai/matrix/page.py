"""Makes `docs/openai-surfaces.md` from the tests that pass.

A test with the mark ``covers(table, row, column, colour)`` fills a cell. ``python -m`` this module runs them
and writes the page; a run of all tests checks that it is as they show (`watching`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "openai-surfaces.md"
FRAME = Path(__file__).with_suffix(".md")
TESTS = Path(__file__).parents[1]
WAYS = {
    "whole": "whole",
    "streamed": "`stream=True`",
    "parse": "`parse()`",
    "stream helper": "`stream()`",
    "raw": "`with_raw_ response`",
    "raw, streamed": "the same, streamed",
    "streaming response": "`with_streaming_ response`",
    "streaming response, streamed": "the same, streamed",
}
CLIENTS = {"whole": "whole", "streamed": "`stream=True`", "copy by `with_options`": "`with_options`"}
COLOURS = {"sync": "sync", "async": "async"}


class Cells:
    """Which cells the tests of this session have filled."""

    def __init__(self) -> None:
        self._passed: dict[tuple[str, str, str, str], bool] = {}

    def note(self, table: str, row: str, column: str, colour: str, *, passed: bool) -> None:
        """Take in what became of a test. It must pass wherever it runs, to its end."""
        key = (table, row, column, colour)
        self._passed[key] = self._passed.get(key, True) and passed

    def page(self) -> str:
        """The page that they make."""
        return FRAME.read_text(encoding="utf-8").format(
            calls=self._table("calls", "method", WAYS),
            sessions=self._table("sessions", "session", COLOURS),
            clients=self._table("clients", "client", CLIENTS),
        )

    def _table(self, name: str, first: str, columns: dict[str, str]) -> str:
        rows = sorted({row for table, row, _, _ in self._passed if table == name})
        lines = [f"| {first} | {' | '.join(columns.values())} |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| {row} | {' | '.join(self._cell(name, row, column) for column in columns)} |" for row in rows
        ]
        return "\n".join(lines)

    def _cell(self, name: str, row: str, column: str) -> str:
        colours = {key[3]: passed for key, passed in self._passed.items() if key[:3] == (name, row, column)}
        passed = {colour for colour, good in colours.items() if good}
        if passed in ({"sync", "async"}, {column}):
            return "✓"
        return next(iter(passed), "—" if colours else "")


CELLS = Cells()


def problem() -> str | None:
    """What is wrong with the page that is there, if something is."""
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == CELLS.page()
    return None if same else f"{PAGE.name} is not what the tests show: run make docs"


if __name__ == "__main__":
    failed = pytest.main(["-m", "covers", str(TESTS)])
    if not failed:
        from tests.instrumentation.openai.matrix import page  # pytest's, where this is `__main__`

        PAGE.write_text(page.CELLS.page(), encoding="utf-8")
    sys.exit(failed)
