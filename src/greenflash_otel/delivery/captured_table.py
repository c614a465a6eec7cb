"""The table of spans that wait on disk for their conversion, because they come faster than they are converted."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, cast

from greenflash_otel.delivery.schema import JOURNAL_PAGES, execute_in_batches

BURST_JOURNAL_SHARE: Final = 1 / 2
"""Of the limit: how long the journal may get while much comes at once. To copy hundreds of megabytes takes seconds."""
_UNINTERRUPTED_BYTES: Final = 5 * 1024
"""zlib lets other threads of Python run for more than that, and may then wait long for its turn again."""


@contextlib.contextmanager
def hurried(db: sqlite3.Connection, *, limit_bytes: int) -> Iterator[None]:
    """Commit without waiting for the disk; from then on, do not copy the journal either, until `end_hurry`.

    What is committed so survives the process. A power cut may take the end of it, as it would take it from memory.
    We promise no more of a span that waits for its conversion. The next ordinary commit puts all on the disk.
    """
    page_bytes = db.execute("PRAGMA page_size").fetchone()[0]
    pages = max(int(limit_bytes * BURST_JOURNAL_SHARE) // page_bytes, JOURNAL_PAGES)
    db.execute(f"PRAGMA wal_autocheckpoint={pages}").fetchall()
    db.execute("PRAGMA synchronous=NORMAL").fetchall()
    try:
        yield
    finally:
        db.execute("PRAGMA synchronous=FULL").fetchall()


def end_hurry(db: sqlite3.Connection) -> None:
    """Copy the journal again when it is of the ordinary length."""
    db.execute(f"PRAGMA wal_autocheckpoint={JOURNAL_PAGES}").fetchall()


def insert(db: sqlite3.Connection, bodies: Sequence[bytes]) -> None:
    """Add spans that are still to be converted, behind those that wait."""
    rows = [(body, _checksum_of(body)) for body in bodies]
    execute_in_batches(db, "INSERT INTO captured (body, checksum) VALUES", rows)


def read_rows(db: sqlite3.Connection, *, most: int, most_bytes: int) -> list[tuple[int, bytes | None]]:
    """Return the oldest spans that wait, with their ids; None for one whose bits have changed."""
    rows: list[tuple[int, bytes | None]] = []
    size = 0
    for id, body, checksum in db.execute(
        "SELECT id, body, checksum FROM captured ORDER BY id LIMIT ?", (most,)
    ):
        rows.append((id, body if isinstance(body, bytes) and _checksum_of(body) == checksum else None))
        size += len(body)
        if size >= most_bytes:
            break
    return rows


def read_body(db: sqlite3.Connection, id: int) -> bytes | None:
    """Return one span that waits; None if a bit of it has changed."""
    row = db.execute("SELECT body, checksum FROM captured WHERE id = ?", (id,)).fetchone()
    return None if row is None or _checksum_of(row[0]) != row[1] else cast(bytes, row[0])


def delete(db: sqlite3.Connection, up_to_id: int) -> None:
    """Remove the spans that were converted."""
    db.execute("DELETE FROM captured WHERE id <= ?", (up_to_id,))


def count(db: sqlite3.Connection) -> int:
    """Count the spans that wait for their conversion."""
    return cast(int, db.execute("SELECT count(*) FROM captured").fetchone()[0])


def find_last_id(db: sqlite3.Connection) -> int:
    """Return the highest id of a span that waits; 0 if there is none."""
    return cast(int, db.execute("SELECT ifnull(max(id), 0) FROM captured").fetchone()[0])


def _checksum_of(body: bytes) -> bytes:
    """Return what shows whether a bit has changed; quickly, because it is needed most where time is short."""
    checksum, view = 0, memoryview(body)
    for at in range(0, len(body), _UNINTERRUPTED_BYTES):
        checksum = zlib.crc32(view[at : at + _UNINTERRUPTED_BYTES], checksum)
    return checksum.to_bytes(4, "big")
