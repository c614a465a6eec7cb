"""The one database of a process: a file of its own in the outbox's folder, or memory where there is none.

It is never carried across a fork, is left for a new one where it turns out to be damaged, and says what it
holds whenever it is opened. What is done with the entries in it is the outbox's.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery import files, schema
from greenflash_otel.delivery.files import Owned
from greenflash_otel.delivery.schedule import Lanes
from greenflash_otel.delivery.state_table import Notebook
from greenflash_otel.delivery.stats import Ledger

MEMORY_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""No outbox in memory grows beyond this."""
DAMAGED: Final = "outbox_damaged"

_inherited: list[sqlite3.Connection] = []
"""Open handles of a parent process, kept so that nothing ever closes them here."""


class Holding:
    """What a process holds: a database, and what is counted and queued of it.

    Args:
        folder: None for memory.
    """

    _db: sqlite3.Connection | None = None
    _owned: Owned | None = None
    _closed = False

    def __init__(self, folder: Path | None, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._memory_limit_bytes = min(limit_bytes, MEMORY_LIMIT_BYTES)
        self._opening = 0
        self._parents_files: set[Path] = set()
        self._begin()

    def before_fork(self) -> None:
        """Close the file, whose handle must not exist twice, and keep others out. Memory stays open."""
        self._lock.acquire()
        if self._owned is not None:
            self._db = None
            self._owned.db.close()

    def after_fork(self, *, in_child: bool) -> None:
        """The parent opens its file again; the child begins one of its own when it first needs it."""
        if in_child:
            self._begin()
            return
        try:
            if self._owned is not None and not self._closed:
                self._reopen(self._owned.path)
        finally:
            self._lock.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread at a time, in the process that opened it."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            yield

    def _begin(self) -> None:
        """Start empty, in a new process. A handle inherited from another is let go of, never closed."""
        if self._db is not None:
            _inherited.append(self._db)
        if self._owned is not None:
            self._parents_files.add(self._owned.path)  # about to be opened again over there
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._ledger = Ledger()
        self._lanes = Lanes()
        self._settled: dict[str, int] = {}  # by lane: up to here delivered, but not yet deleted
        self._last_id = 0
        self._notebook = Notebook(self._limit_bytes)
        self._db = None
        self._owned = None

    def _database(self) -> sqlite3.Connection:
        return self._db if self._db is not None else self._open()

    def _leave(self, removed: Owned) -> sqlite3.Connection:
        """Begin a new file, with all that ours held, which somebody removed. What is out is sent again."""
        kept = self._ledger.kept
        self._ledger.hand_over()
        db, unread = self._open(), 0
        with internal_errors.guarded("go on where the file of the outbox was removed"):
            before, unread = schema.items(db), files.adopt(replace(removed, db=db), removed)
            self._note_found(before, unread)
        self._ledger.lose(kept - self._ledger.kept - unread, DAMAGED)
        return db

    def _open(self, distrusted: Path | None = None) -> sqlite3.Connection:
        self._owned = self._own(distrusted)
        if self._owned is not None:
            self._db = self._owned.db
        else:
            self._db = schema.connect("file::memory:", limit_bytes=self._memory_limit_bytes)
        self._opening += 1
        self._settled.clear()
        self._lanes = Lanes()
        self._notebook = Notebook(self._limit_bytes)
        self._note_found((0, 0), self._owned.unread if self._owned is not None else 0)
        return self._db

    def _note_found(self, before: tuple[int, int], unread: int, after_note: int = 0) -> None:
        """Count and queue what the file holds beyond so many items, which another process left."""
        db = self._database()
        with internal_errors.guarded("recall what was noted"):
            self._notebook.find(db, after=after_note)
        for lane in schema.lanes(db):
            self._lanes.add(lane)
        pending, rejected = schema.items(db)
        self._ledger.found(pending=pending - before[0], rejected=rejected - before[1])
        self._ledger.lose(unread, DAMAGED)
        self._last_id = max(self._last_id, schema.last_id(db))

    def _own(self, distrusted: Path | None) -> Owned | None:
        if self._folder is None:
            return None
        try:
            return files.own(
                self._folder,
                limit_bytes=self._limit_bytes,
                spared=self._parents_files,
                distrusted=distrusted,
            )
        except (sqlite3.Error, OSError) as error:
            internal_errors.count("keep captured data on disk; it waits in memory", error)
            return None

    def _reopen(self, path: Path) -> None:
        """Open our file again. If another process has taken it over meanwhile, it counts what is in there."""
        self._owned = None
        with internal_errors.guarded("open the outbox again after a fork"):
            self._owned = files.lock(path, limit_bytes=self._limit_bytes)
        if self._owned is not None:
            self._db = self._owned.db
        else:
            self._ledger.hand_over()
            self._open()

    def _failed(self, step: str, error: BaseException) -> None:
        """Count a failure; leave a damaged file for a new one, with what can still be read."""
        internal_errors.count(step, error)
        if self._owned is None or self._db is None or not files.is_damage(error):
            return
        kept, path = self._ledger.kept, self._owned.path
        self._db.close()
        self._db = self._owned = None
        self._ledger.hand_over()
        self._open(distrusted=path)
        unread = self._owned.unread if self._owned is not None else 0
        self._ledger.lose(kept - self._ledger.kept - unread, DAMAGED)
