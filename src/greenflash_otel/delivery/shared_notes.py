"""Note what other processes of a destination ask for: messages of responses, newest conversations, Greenflash's ids.

A browser rates an answer by the id of the provider's response, and any process may get the rating. A webhook reports
an outcome of a user, and knows no conversation. The outbox files cannot be shared, so these notes have a small
database of their own in the folder: ``notes.sqlite3``. They are a help: losing them costs a rating its message, never
a message. So nothing is synced, and failures are counted only.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from greenflash_otel import internal_errors
from greenflash_otel.delivery.answered_ids import AnsweredId
from greenflash_otel.platform_support import create_private_file, is_private_file

FILE_NAME: Final = "notes.sqlite3"
APPLICATION_ID: Final = 0x67667278
"""``gfrx``: in the header of the file."""
MAX_ROWS: Final = 100_000
DAYS: Final = 30
"""How long a note is remembered."""

Response: TypeAlias = tuple[str, str, str]
"""Id of the provider's response, conversation, message."""
Latest: TypeAlias = tuple[str, str, int]
"""User, conversation, time of its newest message in Unix milliseconds."""

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS responses (
    response_id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    day INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS users (
    user_id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    newest_ms INTEGER NOT NULL,
    day INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS answered (
    conversation_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    own_id TEXT NOT NULL,
    greenflash_id TEXT NOT NULL,
    status TEXT NOT NULL,
    day INTEGER NOT NULL,
    UNIQUE (conversation_id, kind, own_id))""",
)
_NOTE_RESPONSE: Final = "INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?)"
_NOTE_ANSWERED: Final = "INSERT OR REPLACE INTO answered VALUES (?, ?, ?, ?, ?, ?)"
_NOTE_LATEST: Final = """INSERT INTO users VALUES (?, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE
    SET conversation_id = excluded.conversation_id, newest_ms = excluded.newest_ms, day = excluded.day
    WHERE excluded.newest_ms >= newest_ms"""
_WAIT_S: Final = 0.5
"""For another process that writes at this moment."""
_TIDY_EVERY: Final = 1_000
_DAY_S: Final = 86_400
_FAILURES: Final = (sqlite3.Error, OSError, ValueError)


class SharedNotes:
    """The notes in one folder. Only the writer's thread uses it; it is never open between two calls.

    So a fork never meets an open handle, and an application can copy the folder at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._written = 0

    def note(self, responses: Iterable[Response], latest: Iterable[Latest]) -> None:
        """Remember responses, and the newest conversations of users."""
        day = int(time.time() // _DAY_S)
        answers = [(*map(_make_storable, response), day) for response in responses]
        users = [(_make_storable(user), _make_storable(id), ms, day) for user, id, ms in latest]
        self._write(day, (_NOTE_RESPONSE, answers), (_NOTE_LATEST, users))

    def _write(self, day: int, *statements: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        """Write rows in one transaction, each with a statement of its own kind."""
        with internal_errors.guarded("note what other processes ask for"):
            if not self._path.exists():
                with contextlib.suppress(FileExistsError):  # another process was quicker; the check follows
                    create_private_file(self._path)
            if not self._is_ours():
                return
            db = self._open()
            try:
                with db:
                    for sql, rows in statements:
                        db.executemany(sql, rows)
                        self._written += len(rows)
                    if self._written >= _TIDY_EVERY:
                        self._tidy(db, day)
            finally:
                db.close()

    def note_answered(self, ids: Iterable[AnsweredId]) -> None:
        """Remember what Greenflash answered."""
        day = int(time.time() // _DAY_S)
        self._write(day, (_NOTE_ANSWERED, [(*map(_make_storable, answered_id), day) for answered_id in ids]))

    def list_answered(self, conversation_id: str) -> list[AnsweredId]:
        """Return what Greenflash answered about a conversation, in the order of the answers."""
        sql = """SELECT conversation_id, kind, own_id, greenflash_id, status FROM answered
            WHERE conversation_id = ? ORDER BY rowid"""
        return [AnsweredId(*map(str, row)) for row in self._find(sql, conversation_id)]

    def find_response(self, response_id: str) -> tuple[str, str] | None:
        """Return the conversation and the message of a response; None if no process noted it."""
        sql = "SELECT conversation_id, message_id FROM responses WHERE response_id = ?"
        rows = self._find(sql, response_id)
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def find_latest(self, user_id: str) -> tuple[str, int] | None:
        """Return the newest conversation of a user, and the time of its newest message; None if nobody noted one."""
        rows = self._find("SELECT conversation_id, newest_ms FROM users WHERE user_id = ?", user_id)
        return (str(rows[0][0]), int(rows[0][1])) if rows else None

    def _find(self, sql: str, name: str) -> list[tuple[Any, ...]]:
        try:
            if not self._is_ours():
                return []
            db = self._open()
            try:
                rows = db.execute(sql, (_make_storable(name),)).fetchall()
            finally:
                db.close()
        except _FAILURES as error:
            internal_errors.count("read what other processes noted", error)
            return []
        return rows

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
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:  # setting it is a write
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        for table in _TABLES:
            db.execute(table)
        return db

    def _tidy(self, db: sqlite3.Connection, day: int) -> None:
        """Forget what is old, and the oldest where there are too many."""
        self._written = 0
        for table, key in (("responses", "response_id"), ("users", "user_id"), ("answered", "rowid")):
            db.execute(f"DELETE FROM {table} WHERE day < ?", (day - DAYS,))  # noqa: S608 - names of our own
            count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            oldest = f"SELECT {key} FROM {table} ORDER BY day LIMIT ?"  # noqa: S608
            if count > MAX_ROWS:
                db.execute(f"DELETE FROM {table} WHERE {key} IN ({oldest})", (count - MAX_ROWS * 9 // 10,))  # noqa: S608


def _make_storable(text: str) -> str:
    return text.encode(errors="replace").decode()
