"""For a person with a question: what lies in an outbox folder, and what to do about what was refused.

Works on the files themselves, without a queue: nothing is sent from here. Files of running processes are
theirs alone; how many there are is all that can be said of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from greenflash_otel.delivery import files, schema
from greenflash_otel.delivery.outbox import LIMIT_BYTES
from greenflash_otel.delivery.schema import GAP, transaction
from greenflash_otel.greenflash_api.request import ApiRequest

WAITING: Final = "w"
ASIDE: Final = "a"
"""First letters of names: an entry that waits, and one that was set aside."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as it lies there."""

    name: str
    """What to call it on the command line, as long as the file stays the same."""
    request: ApiRequest | None
    """None if a bit of it has changed since it was written."""
    items: int
    reason: str = ""
    """Why it was set aside; empty for what waits."""
    attempts: int = 0


class Shelf:
    """The ownerless files of a folder, brought together in one that is ours meanwhile."""

    def __init__(self, owned: files.Owned) -> None:
        self._owned = owned
        self._db = owned.db

    def others(self) -> int:
        """How many files belong to running processes."""
        return files.count(self._owned.path.parent) - 1

    def damaged(self) -> int:
        """How many damaged files were set apart."""
        return files.count(self._owned.path.parent, damaged=True)

    def kept(self) -> Iterator[Kept]:
        """Everything, what waits first, oldest first."""
        for id in schema.ids(self._db, "entries"):
            if (row := schema.entry_row(self._db, id)) is not None:
                yield Kept(f"{WAITING}{id}", schema.request_of(row), row[3])
        for id in schema.ids(self._db, "aside"):
            reason, attempts, row = schema.aside_row(self._db, id)
            yield Kept(f"{ASIDE}{id}", schema.request_of(row), row[3], reason, attempts)

    def retry(self, kept: Kept) -> bool:
        """Let what was set aside wait again, last in its conversation; False if it cannot be read."""
        if kept.request is None or not kept.name.startswith(ASIDE):
            return False
        row = schema.row_of(kept.request)
        id = schema.last_id(self._db) + GAP
        with transaction(self._db):
            schema.insert(self._db, id, schema.lane_of(id, row), row)
            schema.delete_aside(self._db, int(kept.name[1:]))
        return True

    def drop(self, kept: Kept) -> None:
        """Remove it for good."""
        id = int(kept.name[1:])
        with transaction(self._db):
            if kept.name.startswith(ASIDE):
                schema.delete_aside(self._db, id)
            else:
                schema.delete(self._db, id)


@contextmanager
def opened(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> Iterator[Shelf]:
    """Take over what processes that are gone left in a folder, and give it up again.

    Raises:
        OSError, sqlite3.Error: The folder cannot be used.
    """
    owned = files.own(path, limit_bytes=limit_bytes)
    try:
        yield Shelf(owned)
    finally:
        files.release(owned)
