"""Keep the state records of the conversation model with the entries: the SQL, and the bounds.

State records are written in the transaction of the requests they were made with, so that after a crash
neither is there without the other. They are a help, not a record: the oldest go first, a broken one is
counted and skipped, and where they do not fit the requests are stored without them.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery.schema import execute_in_batches
from greenflash_otel.state_record import StateRecord

ROWS: Final = 100_000
SHARE: Final = 1 / 8
"""Of the outbox's budget."""
DAYS: Final = 30
"""How long a note is stored."""

_ROW_BYTES: Final = 160
"""What a row takes beyond its value: topic, index, numbers."""
_DAY_S: Final = 86_400
_DELETE_GONE: Final = ") DELETE FROM state WHERE key IN gone"
_INSERT: Final = "INSERT INTO state (key, day, value, checksum) VALUES (?, ?, ?, ?)"


class StateTable:
    """The notes in one file. Its owner serialises access and owns the transactions."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = int(limit_bytes * SHARE)
        self._rows = self._bytes = 0
        self.inherits = False
        """Whether there is anything to find."""
        self.unread_ranges: list[tuple[int, int]] = []
        """Ids from, and to below, that were not fetched yet."""

    def find(self, db: sqlite3.Connection, *, after: int = 0) -> None:
        """Find the records with ids above ``after``, which other processes left; remove what is too old."""
        db.execute("DELETE FROM state WHERE day < ?", (_count_days() - DAYS,))
        self._shorten(db)
        last = find_last_id(db)
        if last > after:
            self.inherits = True
            self.unread_ranges.append((after + 1, last + 1))

    def write(self, db: sqlite3.Connection, notes: Iterable[StateRecord]) -> None:
        """Keep notes."""
        today = _count_days()
        replaced: dict[str, None] = {}
        values: dict[str, list[str]] = {}
        for record in notes:
            if not record.appends:
                replaced[record.key] = None
                values.pop(record.key, None)
            if record.value is not None:
                values.setdefault(record.key, []).append(record.value)
        rows = [
            (key, today, value, _compute_checksum(key, value))
            for key, some in values.items()
            for value in some
        ]
        execute_in_batches(db, "WITH gone (key) AS (VALUES", [(key,) for key in replaced], _DELETE_GONE)
        execute_in_batches(db, "INSERT INTO state (key, day, value, checksum) VALUES", rows)
        self._rows += len(rows)
        self._bytes += sum(len(row[2]) + _ROW_BYTES for row in rows)
        if self._rows > ROWS or self._bytes > self._limit_bytes:
            self._shorten(db)

    def read(self, db: sqlite3.Connection, topic: str) -> Sequence[str]:
        """Return what was found on a topic, oldest first."""
        sql = "SELECT key, value, checksum FROM state WHERE key = ? ORDER BY id"
        return list(_select_sound(db.execute(sql, (topic,))))

    def read_found(self, db: sqlite3.Connection, beginning: str) -> Sequence[str]:
        """Return what was found since the last call, on topics that begin so."""
        sql = (
            "SELECT key, value, checksum FROM state "
            "WHERE key >= ? AND key < ? AND id >= ? AND id < ? ORDER BY id"
        )
        ranges, self.unread_ranges = self.unread_ranges, []
        rows = (row for ids in ranges for row in db.execute(sql, (beginning, f"{beginning}\uffff", *ids)))
        return list(_select_sound(rows))

    def _shorten(self, db: sqlite3.Connection) -> None:
        """Count anew, and remove the oldest while there are too many."""
        while True:
            sql = "SELECT count(*), ifnull(sum(length(value)), 0) FROM state"
            self._rows, size_bytes = db.execute(sql).fetchone()
            self._bytes = size_bytes + self._rows * _ROW_BYTES
            if self._rows <= ROWS and self._bytes <= self._limit_bytes:
                return
            sql = "DELETE FROM state WHERE id <= (SELECT id FROM state ORDER BY id LIMIT 1 OFFSET ?)"
            db.execute(sql, (self._rows // 10,))


def copy(into: sqlite3.Connection, orphan: sqlite3.Connection) -> None:
    """Add what another file contains, behind what is here."""
    rows = orphan.execute("SELECT key, day, value, checksum FROM state ORDER BY id")
    into.executemany(_INSERT, rows)


def find_last_id(db: sqlite3.Connection) -> int:
    """Return the highest id of a note; 0 if there is none."""
    return int(db.execute("SELECT ifnull(max(id), 0) FROM state").fetchone()[0])


def _select_sound(rows: Iterable[tuple[str, str, int]]) -> Iterator[str]:
    """Return the values of which no bit has changed since they were written."""
    for topic, value, checksum in rows:
        if _compute_checksum(topic, value) == checksum:
            yield value
        else:
            internal_errors.count("read state records", ValueError("checksum"))


def _compute_checksum(topic: str, value: str) -> int:
    return zlib.crc32(f"{topic}\n{value}".encode())


def _count_days() -> int:
    return int(time.time() // _DAY_S)
