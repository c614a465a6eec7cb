"""Inspect and edit the outbox files that no process owns: for a person with a question.

It reads the files themselves, without a queue, and sends nothing. It never opens the files of running processes;
it only counts them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from greenflash_otel.delivery import captured_table, files, schema
from greenflash_otel.delivery.destination import Destination, list_folders, read_destination
from greenflash_otel.delivery.outbox import LIMIT_BYTES
from greenflash_otel.delivery.schema import GAP, transaction
from greenflash_otel.greenflash_api.request import ApiRequest

PENDING: Final = "w"
REJECTED: Final = "r"
"""First letters of names: an entry that waits, and one that was rejected."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A request in a file."""

    name: str
    """What to call it on the command line, as long as the file stays the same."""
    request: ApiRequest | None
    """None if a bit of it has changed since it was written."""
    items: int
    reason: str = ""
    """Why it was rejected; empty for what waits."""
    attempts: int = 0

    @property
    def is_rejected(self) -> bool:
        """Whether Greenflash refused it for good."""
        return self.name.startswith(REJECTED)


@dataclass(frozen=True, slots=True)
class FolderCounts:
    """How many files of a folder are of which kind, besides the one that is inspected."""

    of_processes: int
    """Files of running processes."""
    corrupt: int
    """Damaged files that were moved out of the way."""
    of_other_schema: int
    """Files of another version of this library; they are left as they are."""


class OutboxInspector:
    """The files of a folder without an owner, brought together in one that is ours meanwhile."""

    def __init__(self, owned: files.OwnedFile) -> None:
        self._owned = owned
        self._db = owned.db

    def count_files(self) -> FolderCounts:
        """Count the other files of the folder."""
        folder = self._owned.path.parent
        return FolderCounts(
            of_processes=len(files.find_files(folder, "ours")) - 1,
            corrupt=files.count_corrupt(folder),
            of_other_schema=len(files.find_files(folder, "other_schema")),
        )

    def count_captured(self) -> int:
        """Count the spans that wait for their conversion by an application or a gateway."""
        return captured_table.count(self._db)

    def count_items(self) -> tuple[int, int]:
        """Count the items of all requests: of those that wait, and of those that were rejected."""
        return schema.count_items(self._db)

    def list_entries(self) -> Iterator[StoredEntry]:
        """Yield everything, what waits first, oldest first."""
        return (entry for name in self.list_names() if (entry := self.read_entry(name)) is not None)

    def list_names(self) -> list[str]:
        """Return the names of all entries, what waits first, oldest first."""
        pending = [f"{PENDING}{id}" for id in schema.list_ids(self._db, "entries")]
        return pending + [f"{REJECTED}{id}" for id in schema.list_ids(self._db, "rejected")]

    def read_entry(self, name: str) -> StoredEntry | None:
        """Return an entry that `list_names` has named; None if it is gone."""
        id = int(name[1:])
        if name.startswith(REJECTED):
            reason, attempts, row = schema.read_rejected_row(self._db, id)
            return StoredEntry(name, schema.request_of(row), row[3], reason, attempts)
        row_or_none = schema.read_entry_row(self._db, id)
        return row_or_none and StoredEntry(name, schema.request_of(row_or_none), row_or_none[3])

    def retry(self, entry: StoredEntry) -> bool:
        """Make a rejected request pending again, the last of its conversation; False if it cannot be read."""
        if entry.request is None or not entry.is_rejected:
            return False
        row = schema.row_of(entry.request)
        id = schema.find_last_id(self._db) + GAP
        with transaction(self._db):
            schema.insert(self._db, id, schema.queue_of(id, row), row)
            schema.delete_rejected(self._db, int(entry.name[1:]))
        return True

    def drop(self, entry: StoredEntry) -> None:
        """Remove a request for good."""
        id = int(entry.name[1:])
        with transaction(self._db):
            if entry.is_rejected:
                schema.delete_rejected(self._db, id)
            else:
                schema.delete_one(self._db, id)


def list_destinations(root: Path) -> list[tuple[Path, Destination]]:
    """Return the folders of a root with their destinations. Changes nothing, and creates nothing.

    A folder appears once more for each other destination that a file in it records. Its mark may be damaged.
    """
    destinations: list[tuple[Path, Destination]] = []
    for folder in list_folders(root):
        marked = read_destination(folder)
        if marked is not None:
            destinations.append((folder, marked))
        recorded = files.find_recorded_destinations(folder) - {marked.key if marked else ""}
        destinations += ((folder, Destination.read_key(key)) for key in sorted(recorded))
    return destinations


def is_marked_for(folder: Path, destination: Destination) -> bool:
    """Return whether a folder says that it is of a destination."""
    marked = read_destination(folder)
    return marked is not None and marked.key == destination.key


def count_nameless(root: Path) -> list[tuple[Path, int]]:
    """Count the damaged files in the folders that do not say their destination: whose they are is unknown."""
    unmarked = (
        folder for folder in list_folders(root) if read_destination(folder) is None and folder.is_dir()
    )
    counts = ((folder, len(files.find_files(folder, "damaged"))) for folder in unmarked)
    return [(folder, count) for folder, count in counts if count]


@contextmanager
def inspecting(
    folder: Path, destination: Destination, *, limit_bytes: int = LIMIT_BYTES
) -> Iterator[OutboxInspector]:
    """Take over what processes that are gone left for a destination, and give it up again.

    Raises:
        OSError, sqlite3.Error: The folder cannot be used.
    """
    owned = files.acquire(
        folder, destination.key, limit_bytes=limit_bytes, is_exact=not is_marked_for(folder, destination)
    )
    try:
        yield OutboxInspector(owned)
    finally:
        files.release(owned)


FAILURES: Final = (OSError, sqlite3.Error)
"""What `inspecting` raises where a folder cannot be used."""
