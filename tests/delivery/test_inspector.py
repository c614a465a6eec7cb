"""What the commands count in an outbox."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from greenflash_otel.delivery import schema


def test_numbers_of_items_that_are_none() -> None:
    """A flipped bit may be one of a column's type: the counts are whole numbers all the same."""
    with closing(sqlite3.connect(":memory:")) as db:
        for table in ("entries", "rejected"):
            db.execute(f"CREATE TABLE {table} (items)")
        db.executemany("INSERT INTO entries VALUES (?)", [(2,), (3.0,), (b"\x01",), ("many",), (None,)])
        counts = schema.count_items(db)
    assert counts == (5, 0)
    assert [type(count) for count in counts] == [int, int]
