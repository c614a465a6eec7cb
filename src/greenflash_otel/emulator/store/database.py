"""The emulator's SQLite file: its schema, its one connection, its transactions.

One connection behind one lock serves all threads; each change is one transaction, so that two
requests for a new conversation make one conversation.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIGRATIONS = (
    """
    CREATE TABLE profiles (                   -- users and organizations
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('user', 'organization')),
        external_id TEXT NOT NULL,
        fields TEXT NOT NULL,                 -- JSON object, names as in the API
        created_at_us INTEGER NOT NULL,
        updated_at_us INTEGER NOT NULL,
        UNIQUE (kind, external_id)
    ) STRICT;
    CREATE TABLE conversations (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        product_id TEXT NOT NULL,
        external_id TEXT,                     -- NULLs differ: without an id each request makes a new one
        user_id TEXT NOT NULL REFERENCES profiles (id),
        organization_id TEXT REFERENCES profiles (id),
        fields TEXT NOT NULL,                 -- JSON object: model, systemPrompt, properties, voiceCall
        created_at_us INTEGER NOT NULL,
        updated_at_us INTEGER NOT NULL,
        UNIQUE (product_id, external_id)
    ) STRICT;
    CREATE INDEX conversations_by_change ON conversations (updated_at_us, position);
    CREATE INDEX conversations_of_user ON conversations (user_id);
    CREATE INDEX conversations_of_organization ON conversations (organization_id);
    CREATE TABLE messages (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id),
        external_id TEXT,                     -- NULLs differ: an item without an id is always new
        type TEXT NOT NULL,
        parent TEXT,                          -- as sent, whichever kind of id it is
        failed INTEGER NOT NULL,              -- 1 where the item says that something went wrong
        created_at_us INTEGER NOT NULL,
        item TEXT NOT NULL,                   -- JSON object as it was sent
        UNIQUE (conversation_id, external_id)
    ) STRICT;
    CREATE INDEX messages_in_time ON messages (conversation_id, created_at_us, position);
    CREATE INDEX messages_by_type ON messages (conversation_id, type, created_at_us, position);
    CREATE INDEX messages_by_external_id ON messages (external_id);
    CREATE INDEX messages_failed ON messages (conversation_id) WHERE failed;
    CREATE TABLE outcomes (                   -- Greenflash events
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        insert_id TEXT UNIQUE,
        event_type TEXT NOT NULL,
        product_id TEXT NOT NULL,
        conversation_id TEXT,                 -- as sent: its conversation may come later
        external_conversation_id TEXT,
        occurred_at_us INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX outcomes_by_id ON outcomes (conversation_id);
    CREATE INDEX outcomes_by_external_id ON outcomes (external_conversation_id);
    CREATE INDEX outcomes_by_type ON outcomes (event_type);
    CREATE TABLE ratings (
        position INTEGER PRIMARY KEY,
        product_id TEXT NOT NULL,
        conversation_id TEXT,
        external_conversation_id TEXT,
        message_id TEXT,
        external_message_id TEXT,
        rated_at_us INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX ratings_by_id ON ratings (conversation_id);
    CREATE INDEX ratings_by_external_id ON ratings (external_conversation_id);
    CREATE INDEX ratings_of_message ON ratings (message_id);
    CREATE INDEX ratings_of_external_message ON ratings (external_message_id);
    CREATE TABLE requests (                   -- every one that would change something, before deduplication
        position INTEGER PRIMARY KEY,
        at_us INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        sender TEXT NOT NULL,                 -- User-Agent
        status INTEGER NOT NULL,
        about TEXT NOT NULL,                  -- for people: what it did, or why it was refused
        conversation_id TEXT,                 -- Greenflash's, where it is known by then
        body BLOB NOT NULL                    -- the bytes as they came
    ) STRICT;
    CREATE INDEX requests_refused ON requests (position) WHERE status >= 400;
    CREATE INDEX requests_of_conversation ON requests (conversation_id);
    """,
    """
    ALTER TABLE requests ADD COLUMN news TEXT NOT NULL DEFAULT '[]';  -- JSON array: ids of what was not known before
    CREATE INDEX requests_in_time ON requests (at_us);
    CREATE TABLE identity (id TEXT NOT NULL) STRICT;      -- another one once positions begin anew
    INSERT INTO identity VALUES (lower(hex(randomblob(8))));
    """,
)
"""Applied in order, each once; never edited, only added to."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that happens whole or not at all, at one instant."""

    db: sqlite3.Connection
    now_us: int
    new_uuid: Callable[[], str]
    lines: list[str] = field(default_factory=list)
    """What to report, once it has happened."""
    begun: list[str] = field(default_factory=list)
    """Greenflash's ids of the conversations that it begins: with each there is one more."""


class Store:
    """The open database, with the clock and the source of ids for what is written to it."""

    def __init__(
        self,
        database: str | Path,
        *,
        now_us: Callable[[], int],
        new_uuid: Callable[[], str],
        report: Callable[[str], None] = lambda line: None,
        bound: Callable[[Change], None] = lambda change: None,
    ) -> None:
        """Open the database. ``bound`` ends each change: it may remove what there is too much of."""
        self._bound = bound
        self._now_us = now_us
        self._new_uuid = new_uuid
        self._report = report
        self._lock = threading.Lock()
        self.changes = 0
        """Changes that were committed so far, for those who wait for the next one."""
        self.committed = threading.Condition()
        """Notified of each."""
        self._db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    @contextlib.contextmanager
    def change(self) -> Iterator[Change]:
        """Open a transaction, rolled back if the block raises."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            change = Change(self._db, self._now_us(), self._new_uuid)
            try:
                yield change
                self._bound(change)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            with self.committed:
                self.changes += 1
                self.committed.notify_all()
        for line in change.lines:
            self._report(line)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Open the database as it is at one moment, for reads that belong together."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._db.execute("COMMIT")

    def read_clock_us(self) -> int:
        """Return the time by the clock of what is written."""
        return self._now_us()

    def close(self) -> None:
        """Close the file. What was in ``:memory:`` is gone."""
        with self._lock:
            self._db.close()

    def _migrate(self) -> None:
        (applied,) = self._db.execute("PRAGMA user_version").fetchone()
        for version, script in enumerate(MIGRATIONS[applied:], start=applied + 1):
            self._db.executescript(f"BEGIN; {script}; PRAGMA user_version = {version}; COMMIT;")
