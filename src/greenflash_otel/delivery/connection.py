"""Own the outbox's one database: a file of this process, or memory while no file can be had.

Only the writer's thread uses it. It never crosses a fork. If the file is damaged or was removed, a new one
replaces it. While the folder cannot be used, the database is in memory, and the folder is tried again.
"""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery import adoption, files, schema
from greenflash_otel.delivery.files import OwnedFile

MEMORY_LIMIT_BYTES: Final = 48 * 1024 * 1024
"""No outbox in memory grows beyond this."""
RETRY_S: Final = 1.0
"""How often a folder that could not be used is tried again."""

_inherited: list[sqlite3.Connection] = []
"""Open databases of a parent process, retained so that nothing ever closes them here."""


class OutboxConnection:
    """The database of an outbox. Opens it when it is first needed.

    Args:
        folder: None for memory.
        limit_bytes: What is to be stored at most.
        destination: What everything in it is captured for.
        claim_folder: Makes the folder say whose it is, whenever a file is made in it; raises OSError.
    """

    def __init__(
        self,
        folder: Path | None,
        limit_bytes: int,
        destination: str,
        claim_folder: Callable[[Path], None] | None = None,
    ) -> None:
        self.folder = folder
        self._claim_folder = claim_folder
        self.destination = destination
        self._limit_bytes = limit_bytes
        self.generation = 0
        """Counts openings: ids of entries mean nothing in another."""
        self.db: sqlite3.Connection | None = None
        self.owned: OwnedFile | None = None
        self.is_released = False
        """Whether the file was closed for a while, because nothing waits in it."""
        self._tried_s = float("-inf")

    @property
    def is_file(self) -> bool:
        """Whether what is stored is on disk."""
        return self.owned is not None or self.is_released

    @property
    def limit_bytes(self) -> int:
        """What may be stored where it is stored now."""
        return self._limit_bytes if self.is_file else min(self._limit_bytes, MEMORY_LIMIT_BYTES)

    def was_removed(self) -> bool:
        """Return whether our file was removed."""
        return self.owned is not None and not self.owned.path.exists()

    def open(self, now_s: float, *, suspect: Path | None = None, acknowledged: Collection[int] = ()) -> int:
        """Open a database; return how many rows of other files could not be read.

        Args:
            suspect: A file known to be damaged.
            acknowledged: Ids of entries in it that are delivered.
        """
        self.is_released = False
        self.owned = self._acquire(now_s, suspect, acknowledged)
        if self.owned is not None:
            self.db = self.owned.db
        else:
            self.db = schema.connect_memory(self.destination, limit_bytes=self.limit_bytes)
        self.generation += 1
        return self.owned.unread if self.owned is not None else 0

    def move_to_file(self, now_s: float) -> bool:
        """Move from memory to a file if that is possible now. Return whether it was.

        What is claimed at this moment keeps its place in the new file only in order: it is sent again.
        """
        if self.owned is not None or self.folder is None or now_s - self._tried_s < RETRY_S:
            return False
        memory = self.db
        if (owned := self._acquire(now_s)) is None:
            return False
        if memory is not None:
            try:
                adoption.copy_all(owned.db, memory, after_id=0, limit_bytes=self._limit_bytes)
            except (sqlite3.Error, OSError) as error:
                internal_errors.count("move captured data from memory to disk", error)
                files.release(owned)
                return False
            memory.close()
        self.owned, self.db = owned, owned.db
        self.generation += 1
        return True

    def leave_damaged(self) -> Path | None:
        """Close a damaged file for good; return its path."""
        path = self.owned.path if self.owned is not None else None
        if self.db is not None:
            self.db.close()
        if self.owned is not None:
            self.owned.lock.release(remove=False)
        self.db = self.owned = None
        return path

    def leave_removed(self, now_s: float) -> OwnedFile | None:
        """Open a new file in place of one that was removed; return the old one, still readable."""
        removed, self.owned, self.db = self.owned, None, None
        self.open(now_s)
        return removed if self.owned is None else removed and replace(removed, limit_bytes=self._limit_bytes)

    def close(self) -> None:
        """Give the file up; one that contains nothing more is removed."""
        owned, db, self.owned, self.db = self.owned, self.db, None, None
        if owned is not None:
            files.release(owned)
        elif db is not None:
            db.close()

    def release(self) -> None:
        """Give the file up for a while, because others need the room; `open` opens the same folder again."""
        self.close()
        self.is_released = True

    def forget_in_child(self) -> None:
        """Leave the parent's file to the parent. SQLite must not close it here: that would write to it."""
        if self.db is not None:
            _inherited.append(self.db)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.db))  # even at the end of the interpreter
        if self.owned is not None:
            self.owned.lock.close_in_child()
        self.db = self.owned = None
        self.is_released = False
        self._tried_s = float("-inf")

    def _acquire(
        self, now_s: float, suspect: Path | None = None, acknowledged: Collection[int] = ()
    ) -> OwnedFile | None:
        if self.folder is None:
            return None
        self._tried_s = now_s
        try:
            if self._claim_folder is not None:
                self._claim_folder(self.folder)
            return files.acquire(
                self.folder,
                self.destination,
                limit_bytes=self._limit_bytes,
                suspect=suspect,
                acknowledged=acknowledged,
            )
        except (sqlite3.Error, OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            internal_errors.count("use the outbox on disk", error)
            internal_errors.warn_once(
                f"the outbox folder {self.folder} cannot be used ({why}). Until it can, captured data waits "
                "in memory, where a crash loses it. Set GREENFLASH_OUTBOX to a folder of this user",
                key=f"outbox in memory {self.folder}",
            )
            return None
