"""Count what an outbox asks of SQLite: statements, commits, and the rows that it reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


class Statements:
    """The SQL that was run."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def __len__(self) -> int:
        return len(self.all)

    @property
    def commits(self) -> int:
        """How often the disk was waited for: ends of transactions, and statements that are one themselves."""
        commits, is_open = 0, False
        for statement in self.all:
            if statement.startswith("BEGIN"):
                is_open = True
            elif statement == "COMMIT":
                is_open, commits = False, commits + 1
            elif not is_open and statement.startswith(("INSERT", "UPDATE", "WITH gone", "DELETE")):
                commits += 1
        return commits

    def clear(self) -> None:
        """Begin to count anew."""
        self.all.clear()


def steps_of(act: Callable[[], object], db: sqlite3.Connection) -> int:
    """Return how many instructions SQLite runs for something; they grow with the rows that it visits."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(count, 1)
    try:
        act()
    finally:
        db.set_progress_handler(None, 1)
    return steps
