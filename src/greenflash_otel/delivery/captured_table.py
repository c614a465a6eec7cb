"""The table of spans that wait on disk for their conversion, because they come faster than they are converted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import cast

from greenflash_otel.delivery.schema import checksum_of, execute_in_batches


def insert(db: sqlite3.Connection, bodies: Sequence[bytes]) -> None:
    """Add spans that are still to be converted, behind those that wait."""
    rows = [(body, checksum_of(body)) for body in bodies]
    execute_in_batches(db, "INSERT INTO captured (body, checksum) VALUES", rows)


def read_rows(db: sqlite3.Connection, *, most: int, most_bytes: int) -> list[tuple[int, bytes | None]]:
    """Return the oldest spans that wait, with their ids; None for one whose bits have changed."""
    found: list[tuple[int, bytes | None]] = []
    size = 0
    for id, body, checksum in db.execute(
        "SELECT id, body, checksum FROM captured ORDER BY id LIMIT ?", (most,)
    ):
        found.append((id, body if isinstance(body, bytes) and checksum_of(body) == checksum else None))
        size += len(body)
        if size >= most_bytes:
            break
    return found


def read_body(db: sqlite3.Connection, id: int) -> bytes | None:
    """Return one span that waits; None if a bit of it has changed."""
    found = db.execute("SELECT body, checksum FROM captured WHERE id = ?", (id,)).fetchone()
    return None if found is None or checksum_of(found[0]) != found[1] else cast(bytes, found[0])


def delete(db: sqlite3.Connection, up_to_id: int) -> None:
    """Remove the spans that were converted."""
    db.execute("DELETE FROM captured WHERE id <= ?", (up_to_id,))


def count(db: sqlite3.Connection) -> int:
    """Count the spans that wait for their conversion."""
    return cast(int, db.execute("SELECT count(*) FROM captured").fetchone()[0])


def find_last_id(db: sqlite3.Connection) -> int:
    """The highest id of a span that waits; 0 if there is none."""
    return cast(int, db.execute("SELECT ifnull(max(id), 0) FROM captured").fetchone()[0])
