"""Rows of CSV, of which a wrong one costs only itself.

A quotation mark that is not closed would swallow the rows behind it. So a row that covers several lines counts only if
it can be read and has as many columns as the first row. Else its first line is wrong, and the others are read again.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from greenflash_otel.importing.lines import Line

MOST_LINES: Final = 1_000
"""Of one row."""
MOST_CHARS: Final = 1 << 20
"""Of one row of several lines."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, or a line that should be one."""

    number: int
    """The line where it begins, from 1 on."""
    share: float
    """How much of the file is read behind it, from 0 to 1."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Its values, by name or by number."""
    problem: str = ""
    """Why it has none."""


def read_rows(lines: Iterator[Line]) -> Iterator[Row]:
    """Yield the rows of lines that are not blank; of each the values by their numbers."""
    ahead = deque[Line]()
    width = 0
    while ahead or _read_ahead(lines, ahead):
        line = ahead[0]
        if line.problem or not line.text.strip():
            ahead.popleft()
            if line.problem:
                yield Row(line.number, line.share, problem=line.problem)
            continue
        taken = _count_lines(lines, ahead)
        values = _read_values([ahead[at].text for at in range(taken)])
        if taken > 1 and (values is None or (width and len(values) != width)):
            taken, values = 1, None
        last = [ahead.popleft() for _ in range(taken)][-1]
        if values is None:
            yield Row(
                line.number, last.share, problem="no CSV: a quotation mark is not closed, or is out of place"
            )
        else:
            width = width or len(values)
            yield Row(line.number, last.share, {str(at): value for at, value in enumerate(values)})


def _read_ahead(lines: Iterator[Line], ahead: deque[Line]) -> bool:
    line = next(lines, None)
    if line is not None:
        ahead.append(line)
    return line is not None


def _count_lines(lines: Iterator[Line], ahead: deque[Line]) -> int:
    """Return how many lines the next row has: until its quotation marks are even."""
    marks = chars = count = 0
    while count < MOST_LINES and (count < len(ahead) or _read_ahead(lines, ahead)):
        line = ahead[count]
        if line.problem or (count and chars + len(line.text) > MOST_CHARS):
            break
        marks, chars, count = marks + line.text.count('"'), chars + len(line.text), count + 1
        if marks % 2 == 0:
            return count
    return 1


def _read_values(texts: list[str]) -> list[str] | None:
    try:
        rows = list(csv.reader(texts, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
