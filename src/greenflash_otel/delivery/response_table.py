"""Note which provider's response became which message, for every process of a destination to read.

A browser rates an answer by the id of the provider's response, and any process may get the rating. The outbox
files cannot be shared, so these notes have a small database of their own in the folder:
``responses.sqlite3``. They are a help: losing them costs a rating its message, never a message. So nothing is
synced, and failures are counted only.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from greenflash_otel import internal_errors
from greenflash_otel.platform_support import create_private_file, is_private_file

FILE_NAME: Final = "responses.sqlite3"
APPLICATION_ID: Final = 0x67667278
"""``gfrx``: in the header of the file."""
MAX_ROWS: Final = 100_000
DAYS: Final = 30
"""How long a response is remembered."""

Response: TypeAlias = tuple[str, str, str]
"""Id of the provider's response, conversation, message."""

_TABLE: Final = """CREATE TABLE IF NOT EXISTS responses (
    response_id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    day INTEGER NOT NULL) WITHOUT ROWID"""
_DELETE_OLDEST: Final = """DELETE FROM responses WHERE response_id IN (
    SELECT response_id FROM responses ORDER BY day LIMIT ?)"""
_WAIT_S: Final = 0.5
"""For another process that writes at this moment."""
_TIDY_EVERY: Final = 1_000
_DAY_S: Final = 86_400
_FAILURES: Final = (sqlite3.Error, OSError, ValueError)


class ResponseTable:
    """The notes in one folder. Only the writer's thread uses it; it is never open between two calls.

    So a fork never meets an open handle, and an application can copy the folder at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._written = 0

    def note(self, responses: Iterable[Response]) -> None:
        """Remember responses."""
        day = int(time.time() // _DAY_S)
        rows = [(*map(_make_storable, response), day) for response in responses]
        with internal_errors.guarded("note which message a response became"):
            if not self._path.exists():
                create_private_file(self._path)
            if not self._is_ours():
                return
            db = self._open()
            try:
                with db:
                    db.executemany("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?)", rows)
                    self._written += len(rows)
                    if self._written >= _TIDY_EVERY:
                        self._tidy(db, day)
            finally:
                db.close()

    def find(self, response_id: str) -> tuple[str, str] | None:
        """Return the conversation and the message of a response; None if no process noted it."""
        try:
            if not self._is_ours():
                return None
            db = self._open()
            try:
                sql = "SELECT conversation_id, message_id FROM responses WHERE response_id = ?"
                found = db.execute(sql, (_make_storable(response_id),)).fetchone()
            finally:
                db.close()
        except _FAILURES as error:
            internal_errors.count("find the message of a response", error)
            return None
        return None if found is None else (str(found[0]), str(found[1]))

    def _is_ours(self) -> bool:
        """Return whether the file is ours, or still empty."""
        if not is_private_file(self._path):
            return False
        with self._path.open("rb") as file:
            header = file.read(100)
        return not header or int.from_bytes(header[68:72], "big") == APPLICATION_ID

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.Connection(str(self._path), timeout=_WAIT_S)
        db.execute("PRAGMA synchronous=OFF")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(_TABLE)
        return db

    def _tidy(self, db: sqlite3.Connection, day: int) -> None:
        """Forget what is old, and the oldest where there are too many."""
        self._written = 0
        db.execute("DELETE FROM responses WHERE day < ?", (day - DAYS,))
        count = db.execute("SELECT count(*) FROM responses").fetchone()[0]
        if count > MAX_ROWS:
            db.execute(_DELETE_OLDEST, (count - MAX_ROWS * 9 // 10,))


def _make_storable(text: str) -> str:
    return text.encode(errors="replace").decode()
