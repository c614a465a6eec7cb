"""``greenflash-otel conversations``: one line for each conversation of an emulator."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from greenflash_otel.cli.emulator_reader import EmulatorReader, find_emulator, name_address
from greenflash_otel.cli.outbox_contents import write_age
from greenflash_otel.cli.text_columns import cut, find_width, make_visible, measure, pad, print_lines

HEADINGS: Final = ("CONVERSATION", "USER", "AGE", "MESSAGES", "STEPS", "HAS", "QUESTION")
MOST: Final = (20, 14, 7, 8, 5, 22)
"""Columns of what stands before the question, on a terminal."""
NARROW: Final = (16, 10, 6, 8, 5, 18)
"""The same where there is little room."""
WIDE_FROM: Final = 110
ON_THE_RIGHT: Final = ("MESSAGES", "STEPS")
GAP: Final = "  "

Row: TypeAlias = Mapping[str, Any]


def list_all(arguments: argparse.Namespace) -> int:
    """Print the conversations that the filters describe, latest change first."""
    with find_emulator(arguments) as emulator:
        rows = _read_rows(emulator, arguments)
        limit = arguments.limit or None
        listed = list(itertools.islice(rows, limit))
        if arguments.json:
            print_lines(map(json.dumps, listed))
        elif listed:
            print_lines(write_table(listed, find_width(), time.time()))
        if next(rows, None) is not None:
            print("Older ones are not shown; --limit 0 shows all.", file=sys.stderr)
        elif not listed:
            where = f"the emulator at {name_address(emulator.url)}"
            is_filtered = arguments.since or arguments.user or arguments.has
            what = "No such conversation" if is_filtered else "No conversation"
            print(f"{what} is in {where}.", file=sys.stderr)
    return 0


def write_table(rows: Sequence[Row], width: int | None, now_s: float) -> Iterator[str]:
    """Yield a line of headings and a line for each conversation."""
    table = [HEADINGS, *(_write_cells(row, now_s) for row in rows)]
    most: Sequence[int | None] = (None,) * len(MOST)
    if width is not None:
        most = MOST if width >= WIDE_FROM else NARROW
    fitting = [[cut(cell, bound) for cell, bound in zip(line, most, strict=False)] for line in table]
    widths = [max(map(measure, column)) for column in zip(*fitting, strict=True)]
    for line, cells in zip(table, fitting, strict=True):
        padded = [
            cell.rjust(size) if name in ON_THE_RIGHT else pad(cell, size)
            for name, cell, size in zip(HEADINGS, cells, widths, strict=False)
        ]
        yield cut(GAP.join([*padded, line[-1]]).rstrip(), width)


def _read_rows(emulator: EmulatorReader, arguments: argparse.Namespace) -> Iterator[Row]:
    query = {
        "user": arguments.user,
        "since": arguments.since,
        "has": ",".join(arguments.has) if arguments.has else None,
    }
    before: str | None = None
    while True:
        page = emulator.read("rows", before=before, **query)
        yield from page["conversations"]
        before = page["next"]
        if before is None:
            return


def _write_cells(row: Row, now_s: float) -> Sequence[str]:
    changed_s = datetime.fromisoformat(row["updated_at"].replace("Z", "+00:00")).timestamp()
    asked = row["asked"]
    if asked is None:
        asked = "(content was not sent)" if row["messages"] else "(no visible message)"
    return (
        make_visible(row["external_id"] or row["id"]),
        make_visible(row["user"] or "-"),
        write_age(max(now_s - changed_s, 0)),
        str(row["messages"]),
        str(row["steps"]),
        ",".join(_list_what_it_has(row)) or "-",
        make_visible(asked),
    )


def _list_what_it_has(row: Row) -> Iterator[str]:
    """Yield the names for ``--has`` that the other columns do not show."""
    if row["error"]:
        yield "error"
    if row["outcomes"]:
        yield "outcome"
    doubled = [2 * each["rating"] - each["rating_min"] - each["rating_max"] for each in row["ratings"]]
    if any(value > 0 for value in doubled):
        yield "up"
    if any(value < 0 for value in doubled):
        yield "down"
    if doubled and not any(doubled):
        yield "rating"
